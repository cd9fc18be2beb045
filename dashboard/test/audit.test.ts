import { afterEach, expect, test, vi } from 'vitest';
import type { Command } from '../src/api/types';
import { readAll, records } from '../src/pages/audit/csv';
import { address, chips, days, matchesCommand, query, read, span } from '../src/pages/audit/filters';
import { Pages, withParams } from '../src/pages/audit/pages';
import {
  action,
  besides,
  costs,
  gain,
  happened,
  latency,
  moved,
  outcome,
  set,
  stages,
  totals,
  whose,
  type Trade,
} from '../src/pages/audit/words';
import { command } from './records';

const NOW = Date.parse('2026-11-22T15:30:00Z');
const params = (text: string) => new URLSearchParams(text);
const asked = (path: string) => Object.fromEntries(new URL(path, 'http://hub').searchParams);
afterEach(() => vi.unstubAllGlobals());

test('filters are the address, and what nobody knows is left out', () => {
  const filters = read('commands', params('account=1001%40Demo&outcome=rejected&range=7d&kind=deal&symbol=%20&what=ever'));
  expect(filters).toEqual({ account: '1001@Demo', outcome: 'rejected', range: '7d' });
  expect(read('commands', params(address('commands', filters).split('?')[1]!))).toEqual(filters);
  expect(read('commands', params('outcome=nonsense&range=eternity&from=yesterday'))).toEqual({});
  expect(address('trades', {})).toBe('/audit');
  expect(address('changes', { outcome: 'denied' })).toBe('/audit/changes?outcome=denied');
});

test('dates of one’s own take the place of a preset', () => {
  expect(read('trades', params('range=7d&from=2026-11-01'))).toEqual({ from: '2026-11-01' });
});

test('today is this day, and seven days are six before it and this', () => {
  expect(span({ range: 'today' }, NOW, 'utc')).toEqual({ from: Date.parse('2026-11-22T00:00:00Z') });
  expect(span({ range: '7d' }, NOW, 'utc')).toEqual({ from: Date.parse('2026-11-16T00:00:00Z') });
  expect(span({}, NOW, 'utc')).toEqual({});
});

test('“until” takes the whole of its day', () => {
  expect(span({ from: '2026-11-01', to: '2026-11-01' }, NOW, 'utc')).toEqual({
    from: Date.parse('2026-11-01T00:00:00Z'),
    to: Date.parse('2026-11-02T00:00:00Z'),
  });
  const { from, to } = span({ from: '2026-11-01', to: '2026-11-01' }, NOW, 'local');
  expect([new Date(from!).getHours(), new Date(to!).getHours(), new Date(to!).getDate()]).toEqual([0, 0, 2]);
});

test('the hub is asked for all accounts, newest first, and for nothing that was not chosen', () => {
  expect(asked(query('commands', {}, NOW, 'utc'))).toEqual({ sort: 'desc', terminal: '*' });
  expect(asked(query('trades', { account: '1001@Demo', kind: 'deal' }, NOW, 'utc'))).toEqual({
    sort: 'desc',
    account: '1001@Demo',
    kind: 'deal',
  });
  expect(asked(query('commands', { outcome: 'rejected', range: 'today' }, NOW, 'utc'))).toEqual({
    sort: 'desc',
    terminal: '*',
    state: 'broker_rejected,ea_refused',
    from: '2026-11-22T00:00:00.000Z',
  });
  expect(asked(query('changes', { outcome: 'denied', action: 'token' }, NOW, 'utc'))).toEqual({
    outcome: 'denied',
    action: 'token',
  });
  expect(query('commands', { id: 'cmd_1', account: 'x' }, NOW, 'utc')).toBe('/api/v1/commands/cmd_1');
});

test('the address that is asked stays the same until midnight, or the list would be read every second', () => {
  expect(query('commands', { range: '7d' }, NOW + 3_600_000, 'utc')).toBe(query('commands', { range: '7d' }, NOW, 'utc'));
});

test('each filter is a chip with its words', () => {
  const names = (id: string) => (id === 'key_a' ? 'my bot' : id);
  expect(chips('commands', { outcome: 'unknown', by: 'key_a', range: '7d' }, names).map(({ text }) => text)).toEqual([
    'Unknown',
    'By my bot',
    '7 days',
  ]);
  expect(chips('changes', { outcome: 'denied' }, names)).toEqual([{ name: 'outcome', text: 'Refused' }]);
});

