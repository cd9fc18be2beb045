import type { ApiKey } from '../../api/types';
import { short } from '../../lib/network';
import { acts } from '../../lib/session';
import { inWords, trades } from '../../lib/permissions';
import { below, capital, count } from '../../lib/plans';
import { now, span } from '../../lib/time';
import { Ago } from '../../ui/ago';
import { Icon } from '../../ui/icon';
import { Menu, type Item } from '../../ui/menu';

const DAY = 86_400_000;
export interface Flag {
  text: string;
  /** Whether it wants to be done something about soon. */
  loud?: boolean;
}

/** What a careful owner would look at. */
export function flags(key: ApiKey, at: number): Flag[] {
  if (key.state !== 'active') return [];
  const found: Flag[] = [];
  const used = key.last_used_at ? Date.parse(key.last_used_at) : undefined;
  const left = key.expires_at ? Date.parse(key.expires_at) - at : Infinity;
  if (left < 14 * DAY) found.push({ text: `ends in ${span(left)}`, loud: true });
  if (key.permissions.includes('admin')) found.push({ text: 'all permissions', loud: true });
  if (!key.ips)
    found.push({ text: trades(key.permissions) ? 'trades from any address' : 'any address', loud: trades(key.permissions) });
  if (used === undefined && at - Date.parse(key.created_at) > DAY) found.push({ text: 'never used' });
  if (used !== undefined && at - used > 90 * DAY) found.push({ text: 'unused for 90 days' });
  return found;
}

/** How much of its plan is spent: the words, and a bar beside them. */
function Usage({ row }: { row: ApiKey }) {
  const { limit, used, resets_at, running, running_limit, limited_24h } = row.usage;
  const left = resets_at ? Date.parse(resets_at) - now.value : 0;
  return (
    <div class="usage small">
      <strong>{capital(row.effective_plan)}</strong>
      {below(row.effective_plan, row.plan) && (
        <span class="muted">, {capital(row.plan)} is above what whoever runs this hub allows</span>
      )}
      {limit !== null && used !== null ? (
        <>
          <progress aria-hidden="true" max={limit} value={used} class={used >= limit ? 'full' : ''} />
          <div>
            {count(used)} / {count(limit)} this hour{left > 0 && `, resets in ${span(left)}`}
          </div>
          <div class="muted">
            {running} / {running_limit} at once now
          </div>
        </>
      ) : (
        <span class="muted"> no limit{running > 0 && `; ${running} at once now`}</span>
      )}
      {limited_24h > 0 && <div class="down">{count(limited_24h)} refused as too many (429) in the last day</div>}
    </div>
  );
}

function May({ row }: { row: ApiKey }) {
  const number = row.permissions.length;
  return (
    <>
      <details>
        <summary>
          {row.permissions.includes('admin') ? 'Everything' : `${number} ${number === 1 ? 'permission' : 'permissions'}`}
          {trades(row.permissions) && !row.permissions.includes('admin') && ', trades'}
        </summary>
        <ul class="small">
          {inWords(row.permissions).map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </details>
      <div class="small muted wrap">
        {row.symbols ? row.symbols.join(', ') || 'no symbol' : 'all symbols'}
        {' · '}
        {row.accounts ? `on ${row.accounts.join(', ') || 'no account'}` : 'all accounts'}
        {row.ips && ` · from ${row.ips.map(short).join(', ') || 'nowhere'}`}
      </div>
    </>
  );
}

export type Opened = { what: 'edit' | 'roll' | 'revoke'; key: ApiKey };

/** A key; one that has ended has nothing to open. */
export function Row({ row, open }: { row: ApiKey; open?: (what: Opened) => void }) {
  const name = row.name || `${row.prefix}…`;
  const live = row.state === 'active';
  const ask = (what: Opened['what']) => () => open?.({ what, key: row });
  const items: Item[] = [
    { text: 'Change…', icon: 'edit', run: ask('edit') },
    { text: 'Roll…', icon: 'refresh', run: ask('roll') },
    { text: 'Revoke…', icon: 'bin', danger: true, run: ask('revoke') },
  ];
  const told = flags(row, now.value);
  return (
    <tr role="row">
      <td role="cell" class="wide">
        <strong>{name}</strong> {row.test && <span class="badge plain">Test</span>}{' '}
        {!live && <span class="badge plain bad">{capital(row.state)}</span>}
        <div class="small muted">
          <code>{row.prefix}…</code>
        </div>
        {row.successor && live && <div class="small muted">the old one of two: a new key has taken its place</div>}
        {told.length > 0 && (
          <div class="chips flags">
            {told.map(({ text, loud }) => (
              <span class={`badge plain ${loud ? 'warn' : ''}`} key={text}>
                {loud && <Icon name="warning" />} {text}
              </span>
            ))}
          </div>
        )}
      </td>
      <td role="cell" class="wide">
        <May row={row} />
      </td>
      <td role="cell" class="wide">
        {live ? <Usage row={row} /> : capital(row.plan)}
      </td>
      <td role="cell" class="where" data-label="Used">
        <Ago at={row.last_used_at} />
        {row.last_used_from && <div class="small muted">from {row.last_used_from}</div>}
        {row.usage.requests > 0 && (
          <div class="small muted">
            {count(row.usage.requests)} requests{row.usage.refused > 0 && `, ${count(row.usage.refused)} refused`}
          </div>
        )}
      </td>
      <td role="cell" data-label={live ? 'Ends' : 'Ended'}>
        <Ago at={live ? row.expires_at : (row.revoked_at ?? row.expires_at)} />
      </td>
      <td role="cell" class="actions">
        {acts.value && open && <Menu label={`More for ${name}`} items={items} />}
      </td>
    </tr>
  );
}
