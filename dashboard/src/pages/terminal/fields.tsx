import type { Signal } from '@preact/signals';
import type { SymbolSpec, Terminal } from '../../api/types';
import { amount, price, signed } from '../../lib/money';
import { accountName } from '../../lib/tokens';
import { Icon } from '../../ui/icon';
import { points, stepped, worth } from './sizing';

const typed = (text: string) => text.trim().replace(',', '.');

/** A price that is typed. */
export function PriceField({ label, value, hint }: { label: string; value: Signal<string>; hint?: string }) {
  return (
    <label class="field">
      {label}
      <input
        inputMode="decimal"
        autocomplete="off"
        value={value.value}
        onInput={(event) => (value.value = typed(event.currentTarget.value))}
      />
      {hint && <span class="hint">{hint}</span>}
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
  const step = (by: 1 | -1) => (value.value = String(stepped(Number(value.value), by, spec, most)));
  return (
    <div class="lots">
      <label class="field">
        {label}
        <input
          inputMode="decimal"
          autocomplete="off"
          value={value.value}
          onInput={(event) => (value.value = typed(event.currentTarget.value))}
          onKeyDown={(event) => {
            if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
            event.preventDefault();
            step(event.key === 'ArrowUp' ? 1 : -1);
          }}
        />
      </label>
      <button type="button" class="icon-only" onClick={() => step(-1)}>
        <Icon name="minus" label={`${spec.volume_step} lots less`} />
      </button>
      <button type="button" class="icon-only" onClick={() => step(1)}>
        <Icon name="plus" label={`${spec.volume_step} lots more`} />
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
  currency: string;
}

/** What stop loss and take profit mean from a price on: distance, and money where the broker says what a tick is worth. */
export function StopWords({ side, from, sl, tp, lots, spec, currency }: StopsProps) {
  const row = (name: string, at: number, wrong: boolean) => {
    const money = worth(side, from, at, lots, spec);
    return (
      <div>
        <dt>{name}</dt>
        <dd>
          {price(at, spec.digits)}, {points(from, at, spec.digits)} points away
          {money !== undefined && (
            <>
              : about <strong>{signed(money)}</strong> {currency}
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

/** Money with its currency. */
export const money = (value: number, currency: string, digits = 2) => `${amount(value, digits)} ${currency}`;
