import { signal } from '@preact/signals';
import { cleanup, fireEvent, render, screen } from '@testing-library/preact';
import { afterEach, expect, test } from 'vitest';
import type { ApiKey, Plans } from '../src/api/types';
import { PRESETS, trades } from '../src/lib/permissions';
import { body, draftOf, fresh, money, problems, type Draft } from '../src/pages/keys/draft';
import { KeyForm } from '../src/pages/keys/form';
import { flags } from '../src/pages/keys/row';

afterEach(cleanup);
const draft = (change: Partial<Draft> = {}): Draft => ({
  ...fresh(),
  name: ' bot ',
  permissions: ['read:bars'],
  plan: 'free',
  ends: 'never',
  ...change,
});
const key = (change: Partial<ApiKey> = {}) =>
  ({
    state: 'active',
    permissions: ['read:bars'],
    ips: ['10.0.0.0/8'],
    created_at: '2026-01-01T00:00:00Z',
    last_used_at: '2026-06-30T00:00:00Z',
    expires_at: null,
    symbols: null,
    accounts: null,
    default_terminal: null,
    name: 'bot',
    plan: 'pro',
    test: false,
    ...change,
  }) as ApiKey;
const AT = Date.parse('2026-07-01T00:00:00Z');
const PLANS = {
  ceiling: 'pro',
  data: [
    { plan: 'free', requests_per_hour: 100, concurrent: 5, available: true, keys: 0 },
    { plan: 'pro', requests_per_hour: 1000, concurrent: 20, available: true, keys: 1 },
    { plan: 'unlimited', requests_per_hour: null, concurrent: null, available: false, keys: 0 },
  ],
} as unknown as Plans;

test('no list is no limit, and a list is sent as it is', () => {
  expect(body(draft({ ips: ['10.0.0.0/8', '::1'] }), true)).toEqual({
    name: 'bot',
    permissions: ['read:bars'],
    symbols: null,
    accounts: null,
    ips: ['10.0.0.0/8', '::1'],
    default_terminal: null,
    plan: 'free',
  });
});

test('a new key ends after 90 days unless somebody says otherwise, and one that is changed keeps its end', () => {
  const made = body({ ...fresh(), test: true }, true);
  expect(made.test).toBe(true);
  expect(Math.round((Date.parse(String(made.expires_at)) - Date.now()) / 86_400_000)).toBe(90);
  const changed = draftOf(key({ expires_at: '2026-09-01T00:00:00Z', test: true }));
  expect(body(changed, false)).not.toHaveProperty('expires_at');
  expect(body(changed, false)).not.toHaveProperty('test');
  expect(draftOf(key({ ips: ['1.2.3.4/32', '::1/128', '2001:db8::/32'] })).ips).toEqual(['1.2.3.4', '::1', '2001:db8::/32']);
  expect(body({ ...changed, ends: 'never' }, false).expires_at, 'taken away').toBeNull();
});

test('what cannot be is told before it is sent', () => {
  expect(problems(draft())).toEqual([]);
  expect(problems(draft({ permissions: [] }))).toEqual(['Choose at least one permission.']);
  expect(problems(draft({ ips: ['10.0.0.0/8', '300.1.1.1'] }))).toEqual(['300.1.1.1 is no address and no network.']);
  expect(problems(draft({ symbols: [] })), 'a list of nothing is no limit to all').toEqual([
    'Name at least one symbol, or choose all.',
  ]);
  expect(problems(draft({ permissions: ['admin'], symbols: ['EURUSD'] }))).toEqual([
    'A key for some symbols or accounts cannot hold admin.',
  ]);
});

test('a new key begins with what moves no money', () => {
  expect(trades(fresh().permissions)).toBe(false);
  expect(PRESETS.filter((preset) => trades(preset.permissions)).map((preset) => preset.name)).toEqual(['Trading']);
});

