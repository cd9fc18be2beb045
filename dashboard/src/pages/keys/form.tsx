import type { Signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { Permission, Plan, Plans } from '../../api/types';
import { terminals } from '../../live/store';
import { useLoaded } from '../../lib/load';
import { notNetwork } from '../../lib/network';
import { GROUPS, PRESETS } from '../../lib/permissions';
import { capital, grants } from '../../lib/plans';
import { stamp } from '../../lib/time';
import { Check, Choose, Field, type Option } from '../../ui/field';
import { Icon } from '../../ui/icon';
import { Picks } from '../../ui/picks';
import { accountsOf, money, type Draft } from './draft';

interface Props {
  draft: Signal<Draft>;
  plans: Plans | undefined;
  /** When a key that is changed ends; undefined: a new one. */
  ends?: string | null;
}

/** What every connected terminal has, by name; nothing where none is connected. */
async function symbols(): Promise<{ value: string; text: string }[]> {
  if (![...terminals.value.values()].some((row) => row.state === 'connected')) return [];
  const answer = await ok(hub.GET('/api/external/symbols'));
  return answer.symbols.map((value) => ({ value, text: value }));
}

/** The address that the hub sees this page come from: that of its own login. */
function MyAddress({ add }: { add: (address: string) => void }) {
  const [failure, setFailure] = useState('');
  const go = () =>
    ok(hub.GET('/api/v1/sessions')).then(
      ({ data }) => {
        const from = data.find((login) => login.current)?.from;
        if (from) add(from);
        else setFailure('The hub does not say from where this page comes.');
      },
      (error) => setFailure(sentence(error)),
    );
  return (
    <>
      <button type="button" class="ghost" onClick={() => void go()}>
        <Icon name="plus" /> Add my address
      </button>
      {failure && <p class="error">{failure}</p>}
    </>
  );
}

function Permissions({ draft, set }: { draft: Draft; set: (permissions: Permission[]) => void }) {
  const held = draft.permissions;
  const toggle = (permission: Permission) =>
    set(held.includes(permission) ? held.filter((one) => one !== permission) : [...held, permission]);
  const boxes = (permissions: [Permission, string][]) =>
    permissions.map(([permission, label]) => (
      <Check key={permission} checked={held.includes(permission)} onTick={() => toggle(permission)}>
        {label} <code class="muted small">{permission}</code>
      </Check>
    ));
  return (
    <fieldset>
      <legend>It may</legend>
      <div class="chips" role="group" aria-label="Presets">
        {PRESETS.map((preset) => (
          <button
            type="button"
            class="chip"
            key={preset.name}
            title={preset.about}
            aria-pressed={preset.permissions.length === held.length && preset.permissions.every((one) => held.includes(one))}
            onClick={() => set(preset.permissions)}
          >
            {preset.name}
          </button>
        ))}
      </div>
      {GROUPS.filter((group) => !group.risk).map((group) => (
        <div key={group.name} class="group" role="group" aria-label={group.name}>
          <h3>{group.name}</h3>
          {boxes(group.permissions)}
        </div>
      ))}
      {GROUPS.filter((group) => group.risk).map((group) => (
        <fieldset key={group.name} class="risk">
          <legend>{group.name}</legend>
          <span class="hint">
            <Icon name="warning" /> {group.risk}
          </span>
          {boxes(group.permissions)}
        </fieldset>
      ))}
    </fieldset>
  );
}

function PlanChoice({ draft, plans, set }: { draft: Draft; plans: Plans | undefined; set: (plan: Plan) => void }) {
  const above = plans?.data.some((row) => !row.available);
  return (
    <label class="field">
      Plan
      <select value={draft.plan || plans?.ceiling} disabled={!plans} onChange={(event) => set(event.currentTarget.value as Plan)}>
        {plans?.data.map((row) => (
          <option key={row.plan} value={row.plan} disabled={!row.available && row.plan !== draft.plan}>
            {capital(row.plan)}: {grants(row)}
            {!row.available && ' (above yours)'}
          </option>
        ))}
      </select>
      <span class="hint">
        {above
          ? `How much it may ask for. Yours goes up to ${capital(plans!.ceiling)}; whoever runs this hub can change that.`
          : 'How much it may ask for. Closing and cancelling is never held up by it.'}
      </span>
    </label>
  );
}

/** The fields of a key; for a new one also what cannot be changed later. */
export function KeyForm({ draft, plans, ends }: Props) {
  const value = draft.value;
  const set = (change: Partial<Draft>) => (draft.value = { ...draft.value, ...change });
  const { value: seen } = useLoaded(symbols);
  const accounts = accountsOf(terminals.value.values());
  const whole = ends === undefined;
  const homes = accounts.filter((one) => !value.accounts || value.accounts.includes(one.value));
  const { risk, text } = money(value, accounts);
  return (
    <div class="stack">
      <Field
        label="Name"
        autofocus
        maxLength={100}
        value={value.name}
        onText={(name) => set({ name })}
        placeholder="mean-reversion bot"
      />
      <Permissions draft={value} set={(permissions) => set({ permissions })} />
      {risk && (
        <p class="note warn money">
          <Icon name="warning" /> {text}
        </p>
      )}
      <Picks
        label="Symbols"
        every="All symbols"
        only="Only these"
        field="Symbol"
        placeholder="EURUSD, or GBP* for all that begin so"
        values={value.symbols}
        known={seen.value}
        onChange={(symbols) => set({ symbols })}
      />
      <Picks
        label="Accounts"
        every="All of yours, also later ones"
        only="Only these"
        field="Account"
        placeholder="1001 or 1001@Server"
        values={value.accounts}
        known={accounts}
        onChange={(chosen) => set({ accounts: chosen })}
      />
      <Picks
        label="Addresses it may come from"
        hint={value.ips ? undefined : 'A key that is stolen is worth nothing elsewhere: name them if you can.'}
        every="Any address"
        only="Only these"
        field="Address or network"
        placeholder="203.0.113.7 or 10.0.0.0/8"
        values={value.ips}
        wrong={notNetwork}
        onChange={(ips) => set({ ips })}
      >
        <MyAddress add={(address) => !value.ips?.includes(address) && set({ ips: [...(value.ips ?? []), address] })} />
      </Picks>
      <Choose
        label="Where a call names no terminal"
        value={value.terminal}
        options={[['', 'the only one there is'], ...homes.map((one): Option => [one.value, one.text])]}
        onPick={(terminal) => set({ terminal })}
      />
      <PlanChoice draft={value} plans={plans} set={(plan) => set({ plan })} />
      <Choose
        label="Ends"
        hint={value.ends === 'never' && 'One that is forgotten somewhere stays good.'}
        value={value.ends}
        options={[
          ...(whole ? [] : [['keep', `as it is: ${ends ? stamp(Date.parse(ends), 'local').slice(0, 10) : 'never'}`] as Option]),
          ['7', 'in 7 days'],
          ['30', 'in 30 days'],
          ['90', 'in 90 days'],
          ['365', 'in a year'],
          ['never', 'never'],
        ]}
        onPick={(ends) => set({ ends })}
      />
      {whole && (
        <Check checked={value.test} onTick={(test) => set({ test })}>
          Test key<span class="hint">Reaches demo accounts only, whatever happens.</span>
        </Check>
      )}
    </div>
  );
}
