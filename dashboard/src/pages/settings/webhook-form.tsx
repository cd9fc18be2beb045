import type { Signal } from '@preact/signals';
import type { Webhook } from '../../api/types';
import { terminalOptions } from '../../live/store';
import { Check, Choose, Field } from '../../ui/field';
import { Picks } from '../../ui/picks';
import { Wrong } from '../../ui/wrong';

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
    <Check
      key={event}
      disabled={all && event !== '*'}
      checked={value.events.includes(event) || all}
      onTick={(on) => set({ events: on ? [...value.events, event] : value.events.filter((one) => one !== event) })}
    >
      {about} <code class="muted small">{event}</code>
    </Check>
  );
  return (
    <>
      <Field label="Name" maxLength={100} value={value.name} onText={(name) => set({ name })} />
      <Field
        label={
          <>
            Address
            <span class="hint">Public and https, unless the hub's settings allow others.</span>
          </>
        }
        type="url"
        autocomplete="off"
        maxLength={2048}
        placeholder="https://example.org/mtbridge"
        value={value.url}
        onText={(url) => set({ url: url.trim() })}
      />
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
      {value.events.length === 0 && <Wrong>Choose what is sent.</Wrong>}
      <Choose
        label="Of which account"
        value={value.terminal}
        options={[['', 'all of them'], ...terminalOptions()]}
        onPick={(terminal) => set({ terminal })}
      />
    </>
  );
}
