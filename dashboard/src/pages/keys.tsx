export default function Keys() { return <h1 tabIndex={-1}>API keys</h1>; }
