// Lots, distances and money of an order before it is sent. All of it is about: the broker's word counts.
import type { SymbolSpec } from '../../api/types';
import { places } from '../../lib/money';

type Sizes = Pick<SymbolSpec, 'volume_min' | 'volume_max' | 'volume_step'>;

/** What was typed, with a decimal point or comma; no number where a comma may as well stand between thousands. */
export const read = (text: string): number =>
  /^(\d+[.,]?\d*|[.,]\d+)$/.test(text) && !/,\d{3}$/.test(text) ? Number(text.replace(',', '.')) : Number.NaN;

/** What is wrong with what was typed. */
export function unread(text: string): string {
  const [, whole, rest] = /^(\d*),(\d{3})$/.exec(text) ?? [];
  if (rest) return `Write ${Number(whole) ? `${whole}${rest} or ` : ''}${whole || 0}.${rest}.`;
  return text && Number.isNaN(read(text)) ? 'This is no number.' : '';
}

/** Whether a broker takes so many lots. */
export function fits(lots: number, { volume_min, volume_max, volume_step }: Sizes): boolean {
  const steps = Math.round((lots - volume_min) / volume_step);
  return lots >= volume_min && lots <= volume_max && Math.abs(volume_min + steps * volume_step - lots) < 1e-9;
}

/** One step more or less, within what a broker takes and `most`. */
export function stepped(lots: number, by: 1 | -1, { volume_min, volume_max, volume_step }: Sizes, most = volume_max): number {
  const from = Number.isFinite(lots) ? lots : volume_min;
  // From between two steps to the next one in that direction.
  const exact = (from - volume_min) / volume_step;
  const steps = by > 0 ? Math.floor(exact + 1e-4) + 1 : Math.ceil(exact - 1e-4) - 1;
  const next = Math.min(volume_max, most, Math.max(volume_min, volume_min + steps * volume_step));
  return next === most ? next : Number(next.toFixed(Math.min(8, Math.max(places(volume_step), places(volume_min)))));
}

/** The distance of two prices in points. */
export const points = (from: number, to: number, digits: number): number => Math.round(Math.abs(from - to) * 10 ** digits);

type Ticks = Pick<SymbolSpec, 'trade_tick_size' | 'trade_tick_value' | 'trade_tick_value_loss' | 'trade_tick_value_profit'>;

/** What a move from one price to another is worth in the account's currency, or nothing where the broker does not say. */
export function worth(side: 'buy' | 'sell', from: number, to: number, lots: number, spec: Ticks): number | undefined {
  const move = side === 'buy' ? to - from : from - to;
  const value = (move < 0 ? spec.trade_tick_value_loss : spec.trade_tick_value_profit) || spec.trade_tick_value;
  if (!(spec.trade_tick_size > 0) || !(value > 0) || !Number.isFinite(move)) return undefined;
  return (move / spec.trade_tick_size) * value * lots;
}
