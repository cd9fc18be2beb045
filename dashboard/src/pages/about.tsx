import { useEffect, useState } from 'preact/hooks';
import { hub, ok } from '../api/client';

/** What this is, and under which licences. */
export default function About() {
  const [version, setVersion] = useState('');
  const [licences, setLicences] = useState('');
  useEffect(() => {
    ok(hub.GET('/healthz')).then(
      (health) => setVersion(health.version),
      () => setVersion('unknown'),
    );
    fetch('/third-party.md')
      .then(
        (answer) => (answer.ok ? answer.text() : ''),
        () => '',
      )
      .then(setLicences, () => undefined);
  }, []);
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>About</h1>
          <p>mtbridge {version}, the hub that MetaTrader terminals stay connected to.</p>
        </div>
      </div>
      <div class="stack">
        <section class="card stack">
          <h2>Documentation</h2>
          <p>
            The API of this hub, with every call and error: <a href="/docs">reference</a>. The page that you look at uses nothing
            else.
          </p>
        </section>
        <section class="card stack">
          <h2>Licences</h2>
          <p>mtbridge is under the MIT or the Apache 2.0 licence, as you like.</p>
          <p>
            Charts: TradingView Lightweight Charts™, Copyright (с) 2023 TradingView, Inc.{' '}
            <a href="https://www.tradingview.com/" rel="noreferrer">
              https://www.tradingview.com/
            </a>
          </p>
          <details>
            <summary>Everything that this page is made of</summary>
            <pre class="scroll small" tabIndex={0}>
              {licences}
            </pre>
          </details>
        </section>
      </div>
    </>
  );
}
