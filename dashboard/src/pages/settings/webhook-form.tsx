import type { Signal } from '@preact/signals';
import type { Webhook } from '../../api/types';
import { terminals } from '../../live/store';
import { Icon } from '../../ui/icon';
import { Picks } from '../../ui/picks';

/** What a webhook is to be: families as boxes, single kinds as words. */
export interface Draft {
  name: string;
  url: string;
  events: string[];
  terminal: string;
}
export const draftOf = (row?: Webhook): Draft => ({
  name: row?.name ?? '',
  url: row?.url ?? '',
  events: row?.events ?? ['command.*', 'deal'],
  terminal: row?.terminal ?? '',
});

/** The kinds of docs/webhooks.md and docs/streams.md. */
const FAMILIES: [string, string][] = [
  ['command.*', 'What becomes of orders'],
  ['deal', 'Deals'],
  ['order', 'Orders at the broker'],
  ['position', 'Stops that are moved'],
  ['indicator.*', 'Indicators'],
  ['incident.*', 'Incidents'],
  ['kill_switch.*', 'Kill switches'],
  ['token.*', 'Connection tokens'],
  ['key.*', 'API keys'],
  ['webhook.*', 'Webhooks that were disabled'],
];
const KINDS = [
  ...['dispatched', 'accepted', 'unknown', 'executed', 'partial', 'placed', 'broker_rejected', 'ea_refused', 'not_executed']
    .concat('cancelled', 'expired', 'adjudicated')
    .map((state) => `command.${state}`),
  ...['contradiction', 'missing_ticket', 'unknown_tag', 'unresolved'].map((kind) => `incident.${kind}`),
  ...['kill_switch.set', 'kill_switch.lifted', 'indicator.submitted', 'indicator.deleted', 'webhook.disabled'],
  ...['created', 'locked', 'disconnected', 'revoked', 'rotated', 'changed'].map((what) => `token.${what}`),
  ...['created', 'changed', 'revoked', 'rotated'].map((what) => `key.${what}`),
].map((value) => ({ value, text: value }));
const isFamily = (event: string) => FAMILIES.some(([one]) => one === event);

/** An event of the kinds that the hub knows, as it would be refused otherwise. */
const wrong = (event: string) =>
  FAMILIES.some(([one]) => one.replace('.*', '') === event.split('.')[0]) ? undefined : `${event} is no kind of event.`;

export const ready = (draft: Draft) =>
  /^https?:\/\/./.test(draft.url) && draft.events.length > 0 && draft.events.every((event) => event === '*' || !wrong(event));

export const body = (draft: Draft) => ({
  name: draft.name,
  url: draft.url,
  events: draft.events,
  terminal: draft.terminal || null,
});

export function WebhookForm({ draft }: { draft: Signal<Draft> }) {
  const value = draft.value;
  const set = (change: Partial<Draft>) => (draft.value = { ...draft.value, ...change });
  const all = value.events.includes('*');
  const single = value.events.filter((event) => event !== '*' && !isFamily(event));
  const box = (event: string, about: string) => (
    <label class="check" key={event}>
      <input
        type="checkbox"
        disabled={all && event !== '*'}
        checked={value.events.includes(event) || all}
        onChange={(change) =>
          set({
            events: change.currentTarget.checked ? [...value.events, event] : value.events.filter((one) => one !== event),
          })
        }
      />{' '}
      <span>
        {about} <code class="muted small">{event}</code>
      </span>
    </label>
  );
  return (
    <>
      <label class="field">
        Name
        <input maxLength={100} value={value.name} onInput={(event) => set({ name: event.currentTarget.value })} />
      </label>
      <label class="field">
        Address
        <span class="hint">Public and https, unless the hub's settings allow others.</span>
        <input
          type="url"
          autocomplete="off"
          maxLength={2048}
          placeholder="https://example.org/mtbridge"
          value={value.url}
          onInput={(event) => set({ url: event.currentTarget.value.trim() })}
        />
      </label>
      <fieldset>
        <legend>What is sent there</legend>
        {box('*', 'Everything')}
        <div class="events">{FAMILIES.map(([event, about]) => box(event, about))}</div>
        <details open={single.length > 0}>
          <summary>Single kinds</summary>
          <Picks
            label="Only of these kinds"
            field="Kind of event"
            placeholder="command.executed"
            values={single}
            known={KINDS}
            wrong={wrong}
            onChange={(kinds) =>
              set({ events: [...value.events.filter((one) => one === '*' || isFamily(one)), ...(kinds ?? [])] })
            }
          />
        </details>
      </fieldset>
      {value.events.length === 0 && (
        <p class="error">
          <Icon name="alert" /> <span>Choose what is sent.</span>
        </p>
      )}
      <label class="field">
        Of which account
        <select value={value.terminal} onChange={(event) => set({ terminal: event.currentTarget.value })}>
          <option value="">all of them</option>
          {value.terminal && !terminals.value.has(value.terminal) && <option value={value.terminal}>{value.terminal}</option>}
          {[...terminals.value.values()].map((row) => (
            <option key={row.id} value={row.id}>
              {row.account.login} · {row.name || row.account.server}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}
