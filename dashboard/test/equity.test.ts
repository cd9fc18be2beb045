import { expect, test } from 'vitest';
import { balances, gridded, summary } from '../src/pages/terminal/balance';
import { deal } from './records';

const values = (points: { value: number }[]) => points.map(({ value }) => Math.round(value * 100) / 100);
const cash = (time: number, sum: number) => deal(time, sum, { type_name: 'balance' });

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

test('money that is paid in is no gain, and money that is taken out is no fall', () => {
  const steps = balances([cash(1, 1000), deal(2, 50), cash(3, -500), deal(4, -55), cash(5, 200)], 695);
  expect(values(steps)).toEqual([1000, 1050, 550, 495, 695]);
  expect(summary(steps)).toMatchObject({ gain: -5, paidIn: 1200, takenOut: 500, fall: 55, fallPercent: expect.closeTo(10) });
});

test('the largest fall is from a height to what comes after it, in money and of that height', () => {
  const fall = (...gains: number[]) => {
    const steps = balances(
      gains.map((gain, at) => deal(at, gain)),
      100 + gains.reduce((a, b) => a + b, 0),
    );
    return [summary(steps).fall, Math.round(summary(steps).fallPercent ?? 0)];
  };
  expect(fall(20, -30, 40, -5)).toEqual([30, 25]);
  expect(fall(10, 10)).toEqual([0, 0]);
  expect(fall(-10), 'the height before the first deal counts').toEqual([10, 10]);
  expect(summary([])).toMatchObject({ fall: 0, fallPercent: undefined });
});

test('a credit is no part of the balance', () => {
  expect(values(balances([deal(1, 10), deal(2, 500, { type_name: 'credit' })], 110))).toEqual([110]);
});

test('a quiet week is as wide as a busy one', () => {
  const grid = gridded(balances([deal(10, 1), deal(11, 1), deal(90, 1)], 103), 0, 100, 10);
  expect(grid.map(({ time_msc }) => time_msc)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  expect(values(grid)).toEqual([100, 101, 102, 102, 102, 102, 102, 102, 102, 103, 103]);
});
