import { beforeEach, expect, test, vi } from 'vitest';
import type { Session } from '../src/api/types';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const MINUTE = 60_000;
vi.useFakeTimers({ now: NOW });
const { answered } = await import('../src/api/client');
const { end, learnEnds, remaining, watchActivity } = await import('../src/lib/ending');

/** A session that ends after so many minutes unused, and after so many in any case, as the hub tells it at `hubTime`. */
const learn = (idle: number, absolute: number, hubTime = NOW) => {
  const at = (minutes: number) => new Date(hubTime + minutes * MINUTE).toISOString();
  learnEnds(
    {
      session: { id: 'ses_1', created_at: '', confirmed_until: null, idle_expires_at: at(idle), expires_at: at(absolute) },
    } as Session,
    hubTime,
  );
};
const after = (minutes: number) => vi.advanceTimersByTime(minutes * MINUTE);

beforeEach(() => {
  vi.setSystemTime(NOW);
  answered.value = NOW;
  vi.advanceTimersByTime(1000);
});

test('the end is told two minutes before it, and not earlier', () => {
  learn(30, 720);
  after(27);
  expect(remaining.value).toBeNull();
  after(1.5);
  expect(remaining.value).toBeLessThanOrEqual(2 * MINUTE);
  expect(remaining.value).toBeGreaterThan(MINUTE);
});

test('whatever the hub answers puts the end off', () => {
  learn(30, 720);
  after(29);
  expect(remaining.value).not.toBeNull();
  answered.value = Date.now();
  expect(remaining.value).toBeNull();
});

test('nothing puts off the end that every sign-in has', () => {
  learn(30, 20);
  answered.value = Date.now();
  after(19);
  expect(remaining.value).not.toBeNull();
  expect(end.value?.extends).toBe(false);
});

test('a clock of the browser that goes wrong by hours tells the same', () => {
  learn(30, 720, NOW + 5 * 3_600_000);
  after(27);
  expect(remaining.value).toBeNull();
  after(2);
  expect(remaining.value).not.toBeNull();
});

test('a session that is short is told in its last third', () => {
  learn(0.5, 720);
  after(0.25);
  expect(remaining.value).toBeNull();
  after(0.2);
  expect(remaining.value).not.toBeNull();
});

test('somebody at the keyboard stays signed in, and the hub is asked once a minute at most', () => {
  learn(30, 720);
  const extend = vi.fn(() => (answered.value = Date.now()));
  const stop = watchActivity(extend);
  dispatchEvent(new KeyboardEvent('keydown', { key: 'a' }));
  expect(extend).not.toHaveBeenCalled();
  after(2);
  dispatchEvent(new KeyboardEvent('keydown', { key: 'a' }));
  dispatchEvent(new Event('pointerdown'));
  expect(extend).toHaveBeenCalledOnce();
  stop();
  after(2);
  dispatchEvent(new Event('pointerdown'));
  expect(extend).toHaveBeenCalledOnce();
});
