import { expect, test } from 'vitest';
import type { Hook } from '../src/api/types';
import { inWords } from '../src/pages/settings/hook-alerts';
import { body, creation, draftOf, problems, symbolMap, type Draft } from '../src/pages/settings/hook-form';
import { draftOf as webhookOf, ready } from '../src/pages/settings/webhook-form';

const draft = (change: Partial<Draft> = {}): Draft => ({ ...draftOf(), ...change });

test('symbols are a line each, and what is no pair is told and not dropped', () => {
  expect(symbolMap(' OANDA:EURUSD = EURUSD.r \n\n gold=XAUUSD')).toEqual({ 'OANDA:EURUSD': 'EURUSD.r', gold: 'XAUUSD' });
  expect(symbolMap('')).toEqual({});
  for (const wrong of ['EURUSD', 'EURUSD =', '= EURUSD', 'a = b = c']) {
    expect(symbolMap(wrong), wrong).toBeUndefined();
    expect(problems(draft({ map: wrong }))).toHaveLength(1);
  }
});

test('a new hook is a dry run that only TradingView reaches, and says nothing that nobody chose', () => {
  expect(problems(draft())).toEqual([]);
  const made = creation(draft());
  expect(made).toMatchObject({ dry_run: true, ips: ['tradingview'], defaults: { volume: null, max_age_s: 60 } });
  expect(made).not.toHaveProperty('template');
  expect(made).not.toHaveProperty('permissions');
  expect(creation(draft({ closes: true, ips: null }))).toMatchObject({ permissions: ['trade:reduce'], ips: [] });
});

test('a hook that is changed keeps what the form does not show', () => {
  const hook = {
    name: 'strategy',
    terminal: 'tok_1',
    symbol_map: { 'OANDA:EURUSD': 'EURUSD.r' },
    template: '{{action}}',
    ips: [],
    dry_run: false,
    defaults: { volume: 0.1, magic: 7, deviation: 20, max_age_s: 30, duplicate_window_s: 90 },
  } as unknown as Hook;
  expect(body({ ...draftOf(hook), volume: '0.2' }, hook)).toEqual({
    name: 'strategy',
    terminal: 'tok_1',
    symbol_map: { 'OANDA:EURUSD': 'EURUSD.r' },
    template: '{{action}}',
    ips: [],
    dry_run: false,
    defaults: { volume: 0.2, magic: 7, deviation: 20, max_age_s: 30, duplicate_window_s: 90 },
  });
});

test('numbers that the hub would refuse are told', () => {
  expect(problems(draft({ volume: '-1' }))).toHaveLength(1);
  expect(problems(draft({ volume: 'many' }))).toHaveLength(1);
  expect(problems(draft({ age: '0' }))).toHaveLength(1);
  expect(problems(draft({ ips: [] }))).toHaveLength(1);
  expect(problems(draft({ ips: ['tradingview', '10.0.0.0/8', '10.0.0'] }))).toEqual(['10.0.0 is no address and no network.']);
});

test('what an alert became is told in words', () => {
  expect(
    inWords({ call: 'orders', body: { symbol: 'EURUSD', side: 'buy', type: 'market', volume: 0.1, sl: 1.08, tp: null } }),
  ).toBe('Buy 0.1 EURUSD, market, sl 1.08');
  expect(inWords({ call: 'positions/close-all', body: { symbol: 'EURUSD', side: 'buy' } })).toBe('Close all EURUSD (buy only)');
  expect(inWords({ call: 'positions/{ticket}/close', ticket: 17, body: { volume: 0.05 } })).toBe('Close 0.05 ticket 17');
  expect(inWords({ call: 'positions/{ticket}, PATCH', symbol: 'EURUSD', body: { sl: 1.07, tp: null } })).toBe(
    'Change the stops of EURUSD, sl 1.07, tp none',
  );
  expect(inWords({ call: 'orders/{ticket}, DELETE', symbol: 'EURUSD', body: {} })).toBe('Cancel EURUSD');
  expect(inWords(null)).toBe('');
});

test('a webhook needs an address and kinds that there are', () => {
  const url = 'https://example.org/mtbridge';
  expect(ready(webhookOf())).toBe(false);
  expect(ready({ ...webhookOf(), url })).toBe(true);
  expect(ready({ ...webhookOf(), url: 'example.org' })).toBe(false);
  expect(ready({ ...webhookOf(), url, events: [] })).toBe(false);
  expect(ready({ ...webhookOf(), url, events: ['*'] })).toBe(true);
  expect(ready({ ...webhookOf(), url, events: ['command.executed'] })).toBe(true);
  expect(ready({ ...webhookOf(), url, events: ['trade.executed'] })).toBe(false);
});
