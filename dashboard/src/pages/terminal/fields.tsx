import type { Signal } from '@preact/signals';
import type { SymbolSpec, Terminal } from '../../api/types';
import { amount, plain, price, signed } from '../../lib/money';
import { accountName } from '../../lib/tokens';
import { Icon } from '../../ui/icon';
import type { Feed } from './feed';
import { points, read, stepped, unread, worth } from './sizing';

/** What is wrong with what was typed, or else what is to be said of it. */
function Said({ text, hint }: { text: string; hint?: string }) {
  const wrong = unread(text);
  return wrong || hint ? <span class={wrong ? 'error small' : 'hint'}>{wrong || hint}</span> : null;
}

/** A price that is typed. */
export function PriceField({ label, value, hint }: { label: string; value: Signal<string>; hint?: string }) {
  return (
    <label class="field">
      {label}
      <input
        inputMode="decimal"
        autocomplete="off"
        value={value.value}
        onInput={(event) => (value.value = event.currentTarget.value.trim())}
      />
      <Said text={value.value} hint={hint} />
    </label>
  );
}

/** Lots, typed or by steps of the broker's. */
export function LotsField({
  label,
  value,
  spec,
  most,
}: {
  label: string;
  value: Signal<string>;
  spec: SymbolSpec;
  most?: number;
}) {
  const step = (by: 1 | -1) => (value.value = plain(stepped(read(value.value), by, spec, most)));
  return (
    <div class="lots">
      <label class="field">
        {label}
        <input
          inputMode="decimal"
          autocomplete="off"
          value={value.value}
          onInput={(event) => (value.value = event.currentTarget.value.trim())}
          onKeyDown={(event) => {
            if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
            event.preventDefault();
            step(event.key === 'ArrowUp' ? 1 : -1);
          }}
        />
        <Said text={value.value} />
      </label>
      <button type="button" class="icon-only" onClick={() => step(-1)}>
        <Icon name="minus" label={`${plain(spec.volume_step)} lots less`} />
      </button>
      <button type="button" class="icon-only" onClick={() => step(1)}>
        <Icon name="plus" label={`${plain(spec.volume_step)} lots more`} />
      </button>
    </div>
  );
}

/** Whose money it is, in the words that matter most. */
export function Whose({ terminal }: { terminal: Terminal }) {
  const mode = terminal.trade_mode_name;
  if (mode === 'demo' || mode === 'contest')
    return (
      <strong>
        {mode} account {accountName(terminal.account)}
      </strong>
    );
  return (
    <strong class="real">
      {mode === 'real' ? 'REAL' : 'possibly REAL'} account {accountName(terminal.account)}
    </strong>
  );
}

interface StopsProps {
  side: 'buy' | 'sell';
  from: number;
  sl: number;
  tp: number;
  lots: number;
  spec: SymbolSpec;
  purse: Purse;
  /** Said behind the sums. */
  more?: string;
}

/** What stop loss and take profit mean from a price on: distance, and money where the broker says what a tick is worth. */
export function StopWords({ side, from, sl, tp, lots, spec, purse, more }: StopsProps) {
  const row = (name: string, at: number, wrong: boolean) => {
    const gain = worth(side, from, at, lots, spec);
    return (
      <div>
        <dt>{name}</dt>
        <dd>
          {price(at, spec.digits)}, {points(from, at, spec.digits)} points away
          {gain !== undefined && (
            <>
              : about <strong>{signed(gain, purse.digits)}</strong> {purse.currency} {more}
            </>
          )}
          {wrong && (
            <span class="error small">
              It is on the wrong side of the price: the broker will refuse it, or it is hit at once.
            </span>
          )}
        </dd>
      </div>
    );
  };
  const below = (at: number) => (side === 'buy' ? at >= from : at <= from);
  return (
    <>
      {sl > 0 && row('Stop loss', sl, below(sl))}
      {tp > 0 && row('Take profit', tp, !below(tp))}
    </>
  );
}

/** The money of an account: its currency, and the digits behind its point. */
export interface Purse {
  currency: string;
  digits: number;
}
export function purseOf(feed: Feed, terminal: Terminal): Purse {
  const known = feed.account.value?.value;
  return { currency: known?.currency ?? terminal.currency ?? '', digits: known?.currency_digits ?? 2 };
}

/** Money with its currency. */
export const money = (value: number, { currency, digits }: Purse) => `${amount(value, digits)} ${currency}`;

/** A gain or a loss with its currency. */
export const gained = (value: number, { currency, digits }: Purse) => `${signed(value, digits)} ${currency}`;
