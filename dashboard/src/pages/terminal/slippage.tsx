// How far the price may move between the eye and the broker: the hub and the Expert Advisor refuse what it moved further.
import { useSignal } from '@preact/signals';
import { useState } from 'preact/hooks';
import type { SymbolSpec } from '../../api/types';
import { keep as remember } from '../../lib/kept';
import { PriceField } from './fields';

const MOST = 0xffff_ffff;

/** Whole points; none where nothing is to hold the price; no number for anything else. */
export const slippage = (text: string): number | undefined =>
  text === '' ? undefined : /^\d+$/.test(text) && Number(text) <= MOST ? Number(text) : Number.NaN;

/** To begin with: half a thousandth of the price, in points. */
export const usual = (spec: Pick<SymbolSpec, 'bid' | 'point'> | undefined): number => {
  const points = spec ? Number((spec.bid / 2000 / spec.point).toPrecision(1)) : 0;
  return points >= 1 && points <= MOST ? points : 20;
};

/** What guards a market order, as it is sent. */
export const guard = (most: number | undefined, seen: number | undefined) =>
  most === undefined ? {} : { seen_price: seen, max_slippage_points: most };

const recall = (key: string): string | null => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
};

/** The field for it, remembered for each symbol of a broker. */
export function useSlippage(server: string, symbol: string, spec: SymbolSpec | undefined) {
  const key = `slippage ${server} ${symbol}`;
  // Without a price to measure by nothing is made up: what closes must not be held by a guess.
  const [begun] = useState(() => recall(key) ?? (spec && spec.bid > 0 ? String(usual(spec)) : ''));
  const text = useSignal(begun);
  const most = slippage(text.value);
  // What was typed, and never that there is no limit: the next one begins with one.
  const keep = () => {
    if (most === undefined || Number.isNaN(most) || text.value === begun) return;
    remember(key, text.value);
  };
  const hint = most === undefined ? 'Empty: the hub lets any price pass.' : most >= 0 ? undefined : 'Whole points, or nothing.';
  const field = <PriceField label="Most slippage in points" value={text} hint={hint} />;
  return { most, ready: !Number.isNaN(most), field, keep };
}

/** What it means, in words. */
export function SlippageWords({ most, seen }: { most: number | undefined; seen: string | undefined }) {
  if (most === undefined)
    return (
      <p class="note warn">The hub lets any price pass. Where the broker executes instantly, its own limit of 10 points stays.</p>
    );
  if (!seen) return <p class="note warn">There is no price yet to measure the slippage from.</p>;
  return (
    <p class="small muted">
      Refused if the price is then more than {most} points away from {seen}, in either direction.
    </p>
  );
}
