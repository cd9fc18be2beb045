import { expect, test } from 'vitest';
import type { Bar } from '../src/charts/price';
import type { Deal, SymbolSpec, Terminal } from '../src/api/types';
import { fewer, millis } from '../src/lib/histogram';
import { places, plain } from '../src/lib/money';
import { meant } from '../src/pages/terminal/chosen';
import { found } from '../src/pages/terminal/combo';
import { joined } from '../src/pages/terminal/history';
import { own } from '../src/pages/terminal/marks';
import { place, type Drawing } from '../src/pages/terminal/overlays';
import { standing } from '../src/pages/terminal/prices';
import { stable } from '../src/pages/terminal/rows';
import { fits, points, read, stepped, unread, worth } from '../src/pages/terminal/sizing';
import { guard, slippage, usual } from '../src/pages/terminal/slippage';
import { deal } from './records';

const MINUTE = 60_000;
const bar = (minute: number, close = 1.1): Bar => ({
  time_msc: minute * MINUTE,
  open: close,
  high: close + 0.01,
  low: close - 0.01,
  close,
  tick_volume: 1,
  complete: true,
});
const bars = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => bar(from + index));
const drawing = (change: Partial<Drawing>): Drawing => ({
  indicator_id: 'one',
  indicator_name: 'One',
  by: { id: 'key_1', name: 'a bot' },
  points: [],
  lines: [],
  ...change,
});
const point = (seconds: number, price: number) => ({ time: seconds, type: 'high', price });

test('points that lie on no bar or are no number are left out and counted, and the others are drawn', () => {
  const placed = place(
    drawing({
      points: [point(60, 1.1), point(599, 1.12), point(90, Number.NaN), point(10, 1.1), point(600, 1.1), point(90, Infinity)],
    }),
    bars(1, 10),
    MINUTE,
  );
  expect(placed.points.map(({ time_msc, value }) => [time_msc / MINUTE, value])).toEqual([
    [1, 1.1],
    [9, 1.12],
  ]);
  expect(placed).toMatchObject({ outside: 4, last: { value: 1.12, time_msc: 9 * MINUTE }, apart: false, by: 'a bot' });
  expect(place(drawing({ points: [point(60, 1.1)] }), [], MINUTE), 'no bar is there yet').toMatchObject({
    points: [],
    outside: 1,
  });
});

test('a line is cut to the bars that there are, and one beside them is counted', () => {
  const line = (start: number, length: number) => ({ id: `${start}`, price: 1.1, start_time: start * 60, bars: length });
  const placed = place(
    drawing({ lines: [line(12, 3), line(5, 100), line(0, 13), line(0, 3), line(19, 5), line(30, 5)] }),
    bars(10, 20),
    MINUTE,
  );
  expect(placed.lines.map(({ from, to }) => [from / MINUTE, to / MINUTE])).toEqual([
    [12, 15],
    [10, 19],
    [10, 13],
    [18, 19],
  ]);
  expect(placed.outside).toBe(2);
});

test('what is no price has a pane of its own, and a target far from today’s prices has none', () => {
  const at = (price: number) => place(drawing({ points: [point(60, price)] }), bars(1, 10), MINUTE).apart;
  expect([at(1.1), at(1.25), at(62), at(0.0004), at(-3)]).toEqual([false, false, true, true, true]);
});

test('one that came without its points says so', () => {
  expect(place(drawing({ points: null, lines: null }), bars(1, 10), MINUTE)).toMatchObject({ missing: true, outside: 0 });
});

test('newer bars join those that were scrolled to, and where the two do not touch only the newer stay', () => {
  expect(joined(bars(0, 10), bars(5, 15)).bars).toEqual(bars(0, 15));
  expect(joined(bars(0, 10), bars(20, 25))).toEqual({ bars: bars(20, 25), kept: false });
  expect(joined([], bars(1, 3)).bars).toEqual(bars(1, 3));
  expect(joined(bars(1, 3), []).bars).toEqual(bars(1, 3));
});

