import { signal } from '@preact/signals';
import { cleanup, fireEvent, render, screen } from '@testing-library/preact';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Terminal } from '../src/api/types';
import type { CurvePoint } from '../src/charts/curve';
import type { Feed } from '../src/pages/terminal/feed';
import { deal } from './records';

const drawn = vi.hoisted(() => ({ last: undefined as unknown, thin: 0 }));
vi.mock('../src/live/socket', () => ({ subscribe: () => () => undefined }));
vi.mock('../src/charts/curve', () => ({
  Curve: class {
    set = (stretches: CurvePoint[][], _steps: boolean, _notes: unknown, thin: CurvePoint[][] = []) => {
      drawn.last = stretches.flat().length;
      drawn.thin = thin.flat().length;
    };
    remove = () => undefined;
  },
}));
const { EquityCard } = await import('../src/pages/terminal/equity');

const NOW = Date.now();
const online = { id: 'tok_1', state: 'connected', account: { login: 1, server: 'Demo' }, utc_offset_s: 0 } as unknown as Terminal;
const feed = {
  account: signal({ value: { balance: 110, equity: 111, currency: 'USD', currency_digits: 2 }, at: 0 }),
  equity: signal([]),
} as unknown as Feed;
let answer: (query: URLSearchParams) => Response | Promise<Response>;
const page = (count: number, more: object = {}) =>
  new Response(
    JSON.stringify({
      data: Array.from({ length: count }, (_, at) => deal(NOW - 1000 - at, 10)),
      next_cursor: null,
      loading: false,
      ...more,
    }),
  );
const refused = () => new Response(JSON.stringify({ code: 'internal', message: 'it broke' }), { status: 500 });

let bars: object[] = [];
/** A bar so many times five minutes from now. */
const bar = (at: number, equity: number) => ({ time_msc: NOW + at * 300_000, low: equity, high: equity, equity, balance: 110 });
let broken = false;
const fetched = async (request: Request) => {
  const { pathname, searchParams } = new URL(request.url);
  if (!pathname.endsWith('/equity')) return answer(searchParams);
  return broken ? refused() : new Response(JSON.stringify({ data: bars, next_cursor: null, since: '2024-01-01T00:00:00.000Z' }));
};

beforeEach(() => {
  bars = [];
  broken = false;
  vi.stubGlobal('fetch', fetched);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});
const choose = (name: string) => fireEvent.click(screen.getByRole('button', { name }));

test('the result of one range never stands under another', async () => {
  answer = () => page(1);
  const { rerender } = render(<EquityCard feed={feed} terminal={online} />);
  await screen.findByText('+10.00');
  await vi.waitFor(() => expect(drawn.last).toBeGreaterThan(0));
  let late: (response: Response) => void = () => undefined;
  answer = () => new Promise<Response>((done) => (late = done));
  choose('90 d');
  await screen.findByText('Reading…');
  await vi.waitFor(() => expect(drawn.last).toBe(0));
  choose('7 d');
  let later: (response: Response) => void = () => undefined;
  const asked = new Promise<void>((is) => {
    answer = () => {
      is();
      return new Promise<Response>((done) => (later = done));
    };
  });
  late(page(2));
  await asked;
  expect(screen.queryByText('+20.00')).toBeNull();
  later(refused());
  expect((await screen.findByRole('alert')).textContent).toContain('it broke');
  expect(screen.queryByText('+20.00')).toBeNull();
  expect(screen.queryByText(/Result/)).toBeNull();
  rerender(<EquityCard feed={feed} terminal={{ ...online, state: 'offline' }} />);
  choose('All');
  await screen.findByText('Deals are read from the terminal, which is not connected.');
});

test('where the newest deals are left out nothing is counted back from the balance', async () => {
  answer = () => page(1000, { next_cursor: 'more' });
  render(<EquityCard feed={feed} terminal={online} />);
  await screen.findByText('Too many deals for this range: choose a shorter one.');
  expect(screen.getByRole('img', { name: 'Balance after each deal' }), 'and no deals').toBeDefined();
  answer = () => page(0, { loading: true });
  choose('7 d');
  await screen.findByText('The terminal is fetching its deals from its broker.');
  await vi.waitFor(() => expect(drawn.last).toBe(0));
});

test('a month without a deal shows what was before it, unless it was chosen', async () => {
  const asked: string[] = [];
  answer = (query) => page(asked.push(query.get('from')!) === 1 ? 0 : 1);
  render(<EquityCard feed={feed} terminal={online} />);
  await screen.findByText('+10.00');
  expect(asked[1]).toBe('0');
  answer = () => page(0);
  choose('30 d');
  await screen.findByText('No deal in this time.');
  expect(screen.getByRole('button', { name: '30 d' }).getAttribute('aria-pressed')).toBe('true');
});

test('the equity that the hub kept is drawn while the terminal is away, and says that nobody took deposits out of it', async () => {
  bars = [bar(-9, 110), bar(-8, 100)];
  answer = () => page(1);
  const { rerender } = render(<EquityCard feed={feed} terminal={{ ...online, state: 'offline' }} />);
  choose('7 d');
  await screen.findByText(/deepest fall of equity 10\.00 \(9\.1 %\)\./);
  await vi.waitFor(() => expect(drawn.thin).toBeGreaterThan(0));
  answer = () => refused();
  choose('90 d');
  await screen.findByText(/deepest fall of equity 10\.00 \(9\.1 %\), money paid in or taken out with it\./);
  // To draw anew has effects run that wait for the next frame.
  rerender(<EquityCard feed={feed} terminal={{ ...online, state: 'offline' }} />);
  expect(drawn.last, 'and the balance as the hub heard it').toBeGreaterThan(0);
  choose('Live');
  await vi.waitFor(() => expect(drawn.thin).toBe(0));
});

test('equity that cannot be read anew stays drawn, and it is said; that of a quiet account is of its own time', async () => {
  bars = [bar(-9, 110), bar(-8, 100)];
  answer = () => new Response(JSON.stringify({ data: [deal(NOW - 92 * 86_400_000, 10)], next_cursor: null, loading: false }));
  const { rerender } = render(<EquityCard feed={feed} terminal={online} />);
  choose('All');
  await screen.findByText(/no equity of this time, but of a later one/);
  bars = [bar(-20 * 288, 110), bar(-8, 100)];
  choose('90 d');
  choose('All');
  await screen.findByText(/kept by the hub since .*deepest fall of equity 10\.00 \(9\.1 %\)\./);
  await vi.waitFor(() => expect(drawn.thin).toBeGreaterThan(0));
  broken = true;
  rerender(<EquityCard feed={feed} terminal={{ ...online, state: 'offline' }} />);
  await screen.findByText(/The equity of the past cannot be read now: it broke/);
  expect(drawn.thin).toBeGreaterThan(0);
});
