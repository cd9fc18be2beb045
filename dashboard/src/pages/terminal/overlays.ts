// What bots have submitted, put on the bars that there are. Whatever does not fit is left out and counted: one bad point spoils no chart.
import type { Bar, Layer } from '../../charts/price';

/** An indicator as the list tells it; without points where there was too much for one answer. */
export interface Drawing {
  indicator_id: string;
  indicator_name: string;
  by: { id: string; name: string | null };
  points?: Point[] | null;
  lines?: Line[] | null;
}
interface Point {
  time: number;
  type: string;
  price: number;
  label?: string | null;
  color?: string | null;
  shape?: 'circle' | 'arrowUp' | 'arrowDown' | 'square' | null;
}
interface Line {
  id: string;
  price: number;
  start_time: number;
  bars: number;
  label?: string | null;
  color?: string | null;
  style?: 'solid' | 'dashed' | 'dotted' | null;
  width?: number | null;
}

/** An indicator on the chart, and what is said of it beside it. */
export interface Overlay extends Layer {
  name: string;
  by: string;
  /** Its newest value, and when that is. */
  last?: { value: number; time_msc: number };
  /** Points and lines that lie on no bar or have no number. */
  outside: number;
  /** The hub told that it is there, and not what it draws. */
  missing: boolean;
}

const COLORS = ['#8b5cf6', '#c2410c', '#0891b2', '#be185d', '#4d7c0f', '#6366f1'];
/** Beyond this factor from the prices a value is no price. */
const FAR = 1.25;

/** The bar that a moment lies in, by its place; none before the first or after the last. */
export function barOf(bars: Bar[], ms: number, period: number): number {
  let low = 0;
  let high = bars.length - 1;
  if (high < 0 || !(ms >= bars[0]!.time_msc) || ms >= bars[high]!.time_msc + period) return -1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (bars[middle]!.time_msc <= ms) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Whether values are of another kind than the prices: an oscillator would lie flat at the chart's edge, and press the candles flat. */
function otherScale(values: number[], bars: Bar[]): boolean {
  if (values.length === 0 || bars.length === 0) return false;
  const middle = [...values].sort((a, b) => a - b)[values.length >> 1]!;
  const low = Math.min(...bars.map((bar) => bar.low));
  const high = Math.max(...bars.map((bar) => bar.high));
  return middle < low / FAR || middle > high * FAR;
}

/** One indicator on the bars; `index` chooses a colour for what has none, `period` is a bar's length in milliseconds. */
export function place(one: Drawing, bars: Bar[], period: number, index = 0): Overlay {
  const color = one.points?.find((point) => point.color)?.color ?? one.lines?.find((line) => line.color)?.color;
  const own = color ?? COLORS[index % COLORS.length]!;
  const ranked = [...(one.points ?? [])].sort((a, b) => a.time - b.time);
  const points = ranked.flatMap((point) => {
    const at = Number.isFinite(point.price) ? barOf(bars, point.time * 1000, period) : -1;
    if (at < 0) return [];
    return {
      time_msc: bars[at]!.time_msc,
      value: point.price,
      above: point.type === 'high',
      shape: point.shape ?? ('circle' as const),
      color: point.color ?? own,
      text: point.label ?? '',
    };
  });
  const lines = (one.lines ?? []).flatMap((line) => {
    const first = bars[0]?.time_msc ?? Infinity;
    const begin = line.start_time * 1000;
    const start = begin < first ? 0 : barOf(bars, begin, period);
    // Its length is in bars; of those before the first that is known, time must do.
    const end = begin < first ? barOf(bars, begin + line.bars * period, period) : start + line.bars;
    const gone = begin < first && begin + line.bars * period < first;
    if (!Number.isFinite(line.price) || bars.length === 0 || start < 0 || gone) return [];
    const to = Math.min(begin < first && end < 0 ? bars.length - 1 : end, bars.length - 1);
    // A line that begins at the newest bar has a length too.
    const from = Math.max(0, Math.min(start, to - 1));
    return {
      id: line.id,
      value: line.price,
      from: bars[from]!.time_msc,
      to: bars[to]!.time_msc,
      color: line.color ?? own,
      style: line.style ?? ('solid' as const),
      width: Math.min(3, Math.max(1, line.width ?? 1)) as 1 | 2 | 3,
      text: line.label ?? '',
    };
  });
  const newest = points.at(-1);
  const level = lines.at(-1);
  return {
    id: `${one.by.id} ${one.indicator_id}`,
    name: one.indicator_name || one.indicator_id,
    by: one.by.name || one.by.id,
    color: own,
    apart: otherScale(
      [...points, ...lines].map(({ value }) => value),
      bars,
    ),
    points,
    lines,
    last: newest ?? (level && { value: level.value, time_msc: level.to }),
    outside: (one.points?.length ?? 0) - points.length + (one.lines?.length ?? 0) - lines.length,
    missing: one.points == null && one.lines == null,
  };
}
