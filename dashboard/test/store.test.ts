import { expect, test } from 'vitest';
import { coalesced } from '../src/live/store';

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
