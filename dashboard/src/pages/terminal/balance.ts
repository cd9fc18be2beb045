// The balance over time, as deals tell it. Money that was paid in or taken out is no gain and no loss.
import type { Deal } from '../../api/types';
import type { CurvePoint } from '../../charts/curve';
import { Fall } from './fall';

/** Money that came or went without a trade. A credit is no part of the balance. */
const CASH = new Set(['balance', 'correction', 'bonus']);

/** A step of the balance. */
export interface Step extends CurvePoint {
  /** What a deal gained or lost, costs and all. */
  gain: number;
  /** What was paid in, or below 0 taken out. */
  cash: number;
}

/** When it was, in UTC; a terminal that does not know its broker's clock yet tells none. */
const at = (deal: Deal): number => deal.time_msc ?? 0;
const moves = (deal: Deal): number => deal.profit + deal.swap + deal.commission + deal.fee;

/** The balance after each deal, counted back from what it is now, so that it needs no beginning. */
export function balances(deals: Deal[], balance: number): Step[] {
  const steps: Step[] = [];
  let after = balance;
  for (const deal of [...deals].sort((a, b) => at(b) - at(a) || b.ticket - a.ticket)) {
    if (deal.type_name === 'credit') continue;
    const moved = moves(deal);
    const cash = CASH.has(deal.type_name ?? '') ? moved : 0;
    steps.push({ time_msc: at(deal), value: after, gain: moved - cash, cash });
    after -= moved;
  }
  return steps.reverse();
}

/** Money that came into the equity or went from it without a trade, oldest first: a credit is a part of that. */
export const paid = (deals: Deal[]) =>
  deals
    .filter(({ type_name }) => type_name === 'credit' || CASH.has(type_name ?? ''))
    .map((deal) => ({ time_msc: at(deal), cash: moves(deal) }))
    .sort((a, b) => a.time_msc - b.time_msc);

/** What came of it, in money: gains, deposits and withdrawals apart; and the largest fall from a height, which money taken out is none. */
export interface Summary {
  deals: number;
  gain: number;
  paidIn: number;
  takenOut: number;
  fall: number;
  /** Of the height that it fell from. */
  fallPercent: number | undefined;
}

export function summary(steps: Step[]): Summary {
  const found: Summary = { deals: steps.length, gain: 0, paidIn: 0, takenOut: 0, fall: 0, fallPercent: undefined };
  const first = steps[0];
  if (!first) return found;
  const fall = new Fall();
  const before = first.value - first.gain - first.cash;
  fall.low(before);
  fall.high(before);
  for (const { value, gain, cash } of steps) {
    found.gain += gain;
    if (cash > 0) found.paidIn += cash;
    else found.takenOut -= cash;
    if (cash !== 0) fall.pay(cash);
    fall.low(value);
    fall.high(value);
  }
  found.fall = fall.fall;
  found.fallPercent = fall.percent;
  return found;
}

/** Points on an even grid of time: a quiet week is as wide as a busy one. */
export function gridded(steps: Step[], from: number, to: number, count = 240): CurvePoint[] {
  const first = steps[0];
  if (!first || to <= from) return [];
  const width = (to - from) / count;
  let value = first.value - first.gain - first.cash;
  let next = 0;
  return Array.from({ length: count + 1 }, (_, index) => {
    const time_msc = from + index * width;
    for (; next < steps.length && steps[next]!.time_msc <= time_msc; next++) value = steps[next]!.value;
    return { time_msc, value };
  });
}
