import { useSignal } from '@preact/signals';
import { hub } from '../../api/client';
import type { KillLevel, KillSwitch } from '../../api/types';
import { loadSwitches, switches, terminals } from '../../live/store';
import { confirmed, may, operates } from '../../lib/session';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Icon } from '../../ui/icon';

const LEVELS: [KillLevel, string, string][] = [
  ['block', 'Block', 'No order that opens anything is let through. Closing still works.'],
  ['cancel', 'Block and cancel', 'The same, and every pending order is cancelled.'],
  ['flatten', 'Flatten', 'The same, and every position is closed at the market.'],
];
const scopeName = (scope: string) =>
  scope === 'owner'
    ? 'All your accounts'
    : scope === 'hub'
      ? 'The whole hub'
      : scope.startsWith('key')
        ? 'One key'
        : `Account ${scope.replace('@', ' on ')}`;

function Raise({ onClose }: { onClose: () => void }) {
  const form = useSignal({ scope: 'owner', level: 'block' as KillLevel, reason: '' });
  const set = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  const accounts = [...new Set([...terminals.value.values()].map((row) => `${row.account.login}@${row.account.server}`))];
  return (
    <Confirm
      title="Stop trading?"
      verb="Stop trading"
      doing="Stopping…"
      danger
      ready={form.value.reason.trim().length > 0}
      onClose={onClose}
      action={async () => {
        await hub.POST('/api/v1/kill-switch', { body: form.value });
        await loadSwitches();
      }}
    >
      <label class="field">
        For
        <select value={form.value.scope} onChange={(event) => set({ scope: event.currentTarget.value })}>
          <option value="owner">All your accounts</option>
          {operates.value && <option value="hub">The whole hub</option>}
          {accounts.map((account) => (
            <option key={account} value={account}>
              {scopeName(account)}
            </option>
          ))}
        </select>
      </label>
      <fieldset>
        <legend>How far</legend>
        {LEVELS.map(([level, name, about]) => (
          <label class="check" key={level}>
            <input type="radio" name="level" checked={form.value.level === level} onChange={() => set({ level })} />{' '}
            <span>
              <strong>{name}</strong>
              <span class="hint">{about}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <label class="field">
        Why<span class="hint">Stands in the audit, and in every refusal.</span>
        <input maxLength={200} value={form.value.reason} onInput={(event) => set({ reason: event.currentTarget.value })} />
      </label>
    </Confirm>
  );
}

function Lift({ row, onClose }: { row: KillSwitch; onClose: () => void }) {
  const reason = useSignal('');
  return (
    <Confirm
      title={`Let ${scopeName(row.scope).toLowerCase()} trade again?`}
      verb="Lift it"
      doing="Lifting…"
      ready={reason.value.trim().length > 0}
      onClose={onClose}
      action={async () => {
        await confirmed(() =>
          hub.POST('/api/v1/kill-switch', { body: { scope: row.scope, level: 'off', reason: reason.value } }),
        );
        await loadSwitches();
      }}
    >
      <p>It is on because: {row.reason}</p>
      <label class="field">
        What has changed
        <input maxLength={200} value={reason.value} onInput={(event) => (reason.value = event.currentTarget.value)} />
      </label>
    </Confirm>
  );
}

/** Kill switches: raised by whoever may close, lifted by whoever may do everything. */
export function KillSwitches() {
  const open = useSignal<'raise' | KillSwitch | null>(null);
  const close = () => (open.value = null);
  const standing = switches.value;
  return (
    <div class="stack narrow">
      <section class="card stack" aria-label="Kill switch">
        <div class="switch-line">
          <span>
            <h2>{standing.length ? 'Trading is stopped' : 'Trading is on'}</h2>
            <span class="hint">
              A kill switch holds until a person lifts it, also over restarts of the hub. Closing positions is never blocked.
            </span>
          </span>
          {may('trade:reduce') && (
            <button type="button" class="danger filled" onClick={() => (open.value = 'raise')}>
              <Icon name="stop" /> Stop trading…
            </button>
          )}
        </div>
        {standing.map((row) => (
          <div class="note bad switch-line" key={row.id}>
            <span>
              <strong>
                {scopeName(row.scope)}: {row.level_name}
              </strong>
              <span class="hint">
                {row.reason} · <Ago at={row.at} /> by <code>{row.by}</code>
              </span>
            </span>
            {may('admin') && (row.scope !== 'hub' || operates.value) && (
              <button type="button" onClick={() => (open.value = row)}>
                Lift…
              </button>
            )}
          </div>
        ))}
      </section>
      {open.value === 'raise' && <Raise onClose={close} />}
      {open.value && open.value !== 'raise' && <Lift row={open.value} onClose={close} />}
    </div>
  );
}
