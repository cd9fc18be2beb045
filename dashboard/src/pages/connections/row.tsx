import type { Terminal, Token } from '../../api/types';
import { acts } from '../../lib/session';
import { span } from '../../lib/time';
import { Link } from '../../lib/router';
import { accountName, daysLeft, expiry, millis, refusal, refusalWords, tokenName, troubles, unused } from '../../lib/tokens';
import { Ago } from '../../ui/ago';
import { Money, StateBadge } from '../../ui/badge';
import { Icon } from '../../ui/icon';
import { Menu, type Item } from '../../ui/menu';
import { Num } from '../../ui/table';
import { address, minute, opened } from './open';

/** When it ends: quiet beyond 30 days, yellow from there, red from 7. Of one that was replaced: when the overlap is over. */
export function Expires({ token, level = expiry(token, minute.value) }: { token: Token; level?: 'fine' | 'soon' | 'urgent' }) {
  if (token.state === 'revoked' || !token.expires_at) return null;
  const left = daysLeft(token, minute.value);
  const days = Math.floor(left);
  const words =
    left <= 0 ? 'expired' : days > 30 ? `in ${days} days` : left < 2 ? `in ${span(left * 86_400_000)}` : `in ${days} days`;
  const exact = (
    <time class="nowrap" dateTime={token.expires_at} title={token.expires_at}>
      {words}
    </time>
  );
  if (token.successor && left > 0) return <span class="badge plain">old, ends {exact}</span>;
  return level === 'fine' ? exact : <span class={`badge plain ${level === 'soon' ? 'warn' : 'bad'}`}>{exact}</span>;
}

function LastSeen({ token }: { token: Token }) {
  if (token.state === 'connected') return <span>online</span>;
  if (token.state === 'pending' || unused(token)) return <span class="muted">never</span>;
  return <Ago at={token.last_seen_at} none="unknown" />;
}

/** Rows and the panel name the same: what can be done with a token. */
export function actionsOf(token: Token): Item[] {
  if (token.state === 'revoked') return [];
  const open = (what: 'disconnect' | 'revoke' | 'rename' | 'replace') => () => (opened.value = { what, token });
  const items: Item[] = [{ text: 'Rename', icon: 'edit', run: open('rename') }];
  // What is over, or was replaced already, is not replaced once more.
  if (token.state !== 'expired' && !token.successor) items.push({ text: 'Replace…', icon: 'refresh', run: open('replace') });
  if (token.account && token.state !== 'expired') items.push({ text: 'Disconnect…', icon: 'unlink', run: open('disconnect') });
  items.push({ text: 'Revoke…', icon: 'bin', danger: true, run: open('revoke') });
  return items;
}

/** What a person should know before anything else of it. */
export function Notices({ token, terminal, old }: { token: Token; terminal?: Terminal; old?: Token }) {
  const wrong = troubles(terminal);
  const refused = refusal(token, minute.value);
  return (
    <>
      {wrong.length > 0 && (
        <div class="small error">
          <Icon name="warning" /> <span>{wrong.join('; ')}</span>
        </div>
      )}
      {refused && (
        <div class="small error">
          <Icon name="ban" />{' '}
          <span>
            Refused <Ago at={refused.at} />: {refusalWords(refused, token)}.
          </span>
        </div>
      )}
      {token.successor && token.state !== 'revoked' && (
        <div class="small muted">Replaced: put the new token into the terminal before this one ends.</div>
      )}
      {old && (
        <div class="small muted">
          New: takes over from <code>{old.prefix}…</code>, which ends <Ago at={old.expires_at} />.
        </div>
      )}
      {unused(token) && !old && <div class="small muted">No terminal has used it yet.</div>}
      {token.state === 'offline' && !token.successor && !unused(token) && (
        <div class="small muted">The terminal is closed, its machine asleep, or the address not allowed in it.</div>
      )}
    </>
  );
}

/** One token; drawn anew only when something of it changed. */
export function Row({ token, terminal, old }: { token: Token; terminal?: Terminal; old?: Token }) {
  const name = tokenName(token);
  return (
    <tr role="row" data-token={token.id}>
      <td role="cell">
        <StateBadge state={token.state} />
      </td>
      <td role="cell" class="wide name">
        <div>
          <Link href={address({ token: token.id })} title="Details">
            <strong>{name}</strong>
          </Link>{' '}
          {token.name && token.prefix && <code class="muted small">{token.prefix}…</code>}
        </div>
        <Notices token={token} terminal={terminal} old={old} />
      </td>
      <td role="cell" class="account">
        {token.account && (
          <>
            <Link href={`/terminal/${token.id}`} aria-label={accountName(token.account)}>
              {token.account.login}
            </Link>{' '}
            <Money mode={terminal?.trade_mode_name} /> <span class="small muted server">{token.account.server}</span>
          </>
        )}
      </td>
      <td role="cell" class="seen" data-label="Seen" data-state={token.state}>
        <LastSeen token={token} />
      </td>
      <Num>{token.rtt_ms == null ? '' : millis(token.rtt_ms)}</Num>
      <td role="cell" data-label={token.expires_at && token.state !== 'revoked' && !token.successor ? 'Ends' : undefined}>
        <Expires token={token} />
      </td>
      <td role="cell" class="actions">
        {acts.value && token.state !== 'revoked' && <Menu label={`More for ${name}`} items={actionsOf(token)} />}
      </td>
    </tr>
  );
}
