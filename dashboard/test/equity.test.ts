import { expect, test, vi } from 'vitest';
import { deal } from './records';

vi.mock('../src/charts/curve', () => ({ Curve: class {} }));
const { balances, drawdown } = await import('../src/pages/terminal/equity');

const values = (points: { value: number }[]) => points.map(({ value }) => Math.round(value * 100) / 100);

test('the balance after each deal ends with what it is now', () => {
  const points = balances([deal(1, 10), deal(2, -4), deal(3, 1)], 107);
  expect(points.map(({ time_msc }) => time_msc)).toEqual([1, 2, 3]);
  expect(values(points)).toEqual([110, 106, 107]);
});

test('what a deal cost counts, and the order in which deals come does not', () => {
  const deals = [deal(2, 5, { commission: -1, swap: -0.5, fee: -0.25 }), deal(1, 0, { commission: -1 })];
  expect(values(balances(deals, 100))).toEqual([96.75, 100]);
  expect(deals[0]!.time_msc, 'the list that was given is left as it was').toBe(2);
  expect(balances([], 100)).toEqual([]);
});

test('the largest fall is from a height to what comes after it', () => {
  const line = (...heights: number[]) => heights.map((value, time_msc) => ({ time_msc, value }));
  expect(drawdown(line(100, 120, 90, 130, 125))).toBe(30);
  expect(drawdown(line(100, 110, 120))).toBe(0);
  expect(drawdown([])).toBe(0);
});
