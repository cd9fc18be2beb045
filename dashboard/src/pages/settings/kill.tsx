import { useSignal } from '@preact/signals';
import { hub, ok } from '../../api/client';
import type { KillLevel, KillSwitch } from '../../api/types';
import { loadSwitches, switches, terminals } from '../../live/store';
import { useLoaded } from '../../lib/load';
import { Link } from '../../lib/router';
import { acts, confirmed, may, operates, session } from '../../lib/session';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Choose, Field, OneOf, type Option } from '../../ui/field';
import { Icon } from '../../ui/icon';

const LEVELS: [KillLevel, string, string][] = [
  ['block', 'Block', 'No order that opens anything is let through. Closing still works.'],
  ['cancel', 'Block and cancel', 'The same, and every pending order is cancelled.'],
  ['flatten', 'Flatten', 'The same, and every position is closed at the market. Losses become real.'],
];
/** Names by what stands in a switch: a key's id, or a person's own line. */
type Names = Map<string, string>;
interface Known {
  names: Names;
  /** Lines of keys that a switch can be raised for. */
  keys: string[];
}

const levelName = (level: string) => LEVELS.find(([one]) => one === level)?.[1] ?? level;
const scopeName = (scope: string, names: Names) =>
  scope === 'owner'
    ? 'All your accounts'
    : scope === 'hub'
      ? 'The whole hub'
      : scope.startsWith('key')
        ? `Key ${names.get(scope) ?? scope}`
        : `Account ${scope.replace('@', ' on ')}`;
const byName = (by: string | undefined, names: Names) =>
  !by ? 'somebody' : by === 'hub' ? 'the hub itself' : (names.get(by) ?? `${by.slice(0, 8)}…${by.slice(-4)}`);

/** Whoever can be named: oneself, the keys for those who see keys, the users for those who see users. */
async function who(): Promise<Known> {
  const names: Names = new Map();
  const keys: string[] = [];
  // A person acts under a line of their own, with the letters of their user's id.
  const person = (id: string, name: string) => names.set(id, name).set(`key_${id.slice(4)}`, name);
  if (acts.value)
    for (const key of (await ok(hub.GET('/api/v1/keys'))).data) {
      const name = key.name || `${key.prefix}…`;
      // A switch of a key stands for the whole line of those that it came of by rotation.
      names.set(key.id, name).set(key.line, name);
      if (key.state === 'active' && !keys.includes(key.line)) keys.push(key.line);
    }
  const me = session.value?.user;
  if (me?.role === 'owner')
    for (const user of (await ok(hub.GET('/api/v1/users'))).data) person(user.id, user.name || user.login);
  if (me) person(me.id, 'you');
  return { names, keys };
}

function Raise({ names, keys, onClose }: Known & { onClose: () => void }) {
  const form = useSignal({ scope: 'owner', level: 'block' as KillLevel, reason: '' });
  const set = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  const accounts = [...new Set([...terminals.value.values()].map((row) => `${row.account.login}@${row.account.server}`))];
  const { scope, level, reason } = form.value;
  // Whose an open position is cannot be told of a key: it can be blocked, no more.
  const levels = scope.startsWith('key_') ? LEVELS.slice(0, 1) : LEVELS;
  const choose = (next: string) => set({ scope: next, ...(next.startsWith('key_') ? { level: 'block' } : {}) });
  return (
    <Confirm
      title="Stop trading?"
      verb={level === 'flatten' ? 'Stop and close everything' : 'Stop trading'}
      doing="Stopping…"
      danger
      ready={reason.trim().length > 0}
      onClose={onClose}
      action={async () => {
        await hub.POST('/api/v1/kill-switch', { body: form.value });
        await loadSwitches();
      }}
    >
      <p>It holds at once, for bots and for people, until somebody lifts it.</p>
      <Choose
        label="For"
        value={scope}
        options={[
          ['owner', 'All your accounts'],
          ...(operates.value ? [['hub', "The whole hub: everybody's accounts"] as Option] : []),
          ...[...accounts, ...keys].map((scope): Option => [scope, scopeName(scope, names)]),
        ]}
        onPick={choose}
      />
      <OneOf legend="How far" name="level" value={level} options={levels} onPick={(level) => set({ level })} />
      <Field
        label={
          <>
            Why<span class="hint">Stands in the banner, in the audit, and in every refusal.</span>
          </>
        }
        maxLength={200}
        value={reason}
        onText={(reason) => set({ reason })}
      />
    </Confirm>
  );
}

function Lift({ row, names, onClose }: { row: KillSwitch; names: Names; onClose: () => void }) {
  const reason = useSignal('');
  return (
    <Confirm
      title={`Let ${scopeName(row.scope, names).replace(/^(All|The)/, (word) => word.toLowerCase())} trade again?`}
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
      <p>
        {byName(row.by, names).replace(/^./, (letter) => letter.toUpperCase())} raised it <Ago at={row.at} />: {row.reason}
      </p>
      <p>Bots may open positions again with their next order. What was cancelled or closed stays so.</p>
      <Field label="What has changed" maxLength={200} value={reason.value} onText={(text) => (reason.value = text)} />
    </Confirm>
  );
}

/** Kill switches: raised by whoever may close, lifted by whoever may do everything. */
export function KillSwitches() {
  const open = useSignal<'raise' | KillSwitch | null>(null);
  const close = () => (open.value = null);
  const standing = switches.value;
  const known = useLoaded(who).value.value ?? { names: new Map<string, string>(), keys: [] };
  const { names } = known;
  return (
    <div class="stack narrow">
      <section class="card stack" aria-label="Kill switch">
        <div class="switch-line">
          <span class={`kill-state ${standing.length ? 'on' : ''}`}>
            <Icon name={standing.length ? 'stop' : 'check'} />
            <span>
              <h2>{standing.length ? 'Trading is stopped' : 'Trading is on'}</h2>
              <span class="hint">
                {standing.length ? 'See below for what, and why. Closing still works.' : 'No kill switch stands.'}
              </span>
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
                {scopeName(row.scope, names)}: {levelName(row.level_name)}
              </strong>
              <span class="hint wrap">
                “{row.reason}” · <Ago at={row.at} /> by {byName(row.by, names)}
              </span>
            </span>
            {may('admin') && (row.scope !== 'hub' || operates.value) && (
              <button type="button" onClick={() => (open.value = row)}>
                Lift…
              </button>
            )}
          </div>
        ))}
        <p class="small muted">
          A kill switch holds until a person lifts it, also over restarts of the hub; one that stands is shown above every page.
          Raising it needs no password, lifting it does.{' '}
          {operates.value && <Link href="/audit/changes?action=kill_switch">Who raised and lifted them</Link>}
        </p>
      </section>
      {open.value === 'raise' && <Raise {...known} onClose={close} />}
      {open.value && open.value !== 'raise' && <Lift row={open.value} names={names} onClose={close} />}
    </div>
  );
}
