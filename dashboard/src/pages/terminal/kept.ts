// The equity of the past, as the hub kept it: bars, each with its lowest, highest and last.
import { hub, ok } from '../../api/client';
import type { EquityBar } from '../../api/types';
import type { CurvePoint } from '../../charts/curve';
import { Fall } from './fall';

/** By the clocks of hub and broker money may come at another moment: so far apart they may be. */
const SLACK_MS = 60_000;

/** All bars from a moment on, of five minutes or, of a long time, of an hour; and since when the hub keeps them. */
export async function keptOf(terminal: string, from: number, long: boolean) {
  const bars: EquityBar[] = [];
  let since: string | null;
  let cursor: string | null = null;
  do {
    const query: object = { from, resolution: long ? '1h' : '5m', limit: 10_000, ...(cursor ? { cursor } : {}) };
    const page = await ok(hub.GET('/api/v1/terminals/{terminal}/equity', { params: { path: { terminal }, query } }));
    bars.push(...page.data);
    since = page.since;
    cursor = page.next_cursor;
  } while (cursor);
  return { bars, since };
}

const lengthOf = (long: boolean) => (long ? 3_600_000 : 300_000);

/** The deepest fall from a height to what came surely after it. Of bars in which money may have come or gone nothing is said. */
export function deepest(bars: EquityBar[], long: boolean, cash: { time_msc: number; cash: number }[] = []): Fall {
  const found = new Fall();
  let next = 0;
  for (const { time_msc, low, high, equity } of bars) {
    const end = time_msc + lengthOf(long) + SLACK_MS;
    for (; next < cash.length && cash[next]!.time_msc < end; next++) found.pay(cash[next]!.cash);
    if (next && cash[next - 1]!.time_msc > time_msc - SLACK_MS) continue;
    // Which of the two came first within a bar nobody knows; the last came after both.
    found.low(low);
    found.high(high);
    found.low(equity);
  }
  return found;
}

/** The bars on the grid of the balance, in stretches: of each place the value that is furthest from the one before, so that no height and no depth is lost. A gap within a place is not drawn. */
export function curves(bars: EquityBar[], long: boolean, from: number, to: number, count = 240): CurvePoint[][] {
  const width = (to - from) / count;
  const found: CurvePoint[][] = [];
  let before = Number.NaN;
  let last = Number.NEGATIVE_INFINITY;
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
      if (time_msc - last > lengthOf(long)) found.push([]);
      found.at(-1)!.push({ time_msc: now, value });
    }
    before = place;
    last = time_msc;
  }
  return found;
}