test('what can trade real money is told as such', () => {
  const accounts = [
    { value: '1@Demo', text: '', demo: true },
    { value: '2@Live', text: '', demo: false },
  ];
  const told = (change: Partial<Draft>) => money(draft({ permissions: ['trade:write'], ...change }), accounts).text;
  expect(money(draft(), accounts).text).toBe('It cannot trade.');
  expect(told({})).toBe('It can trade real money.');
  expect(told({ accounts: ['1@Demo', '2@Live'] })).toBe('It can trade real money.');
  expect(told({ accounts: ['1@Demo', '3@Unknown'] })).toBe('It can trade real money.');
  expect(told({ accounts: ['1@Demo'] })).toContain('demo accounts today');
  expect(told({ test: true })).toBe('It can trade, on demo accounts only.');
});

test('what a careful owner looks at is flagged', () => {
  const told = (change: Partial<ApiKey>) => flags(key(change), AT).map((flag) => flag.text);
  expect(told({})).toEqual([]);
  expect(told({ last_used_at: null })).toEqual(['never used']);
  expect(told({ last_used_at: null, created_at: '2026-06-30T12:00:00Z' }), 'made just now').toEqual([]);
  expect(told({ last_used_at: '2026-03-01T00:00:00Z' })).toEqual(['unused for 90 days']);
  expect(told({ ips: null })).toEqual(['any address']);
  expect(told({ ips: null, permissions: ['trade:reduce'] })).toEqual(['trades from any address']);
  expect(told({ permissions: ['admin'] })).toEqual(['all permissions']);
  expect(told({ expires_at: '2026-07-06T00:00:00Z' })).toEqual(['ends in 5 d']);
  expect(told({ state: 'revoked', ips: null })).toEqual([]);
});

test('a preset sets the boxes, and a box that is changed leaves the preset', () => {
  const value = signal(draft({ permissions: PRESETS[0]!.permissions }));
  render(<KeyForm draft={value} plans={undefined} />);
  fireEvent.click(screen.getByRole('button', { name: 'Trading' }));
  const write = screen.getByRole('checkbox', { name: /trade:write/ }) as HTMLInputElement;
  expect(write.checked).toBe(true);
  expect(screen.getByRole('button', { name: 'Trading' }).getAttribute('aria-pressed')).toBe('true');
  fireEvent.click(write);
  expect(value.value.permissions).not.toContain('trade:write');
  expect(screen.getByRole('button', { name: 'Trading' }).getAttribute('aria-pressed')).toBe('false');
});

test('addresses are told to be none while they are typed, and kept until they are taken away', () => {
  const value = signal(draft({ ips: [] }));
  render(<KeyForm draft={value} plans={undefined} />);
  const field = screen.getByRole('textbox', { name: 'Address or network' });
  fireEvent.input(field, { target: { value: '10.0.0' } });
  expect(screen.getByText('10.0.0 is no address and no network.')).toBeTruthy();
  fireEvent.input(field, { target: { value: '10.0.0.1, ::1' } });
  expect(screen.queryByText(/is no address/)).toBeNull();
  fireEvent.keyDown(field, { key: 'Enter' });
  expect(value.value.ips).toEqual(['10.0.0.1', '::1']);
  fireEvent.click(screen.getByRole('button', { name: /10\.0\.0\.1/ }));
  expect(value.value.ips).toEqual(['::1']);
});

test('a plan above the tenant’s own cannot be chosen, and why is said', () => {
  render(<KeyForm draft={signal(draft({ plan: '' }))} plans={PLANS} />);
  const choice = screen.getByRole('combobox', { name: /^Plan/ }) as HTMLSelectElement;
  expect(choice.value, 'the largest that there is').toBe('pro');
  expect([...choice.options].map((option) => [option.text, option.disabled])).toEqual([
    ['Free: 100 an hour, 5 at once', false],
    ['Pro: 1,000 an hour, 20 at once', false],
    ['Unlimited: no limit (above yours)', true],
  ]);
  expect(screen.getByText(/Yours goes up to Pro/)).toBeTruthy();
});