test('own trades of one bar are one mark, and words are left out where there is no room', () => {
  const done = (minute: number, type_name: string, volume: number): Deal => deal(minute * MINUTE + 5, 0, { type_name, volume });
  const marks = own(
    [
      done(2, 'buy', 0.1),
      done(2, 'buy', 0.2),
      done(4, 'buy', 1),
      done(4, 'sell', 1),
      done(50, 'buy', 1),
      done(20, 'buy', 0.1),
      done(20, 'buy', 0.2),
      done(3, 'balance', 9),
    ],
    bars(0, 30),
    MINUTE,
  );
  expect(marks.map(({ time_msc, text, above }) => [time_msc / MINUTE, text, above])).toEqual([
    [2, '', false],
    [4, '', false],
    [4, 'sell 1', true],
    [20, 'buy 0.3 (2)', false],
  ]);
});

const SIZES = { volume_min: 0.01, volume_max: 5, volume_step: 0.01 } as SymbolSpec;
test('lots go by the broker’s steps and stay within what it takes', () => {
  expect([0.01, 0.07, 5].map((lots) => fits(lots, SIZES))).toEqual([true, true, true]);
  expect([0, 0.015, 5.01, Number.NaN].map((lots) => fits(lots, SIZES))).toEqual([false, false, false, false]);
  expect([
    stepped(0.06, 1, SIZES),
    stepped(0.01, -1, SIZES),
    stepped(5, 1, SIZES),
    stepped(0.015, 1, SIZES),
    stepped(0.015, -1, SIZES),
  ]).toEqual([0.07, 0.01, 5, 0.02, 0.01]);
  expect(stepped(0.3, 1, SIZES, 0.3), 'a part of a position is no more than it').toBe(0.3);
  expect(stepped(Number.NaN, 1, SIZES)).toBe(0.02);
});

test('the money at risk is by the broker’s own tick value, and not told where it gives none', () => {
  const spec = { trade_tick_size: 0.00001, trade_tick_value: 1, trade_tick_value_loss: 1.1, trade_tick_value_profit: 0 };
  expect(worth('buy', 1.1, 1.099, 0.2, spec)).toBeCloseTo(-22);
  expect(worth('sell', 1.1, 1.099, 0.2, spec)).toBeCloseTo(20);
  expect(worth('buy', 1.1, 1.099, 1, { ...spec, trade_tick_size: 0 })).toBeUndefined();
  expect(points(1.1, 1.099, 5)).toBe(100);
});

test('a price says that it is old, that its market is closed, or that its terminal is away', () => {
  const tick = { value: {} as never, at: 0, moved: 0 as const };
  const terminal = (market: string, state = 'connected') =>
    ({ state, presence: { market: { value: market } } }) as unknown as Terminal;
  const said = (...with_: Parameters<typeof standing>) => standing(...with_);
  expect(said(tick, terminal('open'), undefined, 9_000)).toEqual([]);
  expect(said(tick, terminal('open'), undefined, 12_000)).toEqual(['Stale: 12 s without a tick']);
  expect(said(tick, terminal('closed'), undefined, 9_000), 'it ticks').toEqual([]);
  expect(said(tick, terminal('closed'), undefined, 7_200_000)).toEqual(['Market closed, last tick 2 h ago']);
  expect(said({ ...tick, trouble: 'it is loading' }, terminal('open'), undefined, 12_000)).toEqual([
    'No price: it is loading, last tick 12 s ago',
  ]);
  expect(said(undefined, terminal('closed', 'offline'), { trade_mode_name: 'closeonly' } as SymbolSpec, 0)).toEqual([
    'Terminal offline',
    'Closing only',
  ]);
});

test('what begins with what was typed comes first, then what was chosen lately', () => {
  const choices = ['AUDUSD', 'EURUSD', 'USDJPY', 'XAUUSD'].map((name) => ({
    id: name,
    name,
    about: name === 'XAUUSD' ? 'Gold' : '',
  }));
  const names = (typed: string) => found(choices, typed, ['XAUUSD']).map(({ name }) => name);
  expect(names('')).toEqual(['XAUUSD', 'AUDUSD', 'EURUSD', 'USDJPY']);
  expect(names('usd')).toEqual(['USDJPY', 'XAUUSD', 'AUDUSD', 'EURUSD']);
  expect(names('gold')).toEqual(['XAUUSD']);
  expect(names('dax')).toEqual([]);
});