test('only what the filters let through is counted as new', () => {
  const one: Command = { ...command('executed'), by: { kind: 'user', id: 'usr_a', name: 'Anna' } };
  const fits = (filters: Record<string, string>) => matchesCommand(filters, one, NOW, 'utc');
  expect(fits({})).toBe(true);
  expect([fits({ account: '1001@Demo' }), fits({ account: '1001' }), fits({ account: '1002@Demo' })]).toEqual([
    true,
    true,
    false,
  ]);
  expect([fits({ symbol: 'EURUSD' }), fits({ symbol: 'GBPUSD' })]).toEqual([true, false]);
  expect([fits({ outcome: 'filled' }), fits({ outcome: 'unknown' })]).toEqual([true, false]);
  expect([fits({ by: 'usr_a' }), fits({ by: 'key_a' })]).toEqual([true, false]);
  expect([fits({ range: 'today' }), fits({ to: '2026-11-21' })]).toEqual([true, false]);
  expect(fits({ id: 'cmd_9' }), 'whoever looks at one command waits for no other').toBe(false);
});

test('unknown is not failed', () => {
  const told = outcome(command('unknown', { reason: 'the terminal went away' }));
  expect(told).toMatchObject({ word: 'Unknown', tone: 'warn' });
  expect(told.more).toBe('Not failed: check the terminal. the terminal went away');
});

test('an outcome is a word, with the number and the words of the broker', () => {
  expect(outcome(command('executed', { result: { retcode: 10009, retcode_name: 'done' } }))).toMatchObject({
    word: 'Filled',
    tone: 'good',
    more: '10009 done',
  });
  expect(outcome(command('executed', { request: { action_name: 'sltp' } })).word, 'changing stops fills nothing').toBe('Done');
  expect(outcome(command('broker_rejected', { result: { retcode: 10019, retcode_name: 'no_money' } }))).toMatchObject({
    word: 'Rejected',
    tone: 'bad',
    more: '10019 no money',
  });
  expect(outcome(command('placed')).word).toBe('Placed');
  expect(outcome(command('accepted')).word).toBe('Under way');
  expect(
    outcome(
      command('adjudicated', { adjudication: { outcome: 'not_executed', by: 'usr_1', at: '', reason: 'seen in the terminal' } }),
      (id) => (id === 'usr_1' ? 'Anna' : id),
    ).more,
  ).toBe('It never happened, says Anna: seen in the terminal');
  expect(outcome(command('expired')).word, 'and not failed').toBe('Timed out');
  expect(outcome(command('something_new')).word, 'of a newer hub').toBe('Something new');
});

test('what was asked for is told as a person would', () => {
  const of = (request: Partial<Command['request']>) => action(command('executed', { request }));
  expect(action(command('executed'))).toBe('Buy 0.01 EURUSD');
  expect(of({ action_name: 'deal', type_name: 'sell', volume: 0.01, symbol: 'EURUSD', position: 7 })).toBe(
    'Close #7: sell 0.01 EURUSD',
  );
  const limit = { action_name: 'pending', type_name: 'buy_limit', volume: 0.1, symbol: 'EURUSD', price: 1.05, sl: 1.04 };
  expect(of(limit)).toBe('Buy limit 0.1 EURUSD');
  expect(besides(command('executed', { request: limit })), 'its price and stops are beside it').toBe('at 1.05, SL 1.04');
  expect(of({ action_name: 'sltp', position: 7, sl: 0, tp: 0 })).toBe('Stops of #7: none');
  expect(of({ action_name: 'remove', order: 9 })).toBe('Cancel order #9');
});

test('it took from the hub’s taking it to its end', () => {
  expect(latency(command('executed'))).toBe('182 ms');
  expect(latency(command('executed', { updated_at: '2026-11-22T15:00:02.500Z' }))).toBe('2.5 s');
  expect(latency(command('unknown')), 'not over').toBe('');
  expect(latency(command('adjudicated')), 'a person’s time is not the command’s').toBe('');
});

test('what a command went through is told state by state, with the time between', () => {
  const told: Command = {
    ...command('executed'),
    states: [
      { state: 'dispatched', at: '2026-11-22T15:00:00.000Z', reason: null },
      { state: 'accepted', at: '2026-11-22T15:00:00.012Z', reason: null },
      { state: 'unknown', at: '2026-11-22T15:00:10.012Z', reason: 'the connection was lost' },
      { state: 'a_new_one' as 'executed', at: '2026-11-22T15:02:10.012Z', reason: null },
    ],
  };
  expect(stages(told).map(({ word, after, reason }) => [word, after, reason])).toEqual([
    ['On its way to the terminal', '', ''],
    ['The terminal has it', '12 ms', ''],
    ['Unknown: the hub asks what became of it', '10.0 s', 'the connection was lost'],
    ['A new one', '2 min', ''],
  ]);
  expect(set({ magic: 0, comment: '', symbol: 'EURUSD', price: 1.1, order: null })).toEqual({ symbol: 'EURUSD', price: 1.1 });
});

