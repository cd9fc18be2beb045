import { signal } from '@preact/signals';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Quote } from '../src/api/types';
import { paused } from '../src/live/socket';
import { now } from '../src/lib/time';
import { Feed, grown, ticked, type Tick } from '../src/pages/terminal/feed';
import { Trades } from '../src/pages/terminal/deals';
import { deal } from './records';

const stream = vi.hoisted(() => ({
  heard: {} as Record<string, (message: object) => void>,
  anew: {} as Record<string, () => void>,
}));
vi.mock('../src/live/socket', () => ({
  phase: signal('live'),
  paused: signal(false),
  subscribe: ({ topic }: { topic: string }, heard: (message: object) => void, anew: () => void) => {
    stream.heard[topic] = heard;
    stream.anew[topic] = anew;
    return () => undefined;
  },
}));

const NOW = Date.parse('2026-11-22T12:00:00Z');
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();
const offline = { code: 'offline', message: 'no terminal of this account is connected' };
/** Answers that a test gives when it wants, by the end of their path. */
let asked: { of: string; query: URLSearchParams; answer: (body: unknown, status?: number) => Promise<void> }[];

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  asked = [];
  vi.stubGlobal('fetch', (request: Request) => {
    const { pathname, searchParams } = new URL(request.url);
    return new Promise<Response>((done) =>
      asked.push({
        of: pathname.split('/').at(-1)!,
        query: searchParams,
        answer: async (body, status = 200) => {
          done(new Response(JSON.stringify(body), { status }));
          await vi.advanceTimersByTimeAsync(0);
        },
      }),
    );
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const feed = () => new Feed('tok_1', { login: 1001, server: 'Demo' });
const state = (topic: string, data: unknown, seconds = 0, trouble: object | null = null) =>
  stream.heard[topic]!({ type: 'state', topic, data, at: at(seconds), trouble });
const figures = (equity: number) => ({ equity, balance: 100 });

test('what the stream told meanwhile is not overwritten by an older answer, and each part comes by itself', async () => {
  const one = feed();
  void one.read();
  await vi.advanceTimersByTimeAsync(0);
  const [account, positions, orders] = asked;
  state('account', figures(101));
  await orders!.answer({ data: [] });
  expect(one.orders.value?.value, 'it waits for no other').toEqual([]);
  await account!.answer(figures(99));
  expect(one.account.value?.value.equity).toBe(101);
  await positions!.answer({ code: 'terminal_timeout', message: 'The terminal did not answer in time.' }, 504);
  expect(one.failure.value).toBe('Positions: The terminal did not answer in time.');
  expect(one.orders.value?.value, 'what was read stays').toEqual([]);
  state('positions', [{ ticket: 1 }]);
  expect(one.failure.value).toBe('');
});

test('of two reads that overlap the later counts, whichever ends first', async () => {
  const one = feed();
  void one.read();
  await vi.advanceTimersByTimeAsync(0);
  void one.read();
  await vi.advanceTimersByTimeAsync(0);
  await asked[3]!.answer(figures(2));
  await asked[0]!.answer(figures(1));
  await asked[1]!.answer({ code: 'internal', message: 'it broke' }, 500);
  expect(one.account.value?.value.equity).toBe(2);
  expect(one.failure.value).toBe('Positions: it broke');
  await asked[4]!.answer({ data: [] });
  expect(one.failure.value).toBe('');
});

test('an old value is as old as the hub heard it, and does not stand in the way of one that is read', async () => {
  const one = feed();
  void one.read();
  await vi.advanceTimersByTimeAsync(0);
  state('account', figures(50), -300, offline);
  expect(one.account.value).toEqual({ value: figures(50), at: NOW - 300_000, trouble: offline.message });
  await asked[0]!.answer(figures(60));
  expect(one.account.value, 'read, and not kept up to date').toEqual({ value: figures(60), at: NOW, trouble: offline.message });
  state('account', figures(50), -300, offline);
  expect(one.account.value?.value.equity, 'an old one again').toBe(60);
  state('account', null, 0, offline);
  expect(one.account.value?.value.equity).toBe(60);
  state('account', figures(61), 1);
  expect(one.account.value).toEqual({ value: figures(61), at: NOW + 1000, trouble: undefined });
});

test('a second in which the equity was not known is a gap, and so is a tab that slept', () => {
  const one = feed();
  const second = (seconds: number) => {
    vi.setSystemTime(NOW + seconds * 1000);
    now.value = NOW + seconds * 1000;
  };
  state('account', figures(10));
  second(1);
  second(2);
  state('account', null, 2, offline);
  second(3);
  second(4);
  state('account', figures(11), 5);
  second(5);
  second(60);
  stream.anew.account!();
  second(61);
  state('account', figures(12), 62);
  second(62);
  paused.value = true;
  second(63);
  paused.value = false;
  second(64);
  expect(one.equity.value.map((stretch) => stretch.map(({ time_msc }) => (time_msc - NOW) / 1000))).toEqual([
    [1, 2],
    [5],
    [60],
    [62],
    [64],
  ]);
  one.close();
});

test('of the equity an hour of seconds is kept, and what goes is the oldest', () => {
  const point = (second: number) => ({ time_msc: second * 1000, value: 1 });
  let stretches = grown(grown(grown([], point(0)), point(1)), undefined);
  expect(grown(stretches), 'a gap is one however long it is').toBe(stretches);
  for (let second = 5; second < 3603; second++) stretches = grown(stretches, point(second));
  expect(stretches.map((one) => [one[0]!.time_msc / 1000, one.length])).toEqual([
    [0, 2],
    [5, 3598],
  ]);
  stretches = grown(stretches, point(3603));
  expect(stretches.map((one) => one.length)).toEqual([1, 3599]);
  stretches = grown(grown(stretches, point(3604)), point(3605));
  expect(stretches.map((one) => [one[0]!.time_msc / 1000, one.length])).toEqual([[6, 3600]]);
});

const quote = (bid: number, ask: number, seconds = 0) => ({ bid, ask, time_msc: NOW + seconds * 1000 }) as Quote;
const told = (data: Quote | null, seconds = 0, trouble: object | null = null) =>
  ({ type: 'state', data, at: at(seconds), trouble }) as Parameters<typeof ticked>[1];

test('a tick is another one when only its ask differs, and the same when nothing does', () => {
  const first = ticked(undefined, told(quote(1.1, 1.2)), true)!;
  expect(ticked(first, told(quote(1.1, 1.2), 9), false)).toBe(first);
  expect(ticked(first, told(quote(1.1, 1.3), 9), false)).toMatchObject({ value: { ask: 1.3 }, at: NOW + 9000, moved: 0 });
  expect(ticked(first, told(quote(1.2, 1.2)), false)).toMatchObject({ moved: 1 });
});

test('a price is as old as the hub heard it, and the first one also as its own time says', () => {
  const of = (tick: Tick | undefined) => (tick!.at - NOW) / 1000;
  const before = ticked(undefined, told(quote(1, 2, -500), -500), true);
  expect(of(ticked(before, told(quote(1.1, 1.2, -300), -300), false)), 'told late').toBe(-300);
  expect(of(ticked(before, told(quote(1.1, 1.2, -300), 0), true)), 'said again by a terminal that was asked').toBe(-300);
  expect(of(ticked(before, told(quote(1.1, 1.2, -30 * 86_400), 0), true)), 'a clock far off').toBe(0);
  expect(of(ticked(before, told(quote(1.1, 1.2, 30), 0), true)), 'a clock ahead').toBe(0);
});

test('why there is no newer price is kept with the old one', () => {
  const first = ticked(undefined, told(quote(1, 2)), true);
  const without = ticked(first, told(null, 5, offline), false);
  expect(without).toEqual({ ...first, trouble: offline.message });
  expect(ticked(without, told(quote(1, 2)), true), 'it is back').toMatchObject({ trouble: undefined, at: NOW });
  expect(ticked(undefined, told(null, 0, offline), true)).toBeUndefined();
});

test('own trades are read from the first bar on, then only what is newer or older, and never the oldest alone', async () => {
  const trades = new Trades('tok_1', 'EURUSD');
  const page = (rows: number[], next_cursor: string | null = null, loading = false) => ({
    data: rows.map((time) => deal(time, 0)),
    next_cursor,
    loading,
  });
  const next = async (body: unknown) => {
    await vi.advanceTimersByTimeAsync(0);
    const { query, answer } = asked.shift()!;
    await answer(body);
    return Object.fromEntries(query);
  };
  const hour = 3_600_000;
  let reading = trades.read(100 * hour, 200 * hour);
  expect(await next(page([], null, true))).toMatchObject({ from: String(100 * hour), symbol: 'EURUSD' });
  await reading;
  expect([trades.left, trades.since]).toEqual(['loading', Infinity]);
  reading = trades.read(100 * hour, 200 * hour);
  await next(page([110 * hour], 'more'));
  expect(await next(page([190 * hour]))).toMatchObject({ cursor: 'more', symbol: 'EURUSD' });
  await reading;
  expect([trades.left, trades.since]).toEqual(['', 100 * hour]);
  reading = trades.read(50 * hour, 200 * hour);
  expect(await next(page([190 * hour, 195 * hour]))).toMatchObject({ from: String(188 * hour) });
  expect(await next(page([60 * hour]))).toMatchObject({ from: String(50 * hour), to: String(100 * hour) });
  await reading;
  expect(trades.deals.map(({ time_msc }) => time_msc! / hour)).toEqual([110, 190, 195, 60]);
  reading = trades.read(0, 200 * hour);
  await next(page([]));
  await next(page(Array(3000).fill(1), 'more'));
  expect(await next(page([40 * hour])), 'the newer half is what is read').toMatchObject({ from: String(25 * hour) });
  await reading;
  expect([trades.left, trades.since]).toEqual(['many', 25 * hour]);
});
