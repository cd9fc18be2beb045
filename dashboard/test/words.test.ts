import { expect, test } from 'vitest';
import { amount, price, signed, tone } from '../src/lib/money';
import { isNetwork, words } from '../src/lib/network';
import { learnClock, skew, span, stamp } from '../src/lib/time';

test('a sum has its sign, and never by colour alone', () => {
  expect([signed(1.5), signed(-1.5), signed(0)]).toEqual(['+1.50', '−1.50', '0.00']);
  expect([tone(1), tone(-1), tone(0)]).toEqual(['up', 'down', '']);
});

test('what rounds to nothing has no sign', () => {
  expect(signed(-0.001)).toBe('0.00');
  expect(signed(0.004)).toBe('0.00');
  expect(amount(-0.001)).toBe('0.00');
});

test('an amount is grouped by thousands before the point only', () => {
  expect(amount(1234567.891)).toBe('1\u202f234\u202f567.89');
  expect(amount(-999)).toBe('−999.00');
  expect(amount(1000, 0)).toBe('1\u202f000');
  expect(amount(0.12345, 5)).toBe('0.12345');
  expect(price(1.1, 5)).toBe('1.10000');
});

test('a span is in the largest unit that says enough', () => {
  expect([0, 59_000, 60_000, 3_599_000, 3_600_000, 47 * 3_600_000, 48 * 3_600_000].map(span)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '60 min',
    '1 h',
    '47 h',
    '2 d',
  ]);
  expect(span(-5_000), 'never less than none').toBe('0 s');
});

test('a moment is written in the zone that was chosen', () => {
  const at = Date.parse('2026-11-22T23:04:05Z');
  expect(stamp(at, 'utc')).toBe('2026-11-22 23:04:05');
  expect(stamp(at, 'broker', 7200)).toBe('2026-11-23 01:04:05');
  const local = new Date(at);
  expect(stamp(at, 'local').slice(11, 13)).toBe(String(local.getHours()).padStart(2, '0'));
});

test('ages are told by the hub’s clock; what is no time teaches nothing', () => {
  learnClock(Date.now() + 60_000);
  expect(Math.round(skew.value / 1000)).toBe(60);
  learnClock('not a time');
  expect(Math.round(skew.value / 1000)).toBe(60);
  learnClock(new Date().toISOString());
  expect(Math.abs(skew.value)).toBeLessThan(2_000);
});

test.each([
  '203.0.113.7',
  '10.0.0.0/8',
  '0.0.0.0/0',
  '::1',
  '2001:db8::/32',
  'fe80::1/128',
  '1:2:3:4:5:6:7:8',
  '::ffff:10.0.0.1',
])('%s is a network', (text) => {
  expect(isNetwork(text)).toBe(true);
});

test.each([
  '',
  '256.0.0.1',
  '10.0.0',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '::1/129',
  'example.com',
  '1::2::3',
  '1:2:3',
  ':::',
  '1:2:3:4:5:6:7:8:9',
  '12345::',
])('“%s” is no network', (text) => {
  expect(isNetwork(text)).toBe(false);
});

test('a list may be written with commas, spaces or lines', () => {
  expect(words(' EURUSD, GBPUSD;\nXAU* ')).toEqual(['EURUSD', 'GBPUSD', 'XAU*']);
  expect(words('  ')).toEqual([]);
});
