import { expect, test } from 'vitest';
import type { Deal } from '../src/api/types';
import { paid as cashOf } from '../src/pages/terminal/balance';
import { curves, deepest } from '../src/pages/terminal/kept';
import { deal } from './records';

const STEP = 300_000;
const bar = (at: number, low: number, high: number, equity = low) => ({
  time: '',
  time_msc: at * STEP,
  low,
  high,
  equity,
  balance: 100,
});
const paid = (at: number, cash: number) => ({ time_msc: at * STEP, cash });

test('the deepest fall is from a height to what came after it, in order and in percent of the height', () => {
  expect(deepest([bar(0, 100, 120), bar(1, 90, 100, 95), bar(2, 95, 130, 130), bar(3, 105, 130)], false)).toEqual({
    fall: 30,
    percent: 25,
  });
  expect(deepest([bar(0, 80, 100, 100)], false).fall, 'the low may have been before the high').toBe(0);
  expect(deepest([bar(0, 80, 100, 90)], false).fall, 'the last came after it').toBe(10);
  expect(deepest([], false)).toMatchObject({ fall: 0, percent: undefined });
  expect(deepest([bar(0, -5, -5), bar(1, -20, -20)], false), 'of nothing it is no part').toMatchObject({
    fall: 15,
    percent: undefined,
  });
});

test('money that was taken out is no fall, and money that was paid in hides none', () => {
  const bars = [bar(0, 1000, 1000), bar(4, 400, 1000, 400), bar(8, 395, 400), bar(12, 2000, 2400, 2400), bar(16, 2390, 2390)];
  expect(deepest(bars, false, [paid(4.5, -600), paid(12.5, 2000)])).toMatchObject({
    fall: 10,
    percent: 100 * (1 - 2390 / ((400 * 2395) / 395)),
  });
  expect(deepest(bars, false).fall, 'without the deals it is in it').toBe(605);
  // A clock that is half a minute off does not make a fall of it.
  for (const at of [3.95, 5.1]) expect(deepest(bars.slice(0, 3), false, [paid(at, -600)]).fall).toBe(5);
});

test('ten percent below a height stay ten percent when money is taken out', () => {
  const bars = [bar(0, 10_000, 10_000), bar(2, 9_000, 9_000), bar(6, 1_000, 1_000), bar(8, 999.98, 999.98)];
  const found = deepest(bars, false, [paid(4, -8_000)]);
  expect(found.fall).toBeCloseTo(1_000.02);
  expect(found.percent).toBeCloseTo(10.002);
});

test('what is paid in or out is told by the deals, with credits and without trades', () => {
  const deals = [
    { ...deal(3, -50), type_name: 'buy' },
    { ...deal(2, -500), type_name: 'credit' },
    { ...deal(1, 1000), type_name: 'balance' },
  ] as Deal[];
  expect(cashOf(deals)).toEqual([
    { time_msc: 1, cash: 1000 },
    { time_msc: 2, cash: -500 },
  ]);
});

test('a stretch without a bar is a gap, and a place of the picture keeps its furthest value', () => {
  const bars = [bar(0, 100, 101), bar(1, 99, 103), bar(2, 60, 104, 100), bar(6, 100, 100), bar(7, 100, 140)];
  expect(curves(bars, false, 0, 8 * STEP, 4).map((one) => one.map(({ value }) => value))).toEqual([[103, 60], [140]]);
  expect(curves(bars, false, 0, 8 * STEP, 4)[1]![0]!.time_msc).toBe(6 * STEP);
  expect(
    curves(bars, false, 0, 8 * STEP, 80).map((one) => one.length),
    'a picture of many places has no gaps of its own',
  ).toEqual([3, 2]);
  expect(curves([], false, 0, 8 * STEP)).toEqual([]);
});
