import { signal } from '@preact/signals';
import { keep } from './kept';

/** Milliseconds that the hub's clock is ahead of the browser's: ages are told by the hub's. */
export const skew = signal(0);
/** The hub's time now, in milliseconds since 1970; moves once a second. */
export const now = signal(Date.now());

setInterval(() => (now.value = Date.now() + skew.value), 1000);

/** Learns the hub's clock from a moment that it has just told. */
export function learnClock(hubTime: string | number): void {
  const at = typeof hubTime === 'number' ? hubTime : Date.parse(hubTime);
  if (Number.isFinite(at)) skew.value = at - Date.now();
}

/** How times are written. */
export type Zone = 'utc' | 'broker' | 'local';
const stored = (): Zone => {
  const kept = typeof localStorage === 'undefined' ? null : localStorage.getItem('zone');
  return kept === 'utc' || kept === 'broker' ? kept : 'local';
};
export const zone = signal<Zone>(stored());
export function setZone(to: Zone): void {
  zone.value = to;
  keep('zone', to);
}

/** A span in words: "12 s", "5 min", "3 h", "2 d". */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

const pad = (value: number, digits = 2) => String(value).padStart(digits, '0');

/** `2026-11-22 08:04:12` in the chosen zone; `offset` is the broker's, in seconds from UTC. */
export function stamp(ms: number, how: Zone, offset = 0): string {
  const shift = how === 'local' ? -new Date(ms).getTimezoneOffset() * 60_000 : how === 'broker' ? offset * 1000 : 0;
  const at = new Date(ms + shift);
  return `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())} ${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())}`;
}

/** How far the broker's clock was ahead of UTC, in seconds, at the row nearest to a moment; `otherwise` where no row says it. Oldest row first. */
export function offsetAt(
  rows: readonly { time_msc: number | null; broker_time?: number | null }[],
  ms: number,
  otherwise = 0,
): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]!.time_msc ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  const far = (at: number) => Math.abs((rows[at]?.time_msc ?? Infinity) - ms);
  const row = rows[far(low - 1) < far(low) ? low - 1 : low];
  return row?.time_msc != null && row.broker_time != null ? row.broker_time - Math.floor(row.time_msc / 1000) : otherwise;
}

/** What stands behind a written time. */
export const zoneName = (how: Zone): string => (how === 'utc' ? 'UTC' : how === 'broker' ? 'broker time' : 'local time');
