import type { Signal } from '@preact/signals';
import type { NewKey, Permission, Plan } from '../../api/types';
import { GROUPS, PRESETS } from '../../lib/permissions';
import { isNetwork, words } from '../../lib/network';
import { Icon } from '../../ui/icon';

/** What a key is to be, as the form holds it: lists as texts. */
export interface Draft {
  name: string;
  permissions: Permission[];
  symbols: string;
  accounts: string;
  ips: string;
  plan: Plan;
  days: string;
  test: boolean;
}

/** An empty text means: no limit. */
const list = (text: string): string[] | null => (words(text).length ? words(text) : null);

/** The body of a call; `expires_at` only when the form chose one. */
export function body(draft: Draft, whole: boolean): NewKey {
  const days = Number(draft.days);
  return {
    name: draft.name.trim(),
    permissions: draft.permissions,
    symbols: list(draft.symbols),
    accounts: list(draft.accounts),
    ips: list(draft.ips),
    plan: draft.plan,
    ...(whole && draft.test ? { test: true } : {}),
    ...(whole && days > 0 ? { expires_at: new Date(Date.now() + days * 86_400_000).toISOString() } : {}),
  };
}

export function problems(draft: Draft): string[] {
  const found = [];
  if (draft.permissions.length === 0) found.push('Choose at least one permission.');
  for (const word of words(draft.ips)) if (!isNetwork(word)) found.push(`${word} is no address and no network.`);
  if (draft.permissions.includes('admin') && (words(draft.symbols).length || words(draft.accounts).length))
    found.push('A key for some symbols or accounts cannot hold admin.');
  return found;
}

/** The fields of a key; for a new one also what cannot be changed later. */
export function KeyForm({ draft, whole }: { draft: Signal<Draft>; whole: boolean }) {
  const value = draft.value;
  const set = (change: Partial<Draft>) => (draft.value = { ...draft.value, ...change });
  const toggle = (permission: Permission) =>
    set({
      permissions: value.permissions.includes(permission)
        ? value.permissions.filter((one) => one !== permission)
        : [...value.permissions, permission],
    });
  const text = (name: 'symbols' | 'accounts' | 'ips', label: string, hint: string) => (
    <label class="field">
      {label}
      <span class="hint">{hint}</span>
      <input
        autocomplete="off"
        spellcheck={false}
        value={value[name]}
        onInput={(event) => set({ [name]: event.currentTarget.value })}
      />
    </label>
  );
  return (
    <div class="stack">
      <label class="field">
        Name
        <input
          autofocus
          maxLength={100}
          value={value.name}
          onInput={(event) => set({ name: event.currentTarget.value })}
          placeholder="mean-reversion bot"
        />
      </label>
      <fieldset>
        <legend>It may</legend>
        <div class="chips" role="group" aria-label="Presets">
          {PRESETS.map((preset) => (
            <button
              type="button"
              class="chip"
              key={preset.name}
              title={preset.about}
              aria-pressed={
                preset.permissions.length === value.permissions.length &&
                preset.permissions.every((one) => value.permissions.includes(one))
              }
              onClick={() => set({ permissions: preset.permissions })}
            >
              {preset.name}
            </button>
          ))}
        </div>
        {GROUPS.map((group) => (
          <div key={group.name} class="group" role="group" aria-label={group.name}>
            <h3>
              {group.name}
              {group.risk && (
                <span class="small down">
                  {' '}
                  <Icon name="warning" /> {group.risk}
                </span>
              )}
            </h3>
            {group.permissions.map(([permission, label]) => (
              <label class="check" key={permission}>
                <input type="checkbox" checked={value.permissions.includes(permission)} onChange={() => toggle(permission)} />{' '}
                <span>
                  {label} <code class="muted small">{permission}</code>
                </span>
              </label>
            ))}
          </div>
        ))}
      </fieldset>
      {text('symbols', 'Symbols', 'Empty: all of them. Names as the broker has them; * at either end stands for any letters.')}
      {text('accounts', 'Accounts', 'Empty: all of yours.')}
      {text('ips', 'Addresses it may come from', 'Empty: any. Addresses and networks such as 203.0.113.7 or 10.0.0.0/8')}
      <div class="ticket">
        <div class="pair">
          <label class="field">
            Plan
            <select value={value.plan} onChange={(event) => set({ plan: event.currentTarget.value as Plan })}>
              <option value="unlimited">Unlimited</option>
              <option value="free">Free: 100 an hour, 5 at once</option>
              <option value="pro">Pro: 1,000 an hour, 20 at once</option>
              <option value="enterprise">Enterprise: as configured</option>
            </select>
          </label>
          {whole && (
            <label class="field">
              Expires
              <select value={value.days} onChange={(event) => set({ days: event.currentTarget.value })}>
                <option value="30">in 30 days</option>
                <option value="90">in 90 days</option>
                <option value="365">in a year</option>
                <option value="">never</option>
              </select>
            </label>
          )}
        </div>
      </div>
      {whole && (
        <label class="check">
          <input type="checkbox" checked={value.test} onChange={(event) => set({ test: event.currentTarget.checked })} />{' '}
          <span>
            Test key<span class="hint">Reaches demo accounts only, whatever happens.</span>
          </span>
        </label>
      )}
    </div>
  );
}
