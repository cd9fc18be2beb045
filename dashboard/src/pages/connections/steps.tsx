import { useState } from 'preact/hooks';

const LOCAL = /^(localhost|127\.|\[::1\])/;

/** How the token gets into the terminal: docs/install-ea.md in short. */
export function Steps({ url }: { url: string }) {
  const [platform, setPlatform] = useState<'5' | '4'>('5');
  const { hostname, protocol } = location;
  const encrypted = url.startsWith('wss');
  return (
    <section class="stack" aria-label="How to install it">
      <div class="row between">
        <h3>Then, in the terminal</h3>
        <div class="segmented" role="group" aria-label="Platform">
          {(['5', '4'] as const).map((one) => (
            <button type="button" key={one} aria-pressed={platform === one} onClick={() => setPlatform(one)}>
              MetaTrader {one}
            </button>
          ))}
        </div>
      </div>
      {platform === '5' ? (
        <ol class="steps">
          <li>
            <em>Tools &gt; Options &gt; Expert Advisors</em>: tick <em>Allow WebRequest for listed URL</em> and add{' '}
            <code class="wrap">{`${protocol}//${hostname}`}</code>. If the EA still says “address not allowed”, add{' '}
            <code class="wrap">{hostname}</code> as well.
          </li>
          <li>
            Drag <em>MtBridge</em> from the Navigator onto one chart, tick <em>Allow Algo Trading</em>, and paste both values into
            its <em>Inputs</em>.
          </li>
          <li>
            Press <em>Algo Trading</em> in the toolbar. One chart is enough for all symbols.
          </li>
        </ol>
      ) : (
        <ol class="steps">
          <li>
            <em>Tools &gt; Options &gt; Expert Advisors</em>: tick <em>Allow automated trading</em> and <em>Allow DLL imports</em>{' '}
            (MetaTrader 4 has no sockets of its own; the EA uses that of Windows, <code>ws2_32.dll</code>).
          </li>
          <li>
            <em>Account History</em> tab: right-click, <em>All History</em>.
          </li>
          <li>
            Drag <em>MtBridge</em> onto one chart, tick <em>Allow live trading</em> and <em>Allow DLL imports</em>, and paste both
            values into its <em>Inputs</em>. Press <em>AutoTrading</em>.
          </li>
          {encrypted && (
            <li>
              MetaTrader 4 cannot speak <code>wss://</code>: run a TLS proxy beside it, and give the EA{' '}
              <code>ws://127.0.0.1:8787</code>. <code>docs/install-ea.md</code> shows how.
            </li>
          )}
        </ol>
      )}
      <p class="small muted">
        No <em>MtBridge</em> in the Navigator? Copy and compile it first: <code>docs/install-ea.md</code>.
      </p>
      {LOCAL.test(hostname) ? (
        <p class="small muted">This address is for a terminal on this very machine.</p>
      ) : (
        !encrypted && <p class="small muted">The link is not encrypted: use it only within a network that you trust.</p>
      )}
    </section>
  );
}
