import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok, sentence } from '../api/client';
import type { ApiKey } from '../api/types';
import { subscribe } from '../live/socket';
import { acts } from '../lib/session';
import { now } from '../lib/time';
import { trades } from '../lib/permissions';
import { Ago } from '../ui/ago';
import { Empty, Failed, Loading } from '../ui/empty';
import { Icon } from '../ui/icon';
import { Menu, type Item } from '../ui/menu';
import { EditKey, NewKey, RevokeKey, RollKey } from './keys/dialogs';

type Open = { what: 'new' } | { what: 'edit' | 'roll' | 'revoke'; key: ApiKey } | null;
const DAY = 86_400_000;

/** What a careful owner would look at. */
export function flags(key: ApiKey, at: number): string[] {
  if (key.state !== 'active') return [];
  const found = [];
  const used = key.last_used_at ? Date.parse(key.last_used_at) : undefined;
  if (used === undefined && at - Date.parse(key.created_at) > DAY) found.push('never used');
  if (used !== undefined && at - used > 90 * DAY) found.push('unused for 90 days');
  if (trades(key.permissions) && !key.ips) found.push('may trade from any address');
  if (key.expires_at && Date.parse(key.expires_at) - at < 14 * DAY) found.push('expires soon');
  return found;
}

function Row({ row, open }: { row: ApiKey; open: (what: Open) => void }) {
  const live = row.state === 'active';
  const items: Item[] = live
    ? [
        { text: 'Change…', icon: 'edit', run: () => open({ what: 'edit', key: row }) },
        { text: 'Roll…', icon: 'refresh', run: () => open({ what: 'roll', key: row }) },
        { text: 'Revoke…', icon: 'bin', danger: true, run: () => open({ what: 'revoke', key: row }) },
      ]
    : [];
  const told = flags(row, now.value);
  return (
    <tr role="row">
      <td role="cell" class="wide">
        <div>
          <strong>{row.name || row.prefix}</strong> <code class="muted small">{row.prefix}…</code>{' '}
          {row.test && <span class="badge plain">Test</span>}
        </div>
        {told.length > 0 && (
          <div class="small muted">
            <Icon name="info" /> {told.join('; ')}
          </div>
        )}
      </td>
      <td role="cell">
        <span class={`badge plain ${live ? 'good' : 'bad'}`}>{row.state[0]!.toUpperCase() + row.state.slice(1)}</span>
      </td>
      <td role="cell" class="wide">
        <details>
          <summary>
            {row.permissions.includes('admin')
              ? 'Everything'
              : `${row.permissions.length} ${row.permissions.length === 1 ? 'permission' : 'permissions'}`}
            {trades(row.permissions) && ' · trades'}
          </summary>
          <ul class="small">
            {row.permissions.map((one) => (
              <li key={one}>
                <code>{one}</code>
              </li>
            ))}
          </ul>
        </details>
        <div class="small muted">
          {row.symbols ? `${row.symbols.join(', ') || 'no symbol'}` : 'all symbols'}
          {row.accounts && ` · accounts ${row.accounts.join(', ') || 'none'}`}
          {row.ips && ` · from ${row.ips.join(', ') || 'nowhere'}`}
        </div>
      </td>
      <td role="cell" data-label="Plan">
        {row.plan}
      </td>
      <td role="cell" data-label="Used">
        <Ago at={row.last_used_at} />
        {row.last_used_from && <span class="small muted"> from {row.last_used_from}</span>}
        {row.usage && (
          <div class="small muted">
            {row.usage.requests} requests{row.usage.refused > 0 && `, ${row.usage.refused} refused`}
          </div>
        )}
      </td>
      <td role="cell" data-label="Expires">
        {row.expires_at ? <Ago at={row.expires_at} /> : 'never'}
      </td>
      <td role="cell" class="actions">
        {acts.value && items.length > 0 && <Menu label={`More for ${row.name || row.prefix}`} items={items} />}
      </td>
    </tr>
  );
}

/** What bots present, and what each may do. */
export default function Keys() {
  const rows = useSignal<ApiKey[] | undefined>(undefined);
  const failure = useSignal('');
  const open = useSignal<Open>(null);
  const all = useSignal(false);
  const load = async () => {
    try {
      rows.value = (await ok(hub.GET('/api/v1/keys'))).data;
      failure.value = '';
    } catch (error) {
      failure.value = sentence(error);
    }
  };
  useEffect(() => {
    if (!acts.peek()) return;
    void load();
    return subscribe(
      { topic: 'keys' },
      ({ type }) => {
        if (type === 'event') void load();
      },
      () => void load(),
    );
  }, []);
  if (!acts.value)
    return (
      <>
        <h1 tabIndex={-1}>API keys</h1>
        <Empty icon="api-key" title="Not for viewers">
          <p>Keys are made and seen by whoever may act.</p>
        </Empty>
      </>
    );
  const list = rows.value;
  const shown = (list ?? [])
    .filter((key) => all.value || key.state === 'active')
    .sort((a, b) => b.created_at.localeCompare(a.created_at));
  const ended = (list ?? []).filter((key) => key.state !== 'active').length;
  const close = () => {
    open.value = null;
    void load();
  };
  const what = open.value;
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>API keys</h1>
          <p>What a bot presents. Give each bot its own, with no more than it needs.</p>
        </div>
        <button type="button" class="primary" data-new onClick={() => (open.value = { what: 'new' })}>
          <Icon name="plus" /> New key
        </button>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!list && !failure.value && <Loading />}
      {list && shown.length === 0 && (
        <Empty icon="api-key" title="No key is in use">
          <p>Bots call the REST API with a key.</p>
          <button type="button" class="primary" onClick={() => (open.value = { what: 'new' })}>
            <Icon name="plus" /> New key
          </button>
        </Empty>
      )}
      {shown.length > 0 && (
        <table class="table cards-on-phone live" role="table" aria-label="API keys">
          <thead role="rowgroup">
            <tr role="row">
              {['Name', 'State', 'May', 'Plan', 'Used', 'Expires'].map((name) => (
                <th key={name} role="columnheader" scope="col">
                  {name}
                </th>
              ))}
              <th role="columnheader" scope="col">
                <span class="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {shown.map((row) => (
              <Row key={row.id} row={row} open={(next) => (open.value = next)} />
            ))}
          </tbody>
        </table>
      )}
      {ended > 0 && (
        <p>
          <button type="button" class="ghost" aria-pressed={all.value} onClick={() => (all.value = !all.value)}>
            {all.value ? 'Hide' : 'Show'} {ended} that {ended === 1 ? 'has' : 'have'} ended
          </button>
        </p>
      )}
      {what?.what === 'new' && <NewKey onClose={close} />}
      {what?.what === 'edit' && <EditKey row={what.key} onClose={close} />}
      {what?.what === 'roll' && <RollKey row={what.key} onClose={close} />}
      {what?.what === 'revoke' && <RevokeKey row={what.key} onClose={close} />}
    </>
  );
}
