// What the tables of positions and orders share.
import { useRef } from 'preact/hooks';
import type { SymbolSpec } from '../../api/types';
import { price } from '../../lib/money';
import { now, span } from '../../lib/time';
import type { Known } from './feed';
import { STALE_MS } from './prices';

export const digitsOf = (symbols: SymbolSpec[], symbol: string): number =>
  symbols.find((one) => one.name === symbol)?.digits ?? 5;

/** A level that may not be set. */
export const level = (value: number, digits: number): string => (value ? price(value, digits) : '–');

/** Oldest first, and of one moment by number: a row keeps its place while its figures change. */
export const stable = <T extends { ticket: number }>(rows: T[], time: (row: T) => number | null): T[] =>
  [...rows].sort((a, b) => (time(a) ?? 0) - (time(b) ?? 0) || a.ticket - b.ticket);

/** Says so when what is shown cannot be newer, and why. */
export function Old({ known }: { known: Known<unknown> | undefined }) {
  if (!known?.trouble) return null;
  const age = now.value - known.at;
  return (
    <span class="badge plain warn" title={known.trouble}>
      {age > STALE_MS ? `${span(age)} old` : 'not kept up to date'}
    </span>
  );
}

/** A figure that shows that it has changed, for a moment by colour and until the next change by an arrow. */
export function Moving({ value, text, tone = '' }: { value: number; text: string; tone?: string }) {
  const seen = useRef({ value, sign: 0 });
  if (value !== seen.current.value) seen.current = { value, sign: value > seen.current.value ? 1 : -1 };
  const { sign } = seen.current;
  return (
    <span key={text} class={`moving ${tone} ${sign ? 'changed' : ''}`}>
      <span class="arrow" aria-hidden="true">
        {sign > 0 ? '▲' : sign < 0 ? '▼' : ''}
      </span>
      {text}
    </span>
  );
}