const deal = (change: Partial<Trade>): Trade => ({
  kind: 'deal',
  at: '',
  seen_at: '',
  source: 'pushed',
  origin: 'foreign',
  command: null,
  ticket: 1,
  symbol: 'EURUSD',
  type_name: 'buy',
  entry_name: 'out',
  volume: 0.1,
  profit: 10,
  swap: -1,
  commission: -0.5,
  fee: 0,
  account: { login: 1, server: 'Demo' },
  ...change,
});

test('a deal brings its profit less what it cost; what opens brings nothing unless it cost something', () => {
  expect([gain(deal({})), costs(deal({}))]).toEqual([8.5, -1.5]);
  expect(gain(deal({ entry_name: 'in', profit: 0, swap: 0, commission: 0 }))).toBeUndefined();
  expect(gain(deal({ entry_name: 'in', profit: 0, swap: 0, commission: -0.5 }))).toBe(-0.5);
  expect([gain(deal({ kind: 'order' })), costs(deal({ kind: 'order' }))]).toEqual([undefined, undefined]);
  expect(happened(deal({}))).toBe('Buy, closes');
  expect(happened(deal({ kind: 'position', sl: 1.05, tp: 0 }))).toBe('Stops: SL 1.05, TP none');
});

test('money that was paid in or out is not earned', () => {
  const paid = (type_name: string, profit: number) =>
    deal({ symbol: '', type_name, entry_name: 'in', profit, swap: 0, commission: 0 });
  expect([happened(paid('balance', 500)), gain(paid('balance', 500)), moved(paid('balance', 500))]).toEqual([
    'Deposit',
    undefined,
    500,
  ]);
  expect([happened(paid('balance', -20)), moved(paid('balance', -20))]).toEqual(['Withdrawal', -20]);
  expect([happened(paid('bonus', 30)), gain(paid('bonus', 30))]).toEqual(['Bonus', undefined]);
  expect([moved(paid('interest', 2)), gain(paid('interest', 2))], 'interest is').toEqual([undefined, 2]);
});

test('all rows together are told of one account only, and without what was paid in', () => {
  const rows = [deal({}), deal({ profit: -3 }), deal({ type_name: 'balance', symbol: '', profit: 500 }), deal({ kind: 'order' })];
  expect(totals(rows)).toEqual({ deals: 2, lots: 0.2, cost: -3, gain: 4, moved: 500 });
  expect(totals([...rows, deal({ account: { login: 2, server: 'Demo' } })]), 'two currencies have no sum').toBeUndefined();
  expect(totals([deal({ kind: 'order' })]), 'no deal, no gain').toBeUndefined();
});

test('who asked is a name where one is known', () => {
  const maker = (kind: Command['by']['kind'], id: string, name: string | null) => whose({ kind, id, name });
  expect([maker('user', 'usr_1', 'Anna'), maker('key', 'key_a', 'my bot'), maker('hub', 'hub', 'hub')]).toEqual([
    'Anna',
    'my bot',
    'The hub',
  ]);
  expect(maker('key', 'key_01M8AAAAAAAAAAAAAAAAAAAAAZ', null), 'of one that nobody knows any more').toBe('key_01M8…AAAZ');
});

test('a file is named by the days that it is about', () => {
  expect(days({}, NOW, 'utc')).toBe('until-2026-11-22');
  expect(days({ range: 'today' }, NOW, 'utc')).toBe('2026-11-22');
  expect(days({ range: '7d' }, NOW, 'utc')).toBe('2026-11-16-to-2026-11-22');
  expect(days({ from: '2026-11-01', to: '2026-11-03' }, NOW, 'utc'), 'its last day is in it').toBe('2026-11-01-to-2026-11-03');
  expect(days({ from: '2026-11-01', to: '2026-12-24' }, NOW, 'utc'), 'and not what is to come').toBe('2026-11-01-to-2026-11-22');
});

/** Answers of the hub, one after the other. */
function hub(...pages: { data: unknown[]; next_cursor: string | null }[]): string[] {
  const paths: string[] = [];
  vi.stubGlobal('fetch', (request: Request) => {
    paths.push(request.url);
    return Promise.resolve(new Response(JSON.stringify(pages[paths.length - 1])));
  });
  return paths;
}

