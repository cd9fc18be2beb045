import { expect, test } from 'vitest';
import type { Terminal, Token } from '../src/api/types';
import { accountName, daysLeft, expiry, ordered, troubles } from '../src/lib/tokens';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const token = (id: string, state: Token['state'], change: Partial<Token> = {}): Token => ({
  id,
  name: id,
  prefix: 'mtb_x',
  state,
  account: null,
  created_at: '2026-11-01T00:00:00Z',
  expires_at: null,
  revoked_at: null,
  locked_at: null,
  connected_at: null,
  last_seen_at: null,
  last_disconnect: null,
  rtt_ms: null,
  successor: null,
  warning: null,
  ...change,
});
const terminal = (presence: Partial<NonNullable<Terminal['presence']>>, state: Token['state'] = 'connected') =>
  ({ state, presence: { socket: { value: 'up', age_ms: 0, rtt_ms: 1 }, ...presence } }) as Terminal;
const layer = <T>(value: T) => ({ value, age_ms: 0 });
const inDays = (days: number) => new Date(NOW + days * 86_400_000).toISOString();

test('what needs attention stands first, then the living, then the rest', () => {
  const list = [
    token('revoked', 'revoked'),
    token('fine', 'connected'),
    token('pending', 'pending'),
    token('offline', 'offline'),
    token('expired', 'expired'),
    token('troubled', 'connected'),
  ];
  const terminals = new Map([
    ['troubled', terminal({ broker_link: layer(false) })],
    ['fine', terminal({ broker_link: layer(true) })],
  ]);
  expect(ordered(list, terminals).map((one) => one.id)).toEqual(['troubled', 'offline', 'expired', 'pending', 'fine', 'revoked']);
});

test('within a state the newest stands first, and the list that was given is left as it was', () => {
  const list = [
    token('old', 'pending', { created_at: '2026-11-01T00:00:00Z' }),
    token('new', 'pending', { created_at: '2026-11-20T00:00:00Z' }),
  ];
  expect(ordered(list, new Map()).map((one) => one.id)).toEqual(['new', 'old']);
  expect(list.map((one) => one.id)).toEqual(['old', 'new']);
});

test('the link to the hub and the link to the broker are two facts', () => {
  expect(troubles(terminal({ broker_link: layer(false) }))).toEqual(['no link to the broker']);
  expect(troubles(terminal({ broker_link: layer(true), terminal_trade_allowed: layer(true), latch: layer(0) }))).toEqual([]);
  expect(troubles(terminal({ broker_link: layer(false) }, 'offline')), 'of one that is not there nothing is known').toEqual([]);
  expect(troubles(undefined)).toEqual([]);
});

test('what is off in the terminal is told once, and not again as off in the Expert Advisor', () => {
  expect(troubles(terminal({ terminal_trade_allowed: layer(false), ea_trade_allowed: layer(false) }))).toEqual([
    'algo trading is off in the terminal',
  ]);
  expect(troubles(terminal({ terminal_trade_allowed: layer(true), ea_trade_allowed: layer(false) }))).toEqual([
    'trading is off in the settings of the Expert Advisor',
  ]);
  expect(troubles(terminal({ account_trade_allowed: layer(false), latch: layer(2) }))).toEqual([
    'the account may not trade',
    'trading is locked by the kill switch',
  ]);
});

test('an expiry is told from thirty days, and louder from seven', () => {
  const at = (days: number) => expiry(token('x', 'connected', { expires_at: inDays(days) }), NOW);
  expect([at(31), at(30), at(8), at(7), at(0), at(-1)]).toEqual(['fine', 'soon', 'soon', 'urgent', 'urgent', 'urgent']);
  expect(expiry(token('x', 'connected'), NOW), 'one that never expires').toBe('fine');
  expect(daysLeft(token('x', 'connected'), NOW)).toBe(Infinity);
});

test('an account is its number and its server', () => {
  expect(accountName({ login: 1001, server: 'Demo' })).toBe('1001 on Demo');
  expect(accountName(null)).toBe('');
});
