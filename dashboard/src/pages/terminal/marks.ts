// What is one's own on the chart: trades that were done, and the levels of what is open.
import type { Deal, Order, Position } from '../../api/types';
import type { Bar, Level, Mark } from '../../charts/price';
import { barOf } from './overlays';

/** Marks nearer than this many bars have no room for their words. */
const ROOM = 8;

/** Own trades on their bars: of several of one side in one bar one mark, in words where there is room for them. */
export function own(deals: Deal[], bars: Bar[], period: number): Mark[] {
  const found = new Map<string, { at: number; side: 'buy' | 'sell'; lots: number; count: number }>();
  for (const deal of deals) {
    if (deal.type_name !== 'buy' && deal.type_name !== 'sell') continue;
    const at = barOf(bars, deal.time_msc ?? -1, period);
    if (at < 0) continue;
    const key = `${deal.type_name} ${at}`;
    const one = found.get(key) ?? { at, side: deal.type_name, lots: 0, count: 0 };
    found.set(key, { ...one, lots: one.lots + deal.volume, count: one.count + 1 });
  }
  const rows = [...found.values()].sort((a, b) => a.at - b.at);
  const near = (one: (typeof rows)[number]) =>
    rows.some((other) => other !== one && other.side === one.side && Math.abs(other.at - one.at) < ROOM);
  return rows.map((one): Mark => {
    const { at, side, lots, count } = one;
    const room = !near(one);
    const words = `${side} ${Number(lots.toFixed(8))}${count > 1 ? ` (${count})` : ''}`;
    return {
      time_msc: bars[at]!.time_msc,
      above: side === 'sell',
      shape: side === 'buy' ? 'arrowUp' : 'arrowDown',
      color: side === 'buy' ? '--good' : '--bad',
      text: room ? words : '',
    };
  });
}

/** Entries, stops and targets of what is open in a symbol, and the prices that orders wait for. */
export function levels(positions: Position[], orders: Order[], symbol: string): Level[] {
  const stops = (key: string, { sl, tp }: { sl: number; tp: number }): Level[] => [
    ...(sl ? [{ id: `sl${key}`, price: sl, color: '--bad', title: 'SL', dashed: true }] : []),
    ...(tp ? [{ id: `tp${key}`, price: tp, color: '--good', title: 'TP', dashed: true }] : []),
  ];
  return [
    ...positions
      .filter((one) => one.symbol === symbol)
      .flatMap((one) => [
        {
          id: `p${one.ticket}`,
          price: one.price_open,
          color: '--accent',
          title: `${one.type_name} ${one.volume}`,
          dashed: false,
        },
        ...stops(`p${one.ticket}`, one),
      ]),
    ...orders
      .filter((one) => one.symbol === symbol)
      .flatMap((one) => [
        {
          id: `o${one.ticket}`,
          price: one.price_open,
          color: '--warn',
          title: `${one.type_name?.replaceAll('_', ' ') ?? 'order'} ${one.volume_current}`,
          dashed: true,
        },
        ...stops(`o${one.ticket}`, one),
      ]),
  ];
}
