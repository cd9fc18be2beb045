import { expect, test } from 'vitest';
import type { Refusal, Terminal, Token } from '../src/api/types';
import { readFileSync } from 'node:fs';
import { EA_VERSION, outdated } from '../src/lib/ea';
import {
  accountName,
  daysLeft,
  expiring,
  expiry,
  matches,
  ordered,
  refusal,
  refusalWords,
  replaced,
  troubles,
} from '../src/lib/tokens';
import { titled } from '../src/live/title';

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
  last_refusal: null,
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
  expect(ordered(list, terminals, NOW).map((one) => one.id)).toEqual([
    'troubled',
    'offline',
    'expired',
    'pending',
    'fine',
    'revoked',
  ]);
});

test('within a state the newest stands first, and the list that was given is left as it was', () => {
  const list = [
    token('old', 'pending', { created_at: '2026-11-01T00:00:00Z' }),
    token('new', 'pending', { created_at: '2026-11-20T00:00:00Z' }),
  ];
  expect(ordered(list, new Map(), NOW).map((one) => one.id)).toEqual(['new', 'old']);
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

const refused = (change: Partial<Refusal> = {}): Refusal => ({
  at: new Date(NOW - 180_000).toISOString(),
  count: 1,
  code: 'account_mismatch',
  message: 'the token is locked to another account',
  account: { login: 222, server: 'X' },
  from: '203.0.113.7',
  ...change,
});
const withRefusal = (last: Refusal, change: Partial<Token> = {}) =>
  ({ ...token('t', 'connected', { account: { login: 111, server: 'Y' }, ...change }), last_refusal: last }) as Token;

test('a refusal names who tried, from where, and to whom the token is locked', () => {
  const words = (change: Partial<Refusal>, own: Partial<Token> = {}) =>
    refusalWords(refused(change), withRefusal(refused(), own));
  expect(words({})).toBe('account 222 on X tried to use it from 203.0.113.7; it is locked to 111');
  expect(words({ account: { login: 111, server: 'X' } }), 'the same number at another broker').toBe(
    'account 111 on X tried to use it from 203.0.113.7; it is locked to 111 on Y',
  );
  expect(words({ count: 12 })).toMatch(/ \(12 times\)$/);
  expect(words({}, { account: null }), 'freed since').toBe('account 222 on X tried to use it from 203.0.113.7');
  expect(words({ code: 'protocol_version', message: 'update the Expert Advisor', account: null })).toBe(
    'update the Expert Advisor (from 203.0.113.7)',
  );
});

test('a refusal is told for a day, and one of the terminal itself until it got in', () => {
  const later = new Date(NOW - 60_000).toISOString();
  expect(refusal(withRefusal(refused()), NOW)).not.toBeNull();
  expect(refusal(withRefusal(refused({ at: inDays(-1.01) })), NOW)).toBeNull();
  expect(refusal(withRefusal(refused(), { connected_at: later }), NOW), 'the other account still has the token').not.toBeNull();
  expect(refusal(withRefusal(refused({ code: 'protocol_version' }), { connected_at: later }), NOW)).toBeNull();
  expect(refusal(token('none', 'connected'), NOW)).toBeNull();
});

test('a connection that somebody else tried to use stands first, one whose token was replaced is not missed, nor its new one', () => {
  const list = [
    token('fine', 'connected'),
    token('offline', 'offline'),
    token('replaced', 'offline', { successor: 'new', created_at: '2026-10-01T00:00:00Z' }),
    token('new', 'offline', { locked_at: '2026-10-01T00:00:00Z' }),
    { ...withRefusal(refused()), id: 'tried' },
  ];
  expect(ordered(list, new Map(), NOW).map((one) => one.id)).toEqual(['tried', 'offline', 'new', 'replaced', 'fine']);
});

test('rows of the same age stand the same way in whatever order they come', () => {
  const list = ['b', 'a', 'c'].map((id) => token(id, 'pending'));
  const order = (tokens: Token[]) => ordered(tokens, new Map(), NOW).map((one) => one.id);
  expect(order(list)).toEqual(order([...list].reverse()));
});

test('what must be replaced soon is counted, and not what was replaced or is over', () => {
  const ending = (id: string, days: number, change: Partial<Token> = {}) =>
    token(id, change.state ?? 'connected', { expires_at: inDays(days), ...change });
  const list = [
    ending('a', 31),
    ending('b', 30),
    ending('c', 7),
    ending('d', 1, { successor: 'b' }),
    ending('e', 3, { state: 'revoked' }),
    ending('f', -1, { state: 'expired' }),
  ];
  expect(expiring(list, NOW)).toEqual({ soon: 1, urgent: 1 });
});

test('the new token knows the old one while that is still good', () => {
  const list = [
    token('old', 'connected', { successor: 'new' }),
    token('gone', 'revoked', { successor: 'other' }),
    token('new', 'pending'),
  ];
  expect([...replaced(list)].map(([id, old]) => [id, old.id])).toEqual([['new', 'old']]);
});

test('every word of the search is found in the name, the account or the broker', () => {
  const one = token('t', 'connected', { name: 'Desk 3', account: { login: 1001, server: 'Demo-Server' } });
  const row = { company: 'ICMarkets Ltd' } as Terminal;
  for (const text of ['desk', '1001', 'demo 3', 'icmarkets desk', ' ', 'mtb_x']) expect(matches(one, row, text), text).toBe(true);
  for (const text of ['desk 4', 'live']) expect(matches(one, row, text), text).toBe(false);
});

test('an Expert Advisor older than the hub is outdated, and what is none is not', () => {
  expect(outdated('1.0.9', '1.1.0')).toBe(true);
  expect(outdated('1.1', '1.1.0')).toBe(false);
  expect(outdated('1.10.0', '1.9.0')).toBe(false);
  expect(outdated('simulator 0.1.0', '1.1.0')).toBe(false);
  expect(outdated(undefined)).toBe(false);
});

test('the version that the page compares with is the one of the Expert Advisor in this repository', () => {
  const source = readFileSync('../mql/Include/MtBridge/Wire.mqh', 'utf8');
  expect(source.match(/#define MTB_EA_VERSION "([^"]+)"/)?.[1]).toBe(EA_VERSION);
});

test('the title of the tab tells how many are offline, and that the hub is gone before all', () => {
  const list = [token('a', 'offline'), token('b', 'offline'), token('c', 'connected'), token('d', 'offline', { successor: 'c' })];
  expect(titled('mtbridge', 'live', list)).toBe('(2 offline) mtbridge');
  expect(titled('mtbridge', 'live', [])).toBe('mtbridge');
  expect(titled('mtbridge', 'down', list)).toBe('(no link) mtbridge');
});
