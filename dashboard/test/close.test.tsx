import { signal } from '@preact/signals';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/preact';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Position, SymbolSpec, Terminal } from '../src/api/types';
import { Close } from '../src/pages/terminal/amend';
import type { Feed } from '../src/pages/terminal/feed';

const SPEC = {
  name: 'BTC',
  digits: 2,
  bid: 60_000,
  point: 0.01,
  volume_min: 0.01,
  volume_max: 5,
  volume_step: 0.01,
} as SymbolSpec;
const TERMINAL = { id: 'tok_1', account: { login: 1, server: 'S' }, trade_mode_name: 'demo' } as Terminal;
const ROW = { ticket: 7, symbol: 'BTC', type_name: 'buy', volume: 0.01, price_open: 59_000, price_current: 60_000.5 };
const row = (change: object) => ({ ...ROW, profit: 0.5, swap: -0.25, ...change }) as unknown as Position;

let bodies: unknown[] = [];
beforeEach(() => {
  localStorage.clear();
  bodies = [];
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.setAttribute('open', '');
  };
  vi.stubGlobal('fetch', async (request: Request) => {
    bodies.push(await request.json());
    return new Response(JSON.stringify({ detail: 'the price moved 99 points', code: 'refused' }), { status: 422 });
  });
});
afterEach(() => {
  act(cleanup);
  vi.unstubAllGlobals();
});

const shown = () => {
  const positions = signal({ value: [row({})], at: 0 });
  const feed = {
    positions,
    account: signal({ value: { currency: 'XBT', currency_digits: 8 } }),
    terminal: 'tok_1',
    of: TERMINAL.account,
  };
  render(<Close feed={feed as unknown as Feed} terminal={TERMINAL} position={row({})} spec={SPEC} done={() => {}} />);
  return (...rows: Position[]) =>
    act(() => {
      positions.value = { value: rows, at: 0 };
    });
};
const button = (name: string) => screen.getByRole<HTMLButtonElement>('button', { name });

test('closing sends the lots that its button names and the price that was seen, and tells a refusal', async () => {
  const becomes = shown();
  expect(screen.getByRole('dialog').textContent).toContain('+0.25000000 XBT with swap');
  becomes(row({ profit: -1, price_current: 60_001 }));
  expect(screen.getByRole('dialog').textContent).toContain('now at 60001.00: −1.25000000 XBT with swap');
  fireEvent.click(button('Close 0.01 lots'));
  await screen.findByText('the price moved 99 points');
  expect(bodies).toEqual([{ volume: 0.01, seen_price: 60_001, max_slippage_points: 3000 }]);
});

test('a position that grew under the question is asked about anew, and one that is gone is not closed', async () => {
  const becomes = shown();
  becomes(row({ volume: 0.03 }));
  expect(button('Close 0.01 lots').disabled).toBe(true);
  expect(screen.getByRole('alert').textContent).toContain('was buy 0.01 when this was asked, and is buy 0.03 lots now');
  fireEvent.click(button('Ask anew'));
  expect(button('Close 0.03 lots').disabled).toBe(false);
  becomes();
  expect(screen.getByRole('alert').textContent).toContain('not open any more');
  expect(button('Close 0.03 lots').disabled).toBe(true);
  expect(bodies).toEqual([]);
});
