// The equity of the past, as the hub kept it: bars, each with its lowest, highest and last.
import { hub, ok } from '../../api/client';
import type { EquityBar } from '../../api/types';
import type { CurvePoint } from '../../charts/curve';

/** By the clocks of hub and broker money may come at another moment: so far apart they may be. */
const SLACK_MS = 60_000;

/** All bars from a moment on, of five minutes or, of a long time, of an hour. */
export async function keptOf(terminal: string, from: number, long: boolean): Promise<EquityBar[]> {
  const bars: EquityBar[] = [];
  let cursor: string | null = null;
  do {
    const query: object = { from, resolution: long ? '1h' : '5m', limit: 10_000, ...(cursor ? { cursor } : {}) };
    const page = await ok(hub.GET('/api/v1/terminals/{terminal}/equity', { params: { path: { terminal }, query } }));
    bars.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor);
  return bars;
}

/** The deepest fall from a height to what came surely after it, and of how much that is in percent. Money that came or went is no part of it: the height moves with it, and of bars in which it may have been nothing is said. */
export function deepest(
  bars: EquityBar[],
  long: boolean,
  cash: { time_msc: number; cash: number }[] = [],
): { fall: number; percent: number } {
  const length = long ? 3_600_000 : 300_000;
  const found = { fall: 0, percent: 0 };
  let peak = Number.NEGATIVE_INFINITY;
  let next = 0;
  const look = (value: number) => {
    if (peak - value <= found.fall) return;
    found.fall = peak - value;
    found.percent = (100 * found.fall) / peak;
  };
  for (const { time_msc, low, high, equity } of bars) {
    for (; next < cash.length && cash[next]!.time_msc < time_msc + length + SLACK_MS; next++) peak += cash[next]!.cash;
    if (next && cash[next - 1]!.time_msc > time_msc - SLACK_MS) continue;
    // Which of the two came first within a bar nobody knows; the last came after both.
    look(low);
    peak = Math.max(peak, high);
    look(equity);
  }
  return found;
}

/** The bars on the grid of the balance, in stretches: of each place the value that is furthest from the one before, so that no height and no depth is lost. */
export function curves(bars: EquityBar[], from: number, to: number, count = 240): CurvePoint[][] {
  const width = (to - from) / count;
  const found: CurvePoint[][] = [];
  let before = Number.NaN;
  let level = 0;
  for (const { time_msc, low, high, equity } of bars) {
    const place = Math.floor((time_msc - from) / width);
    const now = from + place * width;
    const point = found.at(-1)?.at(-1);
    if (place === before && point) {
      const far = (value: number) => Math.abs(value - level);
      for (const value of [low, high]) if (far(value) > far(point.value)) point.value = value;
    } else {
      level = point?.value ?? equity;
      const value = Math.abs(low - level) > Math.abs(high - level) ? low : high;
      if (place > before + 1 || !point) found.push([]);
      found.at(-1)!.push({ time_msc: now, value });
    }
    before = place;
  }
  return found;
}