test('older rows are put below, and the newest are read anew in their place', async () => {
  const paths = hub(
    { data: [3, 2], next_cursor: 'c2' },
    { data: [1], next_cursor: null },
    { data: [4, 3, 2], next_cursor: 'c2' },
  );
  const pages = new Pages<number>('/api/v1/commands?sort=desc', { idOf: String });
  await pages.load();
  expect([pages.rows.value, pages.more.value]).toEqual([[3, 2], true]);
  await pages.older();
  expect([pages.rows.value, pages.more.value]).toEqual([[3, 2, 1], false]);
  expect(asked(paths[1]!)).toEqual({ sort: 'desc', limit: '100', cursor: 'c2' });
  await pages.older();
  expect(paths.length, 'there is nothing older').toBe(2);
  pages.wait('cmd_4');
  pages.wait('cmd_4');
  expect(pages.waiting.value.size, 'each is counted once').toBe(1);
  await pages.load();
  expect([pages.rows.value, pages.waiting.value.size]).toEqual([[4, 3, 2], 0]);
});

test('an empty page with more behind it is not taken for the end', async () => {
  hub({ data: [], next_cursor: 'c1' }, { data: [], next_cursor: 'c2' }, { data: [7], next_cursor: null });
  const pages = new Pages<number>('/x?a=1', { idOf: String });
  await pages.load();
  expect(pages.rows.value).toEqual([7]);
});

test('a refusal is told, and the rows that are there stay', async () => {
  hub({ data: [1], next_cursor: null });
  const pages = new Pages<number>('/x?a=1', { idOf: String });
  await pages.load();
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"code":"unavailable","message":"not now"}', { status: 503 })));
  await pages.load();
  expect([pages.rows.value, pages.failure.value]).toEqual([[1], 'not now']);
});

test('what is new comes in above while nobody reads further down, and is counted while somebody does', async () => {
  vi.useFakeTimers();
  hub(
    { data: [3, 2], next_cursor: 'c2' },
    { data: [4, 3], next_cursor: 'c3' },
    { data: [6, 5], next_cursor: 'c5' },
    { data: [6, 5], next_cursor: 'c5' },
  );
  let resting = true;
  const pages = new Pages<number>('/x?a=1', { idOf: String, resting: () => resting });
  const looked = async () => {
    pages.look();
    pages.look();
    await vi.advanceTimersByTimeAsync(1000);
  };
  await pages.load();
  await looked();
  expect(pages.rows.value, 'the others stay').toEqual([4, 3, 2]);
  resting = false;
  await looked();
  expect([pages.rows.value, [...pages.waiting.value]]).toEqual([
    [4, 3, 2],
    ['6', '5'],
  ]);
  await pages.load();
  expect([pages.rows.value, pages.waiting.value.size]).toEqual([[6, 5], 0]);
  vi.useRealTimers();
});

test('rows of the address before stay until the new ones are there, and are not taken for them', async () => {
  hub({ data: [9], next_cursor: null });
  const pages = new Pages<number>('/x?a=2', { idOf: String }, [3, 2]);
  expect([pages.rows.value, pages.settled.value]).toEqual([[3, 2], false]);
  pages.take(3, true);
  pages.look();
  await pages.load();
  expect([pages.rows.value, pages.settled.value]).toEqual([[9], true]);
});

test('when older rows cannot be read that is told where they were asked for', async () => {
  hub({ data: [1], next_cursor: 'c1' });
  const pages = new Pages<number>('/x?a=1', { idOf: String });
  await pages.load();
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"code":"unavailable","message":"not now"}', { status: 503 })));
  await pages.older();
  expect([pages.failure.value, pages.failedOlder.value]).toEqual(['', 'not now']);
});

test('one record has no pages', () => {
  expect(withParams('/api/v1/commands/cmd_1', { limit: '100' })).toBe('/api/v1/commands/cmd_1');
});

test('the file has all pages under one head', async () => {
  const texts = [
    ['id,comment\r\n1,"two\nlines"\r\n', 'c1'],
    ['id,comment\r\n2,x\r\n', null],
  ] as const;
  const paths: string[] = [];
  vi.stubGlobal('fetch', (path: string) => {
    const [text, next] = texts[paths.length]!;
    paths.push(path);
    return Promise.resolve(new Response(text, { headers: next ? { 'x-next-cursor': next } : {} }));
  });
  const told: number[] = [];
  expect(await readAll('/api/v1/commands?sort=desc', 500, (rows) => told.push(rows))).toBe(
    'id,comment\r\n1,"two\nlines"\r\n2,x\r\n',
  );
  expect(told).toEqual([1, 2]);
  expect(asked(paths[1]!)).toEqual({ sort: 'desc', format: 'csv', limit: '500', cursor: 'c1' });
  expect(records('a\n"b\nc"\n')).toBe(2);
});

test('half a file is no file', async () => {
  const answers = [new Response('id\r\n1\r\n', { headers: { 'x-next-cursor': 'c1' } }), new Response('', { status: 503 })];
  vi.stubGlobal('fetch', () => Promise.resolve(answers.shift()!));
  await expect(readAll('/x?a=1', 500, () => undefined)).rejects.toThrow('503');
});
