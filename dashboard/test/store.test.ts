import { effect } from '@preact/signals';
import { expect, test } from 'vitest';
import type { Terminal, Token } from '../src/api/types';
import { coalesced, flushTerminals, takeTerminal, terminals, tokens, tripsOf } from '../src/live/store';

/** A load that runs until it is let go. */
function held() {
  const gates: ((error?: Error) => void)[] = [];
  const load = () => new Promise<void>((resolve, reject) => gates.push((error) => (error ? reject(error) : resolve())));
  return { gates, load };
}
const turn = () => new Promise((resolve) => setTimeout(resolve));

test('however often it is asked for, one load runs, and once more for what came meanwhile', async () => {
  const { gates, load } = held();
  const run = coalesced(load);
  const first = run();
  void run();
  void run();
  expect(gates.length).toBe(1);
  gates[0]!();
  await turn();
  expect(gates.length, 'two that asked meanwhile are one more').toBe(2);
  gates[1]!();
  await first;
  await run;
  await turn();
  expect(gates.length).toBe(2);
});

test('whoever asked while it ran waits for a load that began after they asked', async () => {
  const { gates, load } = held();
  const run = coalesced(load);
  void run();
  let done = false;
  void run().then(() => (done = true));
  gates[0]!();
  await turn();
  expect(done).toBe(false);
  gates[1]!();
  await turn();
  expect(done).toBe(true);
});

test('a load that fails hinders none after it', async () => {
  const { gates, load } = held();
  const run = coalesced(load);
  const first = run();
  gates[0]!(new Error('no link'));
  await expect(first).rejects.toThrow('no link');
  void run();
  expect(gates.length).toBe(2);
});

test('a load that fails is made once more if it was asked for meanwhile', async () => {
  const { gates, load } = held();
  const run = coalesced(load);
  const first = run().catch(() => undefined);
  const second = run().catch(() => undefined);
  gates[0]!(new Error('no link'));
  await turn();
  expect(gates.length).toBe(2);
  gates[1]!();
  await Promise.all([first, second]);
});

const row = (id: string, rtt: number | null, state = 'connected') =>
  ({
    id,
    state,
    account: { login: 1, server: 'X' },
    last_seen_at: null,
    last_disconnect: null,
    presence: { socket: { rtt_ms: rtt } },
  }) as unknown as Terminal;

test('what many terminals tell at once is drawn once, and rows of which nothing was told stay the same objects', () => {
  const list = ['a', 'b', 'c'].map((id) => ({ id, state: 'offline' }) as Token);
  tokens.value = list;
  terminals.value = new Map();
  let drawn = 0;
  const end = effect(() => {
    void tokens.value;
    void terminals.value;
    drawn++;
  });
  for (const [id, rtt] of [
    ['a', 1],
    ['b', 2],
    ['a', 3],
  ] as const)
    takeTerminal(row(id, rtt));
  expect(tokens.value, 'not before it was gathered').toBe(list);
  flushTerminals();
  expect(drawn).toBe(2);
  expect(tokens.value.map((token) => [token.state, token.rtt_ms])).toEqual([
    ['connected', 3],
    ['connected', 2],
    ['offline', undefined],
  ]);
  expect(tokens.value[2]).toBe(list[2]);
  expect([...terminals.value.keys()]).toEqual(['a', 'b']);
  end();
});

test('round trips that were told are remembered, each once, and only the last 120', () => {
  for (const rtt of [5, 5, 6, null]) {
    takeTerminal(row('line', rtt));
    flushTerminals();
  }
  expect(tripsOf('line')).toEqual([5, 6]);
  for (let rtt = 0; rtt < 200; rtt++) {
    takeTerminal(row('line', rtt));
    flushTerminals();
  }
  expect(tripsOf('line').length).toBe(120);
  expect(tripsOf('line').at(-1)).toBe(199);
});