test('rows of a table keep their places', () => {
  const rows = [3, 1, 2].map((ticket) => ({ ticket, time: ticket === 1 ? 9 : 5 }));
  expect(stable(rows, ({ time }) => time).map(({ ticket }) => ticket)).toEqual([2, 3, 1]);
});

test('a histogram with too many rows takes neighbours together and loses no sample', () => {
  const rows = Array.from({ length: 25 }, (_, index) => ({ le_ms: index + 1, count: 1 }));
  const few = fewer(rows);
  expect(few.map(({ le_ms }) => le_ms)).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 25]);
  expect(few.reduce((sum, { count }) => sum + count, 0)).toBe(25);
  expect(fewer(rows.slice(0, 5))).toEqual(rows.slice(0, 5));
  expect([0.14, 9.96, 12.6, 105_000].map(millis)).toEqual(['0.1 ms', '10 ms', '13 ms', '105 s']);
});

test('a step that a script writes with an exponent is a step like any other', () => {
  const by = (volume_step: number) => ({ volume_min: volume_step, volume_max: 5, volume_step });
  expect([stepped(0.6, 1, by(1e-8)), stepped(0.4, 1, by(1e-7)), stepped(0.4, -1, by(1e-7))]).toEqual([
    0.60000001, 0.4000001, 0.3999999,
  ]);
  expect(fits(1e-8, by(1e-8))).toBe(true);
  expect([places(1e-8), places(1.5e-7), places(0.01), places(100), places(1e21)]).toEqual([8, 8, 2, 0, 0]);
  expect([plain(1e-8), plain(1.5e-7), plain(0.3), plain(100)]).toEqual(['0.00000001', '0.00000015', '0.3', '100']);
});

test('a comma is read where it can only be a decimal one', () => {
  expect(['1,1', '39250', '39.250', ',5', '0,0125', '39,', '1.'].map(read)).toEqual([1.1, 39250, 39.25, 0.5, 0.0125, 39, 1]);
  expect(['39,250', '0,125', '1,234.5', '1.234,5', '', '1e5', '-1', '0x10', 'Infinity'].map(read)).toEqual(
    Array.from({ length: 9 }, () => Number.NaN),
  );
  expect(['39,250', '0,125', ',125', '1.2.3', '39,25', ''].map(unread)).toEqual([
    'Write 39250 or 39.250.',
    'Write 0.125.',
    'Write 0.125.',
    'This is no number.',
    '',
    '',
  ]);
});

test('an empty slippage is none, and what is no whole number of points is not taken for none', () => {
  expect(['', '0', '50', '1.5', '-1', '99999999999'].map(slippage)).toEqual([undefined, 0, 50, NaN, NaN, NaN]);
  expect([
    usual({ bid: 1.0934, point: 1e-5 }),
    usual({ bid: 60_000, point: 0.01 }),
    usual({ bid: 0, point: 1e-5 }),
    usual(undefined),
  ]).toEqual([50, 3000, 20, 20]);
  expect([guard(undefined, 1.1), guard(0, 1.1)]).toEqual([{}, { seen_price: 1.1, max_slippage_points: 0 }]);
});

test('an account’s number that two brokers have means neither of them by itself', () => {
  const row = (id: string, login: number, state: string) => ({ id, state, account: { login } }) as unknown as Terminal;
  const rows = [row('a', 1, 'offline'), row('b', 2, 'connected'), row('c', 2, 'offline')];
  const ids = (id?: string) => meant(rows, id).map((one) => one.id);
  expect([ids('a'), ids('1'), ids('2'), ids('3'), ids()]).toEqual([['a'], ['a'], ['b', 'c'], [], ['b']]);
});
