import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/preact';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Command, Session } from '../src/api/types';
import type { Heard, Wish } from '../src/live/socket';
import { command } from './records';

const heard = new Map<string, (message: Heard) => void>();
vi.mock('../src/live/socket', () => ({
  subscribe: (wish: Wish, hear: (message: Heard) => void) => {
    heard.set(wish.topic, hear);
    return () => heard.delete(wish.topic);
  },
}));
const { default: Audit } = await import('../src/pages/audit');
const { go, where } = await import('../src/lib/router');
const { session } = await import('../src/lib/session');

const by: Command['by'] = { kind: 'key', id: 'key_a', name: 'my bot' };
const of = (id: string, state: string): Command => ({
  ...command(state, { id, result: state === 'broker_rejected' ? { retcode: 10019, retcode_name: 'no_money' } : undefined }),
  by,
  states: [
    { state: 'dispatched', at: '2026-11-22T15:00:00.000Z', reason: null },
    { state: state as Command['state'], at: '2026-11-22T15:00:00.182Z', reason: null },
  ],
});
let commands: Command[];
let paths: string[];
let said: unknown;

beforeEach(() => {
  commands = [of('cmd_2', 'unknown'), of('cmd_1', 'broker_rejected')];
  paths = [];
  session.value = { user: null, key: null, tenant: 't', operator: false, permissions: ['admin'], session: null } as Session;
  vi.stubGlobal('fetch', (request: Request) => {
    const path = request.url.slice(location.origin.length);
    paths.push(path);
    if (/\/commands\/cmd_/.test(path)) {
      const found = commands.find(({ id }) => path.includes(id));
      const decided = {
        ...found,
        state: 'adjudicated',
        final: true,
        adjudication: { outcome: 'not_executed', by: 'usr_1', at: '', reason: 'looked' },
      };
      if (request.method === 'POST') void request.json().then((body) => (said = body));
      return Promise.resolve(new Response(JSON.stringify(request.method === 'POST' ? decided : found)));
    }
    const data = path.startsWith('/api/v1/commands/makers')
      ? [by, { kind: 'user', id: 'usr_1', name: 'Anna' }]
      : path.startsWith('/api/v1/commands')
        ? commands
        : [];
    return Promise.resolve(new Response(JSON.stringify({ data, next_cursor: null, as_of: new Date().toISOString() })));
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  go('/audit', true);
});

const event = (data: Command): Heard => ({ type: 'event', kind: `command.${data.state}`, data, at: data.updated_at });
const asked = () => paths.filter((path) => path.startsWith('/api/v1/commands?'));

test('a rejected command says the broker’s words, and an unknown one that it has not failed', async () => {
  go('/audit/commands', true);
  render(<Audit />);
  const table = await screen.findByRole('table', { name: 'Commands' });
  const [unknown, rejected] = within(table).getAllByRole('row').slice(1);
  expect(within(rejected!).getByText('Rejected')).toBeTruthy();
  expect(within(rejected!).getByText('10019 no money')).toBeTruthy();
  expect(within(unknown!).getByText('Unknown')).toBeTruthy();
  expect(within(unknown!).getByText(/Not failed: check the terminal/)).toBeTruthy();
  await waitFor(() => expect(within(unknown!).getByText('my bot')).toBeTruthy());
});

test('a command that is shown tells how it goes on; a new one waits while the list is narrowed', async () => {
  go('/audit/commands?symbol=EURUSD', true);
  render(<Audit />);
  const table = await screen.findByRole('table', { name: 'Commands' });
  await screen.findByText('2 commands');
  heard.get('commands')!(event(of('cmd_2', 'executed')));
  await within(table).findByText('Filled');
  heard.get('commands')!(event(of('cmd_3', 'dispatched')));
  heard.get('commands')!(event(of('cmd_3', 'executed')));
  const waits = await screen.findByRole('button', { name: /1 new/ });
  expect(within(table).getAllByRole('row').length, 'nothing moves under the eye').toBe(3);
  commands = [of('cmd_3', 'executed'), ...commands];
  fireEvent.click(waits);
  await waitFor(() => expect(within(table).getAllByRole('row').length).toBe(4));
  expect(screen.queryByRole('button', { name: /new/ })).toBeNull();
});

test('where nothing is narrowed, opened or scrolled a new command comes in by itself', async () => {
  go('/audit/commands', true);
  render(<Audit />);
  const table = await screen.findByRole('table', { name: 'Commands' });
  await screen.findByText('2 commands');
  commands = [of('cmd_3', 'executed'), ...commands];
  heard.get('commands')!(event(commands[0]!));
  await within(table).findByText('Filled');
  await screen.findByText('3 commands');
});

test('the filter by who asked names people and bots', async () => {
  go('/audit/commands', true);
  render(<Audit />);
  const choice = await screen.findByRole('combobox', { name: 'By' });
  await within(choice).findByText('Anna (Person)');
  fireEvent.change(choice, { target: { value: 'usr_1' } });
  await screen.findByRole('button', { name: /^By Anna clear/ });
  await waitFor(() => expect(asked().at(-1)).toContain('by=usr_1'));
});

test('a chosen outcome is in the address and in what the hub is asked, and a chip clears it', async () => {
  go('/audit/commands', true);
  render(<Audit />);
  fireEvent.change(await screen.findByRole('combobox', { name: 'Outcome' }), { target: { value: 'unknown' } });
  expect(where.value.search).toBe('?outcome=unknown');
  await waitFor(() => expect(asked().at(-1)).toContain('state=unknown'));
  fireEvent.click(await screen.findByRole('button', { name: /^Unknown clear/ }));
  expect(where.value.search).toBe('');
  await waitFor(() => expect(asked().at(-1)).not.toContain('state='));
});

test('where nothing matches the way back is one button', async () => {
  commands = [];
  go('/audit/commands?symbol=NONE', true);
  render(<Audit />);
  fireEvent.click(await screen.findByRole('button', { name: 'Clear filters' }));
  expect(where.value.search).toBe('');
  await screen.findByText('Nothing was asked for yet');
});

test('what else there is to a command opens under it: every state with the time between, and its id to copy', async () => {
  go('/audit/commands', true);
  render(<Audit />);
  const more = (await screen.findAllByRole('button', { name: /^More about Buy/ }))[0]!;
  expect(more.getAttribute('aria-expanded')).toBe('false');
  fireEvent.click(more);
  await screen.findByRole('button', { name: /^Copy Command/ });
  expect(screen.getByText('cmd_2')).toBeTruthy();
  expect(more.getAttribute('aria-expanded')).toBe('true');
  const went = within(screen.getByRole('list', { name: 'What it went through' })).getAllByRole('listitem');
  expect(went.map((one) => one.textContent)).toEqual([
    expect.stringMatching(/\.000.*On its way to the terminal/),
    expect.stringMatching(/\.182.*\+182 ms.*Unknown/),
  ]);
});

test('the address of one command opens it', async () => {
  go('/audit/commands?id=cmd_1', true);
  render(<Audit />);
  await screen.findByRole('button', { name: /^Less about Buy/ });
  expect(screen.getByText('cmd_1')).toBeTruthy();
});

test('a person who has looked ends an unknown command, with a reason; one who may not is not asked', async () => {
  go('/audit/commands?id=cmd_2', true);
  const { unmount } = render(<Audit />);
  fireEvent.click(await screen.findByRole('button', { name: /^Decide what became of it/ }));
  const dialog = screen.getByRole('dialog', { hidden: true });
  const decide = within(dialog).getByRole('button', { name: 'Decide', hidden: true }) as HTMLButtonElement;
  expect(decide.disabled).toBe(true);
  fireEvent.click(within(dialog).getByLabelText(/It never happened/));
  expect(decide.disabled, 'not without a reason').toBe(true);
  fireEvent.input(within(dialog).getByLabelText(/How you know/), { target: { value: ' looked ' } });
  await waitFor(() => expect(decide.disabled).toBe(false));
  expect(decide.textContent).toBe('Decide: it never happened');
  fireEvent.click(decide);
  await screen.findByText('Decided');
  expect(said).toEqual({ outcome: 'not_executed', reason: 'looked' });
  expect(screen.getAllByText(/It never happened, says Anna: looked/).length).toBeGreaterThan(0);
  unmount();
  session.value = { ...session.value!, permissions: ['read:account'] };
  render(<Audit />);
  await screen.findByText(/Look into the terminal before/);
  expect(screen.queryByRole('button', { name: /^Decide/ })).toBeNull();
});

test('changes of the hub are for whoever runs it; for others the tab is not there', async () => {
  go('/audit/changes', true);
  const { rerender } = render(<Audit />);
  await waitFor(() => expect(paths.some((path) => path.startsWith('/api/v1/audit/trades'))).toBe(true));
  expect(screen.queryByRole('link', { name: 'Changes' })).toBeNull();
  expect(paths.some((path) => /^\/api\/v1\/audit\?/.test(path))).toBe(false);
  session.value = { ...session.value!, operator: true };
  rerender(<Audit />);
  await waitFor(() => expect(screen.getByRole('link', { name: 'Changes' }).getAttribute('aria-current')).toBe('page'));
});
