import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Terminal, Token } from '../api/types';
import { loadTokens, terminals, tokens, tokensFailed } from '../live/store';
import { go, Link, where } from '../lib/router';
import { acts } from '../lib/session';
import { now } from '../lib/time';
import { accountName, daysLeft, expiry, ordered, troubles } from '../lib/tokens';
import { Ago } from '../ui/ago';
import { Money, StateBadge } from '../ui/badge';
import { Empty, Failed, Loading } from '../ui/empty';
import { Icon } from '../ui/icon';
import { Menu, type Item } from '../ui/menu';
import { Disconnect, Rename, Replace, Revoke } from './connections/actions';
import { NewConnection } from './connections/create';

type Open = { what: 'new' } | { what: 'disconnect' | 'revoke' | 'rename' | 'replace'; token: Token } | null;
const STATES = ['connected', 'offline', 'pending', 'expired', 'revoked'] as const;

function Expires({ token }: { token: Token }) {
  if (token.state === 'revoked' || !token.expires_at) return null;
  const level = expiry(token, now.peek());
  const days = Math.floor(daysLeft(token, now.peek()));
  const words =
    days < 0 ? 'expired' : days > 30 ? `${days} days` : days === 0 ? 'today' : `in ${days} ${days === 1 ? 'day' : 'days'}`;
  const exact = (
    <time class="nowrap" dateTime={token.expires_at} title={token.expires_at}>
      {words}
    </time>
  );
  return level === 'fine' ? exact : <span class={`badge plain ${level === 'soon' ? 'warn' : 'bad'}`}>{exact}</span>;
}

function LastSeen({ token }: { token: Token }) {
  if (token.state === 'connected') return <span>online</span>;
  if (token.state === 'pending') return <span class="muted">never</span>;
  return <Ago at={token.last_seen_at} none="unknown" />;
}

function Row({ token, terminal, open }: { token: Token; terminal?: Terminal; open: (what: Open) => void }) {
  const wrong = troubles(terminal);
  const items: Item[] = [];
  if (token.state !== 'revoked') {
    items.push({ text: 'Rename', icon: 'edit', run: () => open({ what: 'rename', token }) });
    items.push({ text: 'Replace…', icon: 'refresh', run: () => open({ what: 'replace', token }) });
    if (token.account) items.push({ text: 'Disconnect…', icon: 'unlink', run: () => open({ what: 'disconnect', token }) });
    items.push({ text: 'Revoke…', icon: 'bin', danger: true, run: () => open({ what: 'revoke', token }) });
  }
  const name = token.name || token.prefix;
  return (
    <tr role="row">
      <td role="cell">
        <StateBadge state={token.state} />
      </td>
      <td role="cell" class="wide">
        <div>
          {token.account ? (
            <Link href={`/terminal/${token.id}`}>
              <strong>{name}</strong>
            </Link>
          ) : (
            <strong>{name}</strong>
          )}{' '}
          {token.prefix && <code class="muted small">{token.prefix}…</code>}
        </div>
        {wrong.length > 0 && (
          <div class="small error">
            <Icon name="warning" /> {wrong.join('; ')}
          </div>
        )}
        {token.state === 'offline' && (
          <div class="small muted">The terminal is closed, its machine asleep, or the address not allowed in it.</div>
        )}
      </td>
      <td role="cell" class="wide">
        {token.account && (
          <>
            <span class="nowrap">{accountName(token.account)}</span> <Money mode={terminal?.trade_mode_name} />
          </>
        )}
      </td>
      <td role="cell" data-label="Seen">
        <LastSeen token={token} />
      </td>
      <td role="cell" class="num" data-label={token.rtt_ms == null ? undefined : 'Round trip'}>
        {token.rtt_ms == null ? '' : `${token.rtt_ms < 10 ? token.rtt_ms.toFixed(1) : Math.round(token.rtt_ms)} ms`}
      </td>
      <td role="cell" data-label="Expires">
        <Expires token={token} />
      </td>
      <td role="cell" class="actions">
        {acts.value && items.length > 0 && <Menu label={`More for ${name}`} items={items} />}
      </td>
    </tr>
  );
}

