import { useEffect, useState } from 'preact/hooks';
import { call, get, Problem, sentence } from '../api/client';
import { signIn } from '../lib/session';
import { Icon } from '../ui/icon';

/** A password that can be looked at, with a word about caps lock. */
function Password({ name, label, autocomplete, onInput, hint }: { name: string; label: string; autocomplete: 'current-password' | 'new-password'; onInput: (value: string) => void; hint?: string }) {
  const [shown, setShown] = useState(false);
  const [caps, setCaps] = useState(false);
  return (
    <div>
      <label class="field" for={name}>{label}</label>
      <div class="row">
        {/* `type` by hand: its two values are two kinds of element to the types. */}
        <input id={name} name={name} ref={(element) => { if (element) element.type = shown ? 'text' : 'password'; }} autocomplete={autocomplete} required
          onInput={(event) => onInput(event.currentTarget.value)} onKeyUp={(event) => setCaps(event.getModifierState?.('CapsLock') ?? false)} />
        <button type="button" class="ghost" aria-pressed={shown} onClick={() => setShown(!shown)}><Icon name={shown ? 'eye-off' : 'eye'} /> {shown ? 'Hide' : 'Show'}</button>
      </div>
      <span class="hint" role="status">{caps ? 'Caps lock is on.' : hint ?? ''}</span>
    </div>
  );
}

function FirstRun() {
  const [form, setForm] = useState({ code: '', name: '', login: '', password: '' });
  const [failure, setFailure] = useState('');
  const [busy, setBusy] = useState(false);
  const set = (key: keyof typeof form) => (value: string) => setForm((old) => ({ ...old, [key]: value }));
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    try {
      await call('POST', '/api/v1/setup', form);
      await signIn(form.login, form.password);
    } catch (error) {
      setFailure(sentence(error));
      setBusy(false);
    }
  };
  return (
    <form class="card stack" onSubmit={submit}>
      <h1 tabIndex={-1}>Welcome to mtbridge</h1>
      <p class="muted">Nobody can sign in yet. The hub wrote a one-time set-up code to its log when it first started; whoever has it becomes the owner.</p>
      <label class="field">Set-up code<input name="code" autocomplete="one-time-code" required spellcheck={false} onInput={(event) => set('code')(event.currentTarget.value.trim())} /></label>
      <label class="field">Your name<input name="name" autocomplete="name" required onInput={(event) => set('name')(event.currentTarget.value)} /></label>
      <label class="field">Login<span class="hint">An e-mail address or a word; nothing is sent to it.</span><input name="login" autocomplete="username" required spellcheck={false} onInput={(event) => set('login')(event.currentTarget.value.trim())} /></label>
      <Password name="password" label="Password" autocomplete="new-password" hint="At least 12 characters; 15 or more are better." onInput={set('password')} />
      <div role="alert">{failure && <p class="error"><Icon name="alert" /> <span>{failure}</span></p>}</div>
      <button class="primary" disabled={busy}>{busy ? 'Setting up…' : 'Set up and sign in'}</button>
    </form>
  );
}

function SignIn() {
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [failure, setFailure] = useState('');
  const [wait, setWait] = useState(0);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    try {
      await signIn(login, password);
    } catch (error) {
      if (error instanceof Problem && typeof error.body.retry_after === 'number') setWait(Math.ceil(error.body.retry_after));
      setFailure(error instanceof Problem ? error.message : sentence(error));
      setBusy(false);
    }
  };
  return (
    <form class="card stack" onSubmit={submit}>
      <h1 tabIndex={-1}>Sign in to mtbridge</h1>
      <label class="field">Login<input name="login" autocomplete="username" required spellcheck={false} onInput={(event) => setLogin(event.currentTarget.value.trim())} /></label>
      <Password name="password" label="Password" autocomplete="current-password" onInput={setPassword} />
      <div role="alert">{failure && <p class="error"><Icon name="alert" /> <span>{failure}{wait > 0 && ` You can try again in ${wait} s.`}</span></p>}</div>
      <button class="primary" disabled={busy || wait > 0}>{busy ? 'Signing in…' : 'Sign in'}</button>
      <p class="small muted">A lost password is replaced by whoever runs the hub: <code>mtbridge user reset</code></p>
    </form>
  );
}

/** Before anything else: signing in, or the first run. */
export default function Login() {
  const [first, setFirst] = useState<boolean | undefined>();
  useEffect(() => {
    get<{ needed: boolean }>('/api/v1/setup').then((setup) => setFirst(setup.needed), () => setFirst(false));
  }, []);
  if (first === undefined) return <main class="login" aria-busy="true" />;
  return <main class="login">{first ? <FirstRun /> : <SignIn />}</main>;
}
