import { signal } from '@preact/signals';
import { cleanup, fireEvent, render, screen } from '@testing-library/preact';
import { afterEach, expect, test } from 'vitest';
import { PRESETS, trades } from '../src/lib/permissions';
import { body, KeyForm, problems, type Draft } from '../src/pages/keys/form';

afterEach(cleanup);
const draft = (change: Partial<Draft> = {}): Draft => ({
  name: ' bot ',
  permissions: ['read:bars'],
  symbols: '',
  accounts: '',
  ips: '',
  plan: 'free',
  days: '',
  test: false,
  ...change,
});

test('an empty list is no limit, and not a limit to nothing', () => {
  expect(body(draft({ symbols: ' , ', ips: '10.0.0.0/8, ::1' }), true)).toEqual({
    name: 'bot',
    permissions: ['read:bars'],
    symbols: null,
    accounts: null,
    ips: ['10.0.0.0/8', '::1'],
    plan: 'free',
  });
});

test('only a new key gets an expiry and the word whether it is a test key', () => {
  const chosen = draft({ days: '30', test: true });
  const made = body(chosen, true);
  expect(made.test).toBe(true);
  expect(Math.round((Date.parse(String(made.expires_at)) - Date.now()) / 86_400_000)).toBe(30);
  expect(body(chosen, false)).not.toHaveProperty('expires_at');
  expect(body(chosen, false)).not.toHaveProperty('test');
  expect(body(draft({ days: '' }), true), 'never').not.toHaveProperty('expires_at');
});

test('what cannot be is told before it is sent', () => {
  expect(problems(draft())).toEqual([]);
  expect(problems(draft({ permissions: [] }))).toEqual(['Choose at least one permission.']);
  expect(problems(draft({ ips: '10.0.0.0/8 300.1.1.1' }))).toEqual(['300.1.1.1 is no address and no network.']);
  expect(problems(draft({ permissions: ['admin'], symbols: 'EURUSD' }))).toEqual([
    'A key for some symbols or accounts cannot hold admin.',
  ]);
});

test('a new key begins with what moves no money', () => {
  expect(trades(PRESETS[0]!.permissions)).toBe(false);
  expect(PRESETS.filter((preset) => trades(preset.permissions)).map((preset) => preset.name)).toEqual(['Trading bot']);
});

test('a preset sets the boxes, and a box that is changed leaves the preset', () => {
  const value = signal(draft({ permissions: PRESETS[0]!.permissions }));
  render(<KeyForm draft={value} whole />);
  fireEvent.click(screen.getByRole('button', { name: 'Trading bot' }));
  const write = screen.getByRole('checkbox', { name: /trade:write/ }) as HTMLInputElement;
  expect(write.checked).toBe(true);
  expect(screen.getByRole('button', { name: 'Trading bot' }).getAttribute('aria-pressed')).toBe('true');
  fireEvent.click(write);
  expect(value.value.permissions).not.toContain('trade:write');
  expect(screen.getByRole('button', { name: 'Trading bot' }).getAttribute('aria-pressed')).toBe('false');
});