function Filter({ counts }: { counts: Map<string, number> }) {
  const chosen = where.value.searchParams.get('state') ?? '';
  const choose = (state: string) => go(state ? `/connections?state=${state}` : '/connections', true);
  return (
    <div class="chips" role="group" aria-label="Show only">
      <button type="button" class="chip" aria-pressed={chosen === ''} data-filter onClick={() => choose('')}>
        All but revoked
      </button>
      {STATES.filter((state) => counts.get(state)).map((state) => (
        <button
          type="button"
          class="chip"
          key={state}
          aria-pressed={chosen === state}
          onClick={() => choose(chosen === state ? '' : state)}
        >
          {state[0]!.toUpperCase() + state.slice(1)} <span class="muted">{counts.get(state)}</span>
        </button>
      ))}
    </div>
  );
}

/** Who is connected, and every token behind it. */
export default function Connections() {
  const open = useSignal<Open>(null);
  useEffect(() => void loadTokens(), []);
  const list = tokens.value;
  const chosen = where.value.searchParams.get('state') ?? '';
  const counts = new Map<string, number>();
  for (const token of list ?? []) counts.set(token.state, (counts.get(token.state) ?? 0) + 1);
  const shown = ordered(
    (list ?? []).filter((token) => (chosen ? token.state === chosen : token.state !== 'revoked')),
    terminals.value,
  );
  const expiring = (list ?? []).filter(
    (token) => !['revoked', 'expired'].includes(token.state) && expiry(token, now.peek()) !== 'fine',
  ).length;
  const close = () => (open.value = null);
  const what = open.value;
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>Connections</h1>
          <p>One token for each terminal. It locks itself to the first account that uses it.</p>
        </div>
        {acts.value && (
          <button type="button" class="primary" data-new onClick={() => (open.value = { what: 'new' })}>
            <Icon name="plus" /> New connection
          </button>
        )}
      </div>
      {expiring > 0 && (
        <p class="note warn row">
          <Icon name="clock" /> {expiring === 1 ? 'One token expires' : `${expiring} tokens expire`} within 30 days. Replace gives
          a new one while the old one still works.
        </p>
      )}
      {tokensFailed.value && <Failed what={tokensFailed.value} again={() => void loadTokens()} />}
      {list === undefined && !tokensFailed.value && <Loading />}
      {list &&
        (list.length === 0 ? (
          <Empty icon="plug" title="No terminal yet">
            <p>Make a token, paste it into the Expert Advisor, and watch it connect here.</p>
            {acts.value && (
              <button type="button" class="primary" onClick={() => (open.value = { what: 'new' })}>
                <Icon name="plus" /> New connection
              </button>
            )}
          </Empty>
        ) : (
          <div class="stack live">
            <Filter counts={counts} />
            <table class="table cards-on-phone" role="table" aria-label="Connections">
              <thead role="rowgroup">
                <tr role="row">
                  {['State', 'Name', 'Account', 'Seen', 'Round trip', 'Expires'].map((name) => (
                    <th key={name} role="columnheader" scope="col" class={name === 'Round trip' ? 'num' : ''}>
                      {name}
                    </th>
                  ))}
                  <th role="columnheader" scope="col">
                    <span class="visually-hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody role="rowgroup">
                {shown.map((token) => (
                  <Row
                    key={token.id}
                    token={token}
                    terminal={terminals.value.get(token.id)}
                    open={(next) => (open.value = next)}
                  />
                ))}
              </tbody>
            </table>
            {shown.length === 0 && (
              <p class="muted">
                No token is in this state. <Link href="/connections">Show all</Link>
              </p>
            )}
          </div>
        ))}
      {what?.what === 'new' && <NewConnection onClose={close} />}
      {what?.what === 'disconnect' && <Disconnect token={what.token} onClose={close} />}
      {what?.what === 'revoke' && <Revoke token={what.token} onClose={close} />}
      {what?.what === 'rename' && <Rename token={what.token} onClose={close} />}
      {what?.what === 'replace' && <Replace token={what.token} onClose={close} />}
    </>
  );
}
