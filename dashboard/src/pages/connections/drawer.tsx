import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { Terminal, Token } from '../../api/types';
import { loadTerminal, terminals, tokens, tripsOf } from '../../live/store';
import { useLoaded } from '../../lib/load';
import { go, Link, where } from '../../lib/router';
import { acts } from '../../lib/session';
import { now, span, stamp, zone, zoneName } from '../../lib/time';
import { millis, refusal, replaced, tokenName } from '../../lib/tokens';
import { StateBadge } from '../../ui/badge';
import { Failed } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Facts, Permissions } from './facts';
import { History } from './history';
import { address, minute } from './open';
import { actionsOf, Notices } from './row';
import { Spark } from './spark';

const close = () => go(address({ token: '' }), true);

interface Sides {
  title: string;
  children: ComponentChildren;
  footer: ComponentChildren;
  rename?: () => void;
}

/** A modal panel at the side. Escape and a press outside close it, and the focus goes back to the row. */
function Panel({ title, children, footer, rename }: Sides) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // As in Modal.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    const id = where.peek().searchParams.get('token');
    return () => {
      shown?.close();
      const row = document.querySelector<HTMLElement>(`[data-token="${CSS.escape(id ?? '')}"] a`);
      const back = opener instanceof HTMLElement && opener !== document.body && opener.isConnected ? opener : row;
      back?.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class="drawer"
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        // Of a dialog above it, too, the event comes here.
        if (event.target === dialog.current) close();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
      onKeyDown={() => undefined}
    >
      <div class="inside">
        <header class="row">
          <h2 id={heading}>{title}</h2>
          <span class="grow" />
          {rename && (
            <button type="button" class="ghost icon-only" onClick={rename}>
              <Icon name="edit" label="Rename" />
            </button>
          )}
          <button type="button" class="ghost icon-only" onClick={close}>
            <Icon name="x" label="Close" />
          </button>
        </header>
        <div class="body">{children}</div>
        <footer>{footer}</footer>
      </div>
    </dialog>
  );
}

function exact(at: string): string {
  const how = zone.value === 'broker' ? 'utc' : zone.value;
  return `${stamp(Date.parse(at), how)} ${zoneName(how)}`;
}

/** In which state, and since when. */
function Since({ token }: { token: Token }) {
  const at = {
    connected: token.connected_at,
    offline: token.last_seen_at,
    expired: token.expires_at,
    revoked: token.revoked_at,
    pending: token.created_at || null,
  }[token.state];
  return (
    <p class="row since">
      <StateBadge state={token.state} />
      <span>
        {at && (
          <>
            {token.state === 'pending' ? 'made' : 'since'} {exact(at)}{' '}
            <span class="muted nowrap">({span(now.value - Date.parse(at))})</span>
          </>
        )}
        {token.state === 'pending' && ', no terminal has used it yet'}
        {token.state === 'offline' && token.last_disconnect && <span class="muted">: {token.last_disconnect}</span>}
      </span>
    </p>
  );
}

/** How often the hub pings: a new round trip is no news on the stream. */
const PING_MS = 2_000;
const HOPS: [string, string][] = [
  ['hub', 'Hub ↔ terminal'],
  ['broker', 'Terminal ↔ broker'],
];

/** The line is what this tab was told, the figures are the hub's own of the last hour. */
function Latency({ token }: { token: Token }) {
  const { value, load } = useLoaded(
    () =>
      ok(
        hub.GET('/api/v1/terminals/{terminal}/latency', {
          params: { path: { terminal: token.id }, query: { window_s: 3600 } },
        }),
      ),
    token.id,
    token.state,
  );
  useEffect(() => {
    const again = setInterval(() => void load(), 15_000);
    return () => clearInterval(again);
  }, [token.id]);
  useEffect(() => {
    if (token.state !== 'connected') return;
    const ask = () => void loadTerminal(token.id).catch(() => undefined);
    ask();
    const again = setInterval(ask, PING_MS);
    return () => clearInterval(again);
  }, [token.id, token.state]);
  const hops = HOPS.flatMap(([id, name]) => {
    const hop = value.value?.hops.find((one) => one.hop === id);
    return hop?.count && hop.p50_ms !== null && hop.p95_ms !== null ? [{ name, p50: hop.p50_ms, p95: hop.p95_ms }] : [];
  });
  if (token.state !== 'connected' && hops.length === 0) return null;
  return (
    <section>
      <h3>Round trip{token.rtt_ms != null && <span class="muted"> now {millis(token.rtt_ms)}</span>}</h3>
      {token.state === 'connected' && <Spark values={tripsOf(token.id)} />}
      {hops.map((hop) => (
        <p class="small muted" key={hop.name}>
          {hop.name}, last hour: half within {millis(hop.p50)}, 95 % within {millis(hop.p95)}
        </p>
      ))}
    </section>
  );
}

function Details({ token, terminal }: { token: Token; terminal?: Terminal }) {
  const { value, failure, load } = useLoaded(
    () =>
      acts.value ? ok(hub.GET('/api/v1/tokens/{id}/link', { params: { path: { id: token.id } } })) : Promise.resolve(undefined),
    token.id,
    token.state,
    token.connected_at,
    refusal(token, minute.value)?.at,
  );
  const past = value.value;
  return (
    <>
      <Since token={token} />
      <Notices token={token} terminal={terminal} old={replaced(tokens.value ?? []).get(token.id)} />
      {token.account && token.state !== 'revoked' && <Latency token={token} />}
      <Facts token={token} terminal={terminal} past={past} />
      {terminal && <Permissions terminal={terminal} />}
      {acts.value && (
        <section>
          <h3>Who came, went and was refused</h3>
          {failure.value && <Failed what={failure.value} again={() => void load()} />}
          {past && <History past={past} />}
        </section>
      )}
    </>
  );
}

/** Everything about the token that the address names. */
export function Drawer() {
  const id = where.value.searchParams.get('token');
  const list = tokens.value;
  if (!id || !list) return null;
  const token = list.find((one) => one.id === id);
  if (!token)
    return (
      <Panel
        title="There is no such connection"
        footer={
          <button type="button" onClick={close}>
            Close
          </button>
        }
      >
        <p>Its token may be of another owner, or the address was cut short.</p>
      </Panel>
    );
  return (
    <Panel
      key={id}
      title={tokenName(token)}
      rename={acts.value ? actionsOf(token).find((item) => item.icon === 'edit')?.run : undefined}
      footer={
        <>
          {token.account && token.state !== 'revoked' && (
            <Link class="button" href={`/terminal/${token.id}`}>
              Terminal
            </Link>
          )}
          {acts.value &&
            actionsOf(token)
              .filter((item) => item.icon !== 'edit')
              .map((item) => (
                <button type="button" key={item.text} class={item.danger ? 'danger' : ''} onClick={item.run}>
                  {item.text}
                </button>
              ))}
          {token.state === 'revoked' && (
            <button type="button" onClick={close}>
              Close
            </button>
          )}
        </>
      }
    >
      <Details token={token} terminal={terminals.value.get(token.id)} />
    </Panel>
  );
}
