import type { Signal } from '@preact/signals';
import type { Hook, HookDefaults, NewHook } from '../../api/types';
import { terminalOptions, terminals } from '../../live/store';
import { notNetwork, short } from '../../lib/network';
import { Check, Choose, Field, OneOf } from '../../ui/field';
import { Picks } from '../../ui/picks';

/** What a hook is to be, as the form holds it. */
export interface Draft {
  name: string;
  terminal: string;
  /** A line each: "OANDA:EURUSD = EURUSD.r". */
  map: string;
  volume: string;
  age: string;
  ips: string[] | null;
  template: string;
  closes: boolean;
  dry_run: boolean;
}

const OURS = 'tradingview';
/** The addresses of TradingView stand on a hook as they were on the day on which it was made. */
const KNOWN = [{ value: OURS, text: "TradingView's own" }];

export const draftOf = (row?: Hook): Draft => ({
  name: row?.name ?? '',
  terminal: row?.terminal ?? [...terminals.value.values()][0]?.id ?? '-',
  map: Object.entries(row?.symbol_map ?? {})
    .map(([from, to]) => `${from} = ${to}`)
    .join('\n'),
  volume: String(row?.defaults.volume ?? ''),
  age: String(row?.defaults.max_age_s ?? 60),
  ips: row ? (row.ips.length ? row.ips.map(short) : null) : [OURS],
  template: row?.template ?? '',
  closes: false,
  dry_run: row?.dry_run ?? true,
});

const lines = (text: string) => text.split('\n').filter((line) => line.trim());

/** The symbols of a text with a pair on each line; undefined where a line is none. */
export function symbolMap(text: string): Record<string, string> | undefined {
  const pairs = lines(text).map((line) => line.split('=').map((part) => part.trim()));
  return pairs.every((pair) => pair.length === 2 && pair[0] && pair[1])
    ? Object.fromEntries(pairs as [string, string][])
    : undefined;
}

export function problems(draft: Draft): string[] {
  const found = [];
  if (!symbolMap(draft.map)) found.push('Symbols: a line each, TradingView’s name = the broker’s name.');
  if (draft.volume && !(Number(draft.volume) > 0)) found.push('The lots must be a number above 0.');
  if (!(Number(draft.age) >= 1 && Number(draft.age) <= 86_400)) found.push('An alert may be 1 to 86,400 seconds old.');
  if (draft.ips?.length === 0) found.push('Name at least one address, or choose any.');
  for (const word of draft.ips ?? []) if (word !== OURS && notNetwork(word)) found.push(notNetwork(word)!);
  return found;
}

/** What is sent; a hook that is there keeps its kind and its key. */
export function body(draft: Draft, row?: Hook) {
  const defaults: HookDefaults = {
    ...row?.defaults,
    volume: draft.volume ? Number(draft.volume) : null,
    max_age_s: Number(draft.age),
    duplicate_window_s: row?.defaults.duplicate_window_s ?? 60,
  };
  return {
    name: draft.name.trim(),
    terminal: draft.terminal,
    symbol_map: symbolMap(draft.map) ?? {},
    template: draft.template.trim() || null,
    ips: draft.ips ?? [],
    dry_run: draft.dry_run,
    defaults,
  };
}

export const creation = (draft: Draft): NewHook => {
  const { template, ...rest } = body(draft);
  return {
    kind: 'tradingview',
    ...rest,
    ...(template ? { template } : {}),
    ...(draft.closes ? { permissions: ['trade:reduce'] } : {}),
  };
};

export function HookForm({ draft, fresh }: { draft: Signal<Draft>; fresh: boolean }) {
  const value = draft.value;
  const set = (change: Partial<Draft>) => (draft.value = { ...draft.value, ...change });
  return (
    <>
      <Field label="Name" maxLength={100} value={value.name} onText={(name) => set({ name })} />
      <Choose
        label="Trades go to"
        value={value.terminal}
        options={[['-', 'the only terminal there is'], ...terminalOptions()]}
        onPick={(terminal) => set({ terminal })}
      />
      {fresh && (
        <OneOf
          legend="Its alerts may"
          name="hook-may"
          value={value.closes ? 'closes' : 'all'}
          options={[
            ['all', 'Open, change and close'],
            ['closes', 'Only close and cancel'],
          ]}
          onPick={(may) => set({ closes: may === 'closes' })}
        />
      )}
      <label class="field">
        Symbols that are called otherwise
        <span class="hint">
          A line each, TradingView's name first. What is not named is taken as it is, without the exchange.
        </span>
        <textarea
          class="map"
          spellcheck={false}
          placeholder="OANDA:EURUSD = EURUSD.r"
          value={value.map}
          onInput={(event) => set({ map: event.currentTarget.value })}
        />
      </label>
      <div class="ticket">
        <div class="pair">
          <Field
            label="Lots"
            inputMode="decimal"
            autocomplete="off"
            placeholder="as the alert says"
            value={value.volume}
            onText={(volume) => set({ volume: volume.trim() })}
            hint="Where the alert names none."
          />
          <Field
            label="Oldest alert, seconds"
            inputMode="numeric"
            autocomplete="off"
            value={value.age}
            onText={(age) => set({ age: age.trim() })}
            hint="By its timenow."
          />
        </div>
      </div>
      <Picks
        label="Takes alerts from"
        hint={value.ips ? undefined : 'Its secret alone counts then.'}
        every="Any address"
        only="Only these"
        field="Address or network"
        placeholder="203.0.113.7"
        values={value.ips}
        known={KNOWN}
        wrong={(word) => (word === OURS ? undefined : notNetwork(word))}
        onChange={(ips) => set({ ips })}
      />
      <details open={!!value.template}>
        <summary>Alerts of another shape</summary>
        <label class="field">
          Template
          <span class="hint">
            The alert's own text, with its placeholders where the parts stand: {'{{strategy.order.action}} {{ticker}} {{sl}}'}.
          </span>
          <textarea
            class="map"
            spellcheck={false}
            value={value.template}
            onInput={(event) => set({ template: event.currentTarget.value })}
          />
        </label>
      </details>
      {fresh && (
        <Check checked={value.dry_run} onTick={(dry_run) => set({ dry_run })}>
          Dry run
          <span class="hint">
            Alerts are understood and written down with the order that they would become, and nothing is traded. Look at what
            comes first, then switch to real trading.
          </span>
        </Check>
      )}
      {fresh && !value.dry_run && <p class="note warn">From its first alert on it trades for real.</p>}
    </>
  );
}
