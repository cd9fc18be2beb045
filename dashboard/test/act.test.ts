import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hub } from '../src/api/client';
import { trade } from '../src/pages/terminal/act';
import { command } from './records';

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
const sent: { key: string | null; body: string }[] = [];
let answers: (() => Promise<Response>)[] = [];

beforeEach(() => {
  sent.length = 0;
  vi.stubGlobal('fetch', async (request: Request) => {
    sent.push({ key: request.headers.get('idempotency-key'), body: await request.text() });
    return answers.shift()!();
  });
});
afterEach(() => vi.unstubAllGlobals());
const answered = (body: unknown, status?: number) => () => Promise.resolve(json(body, status));
const lost = () => Promise.reject(new TypeError('Failed to fetch'));
const keys = () => sent.map(({ key }) => key);
const buy = () =>
  trade((header) =>
    hub.POST('/api/v1/terminals/{terminal}/orders', {
      params: { path: { terminal: 't' }, header },
      body: { symbol: 'EURUSD', side: 'buy', type: 'market', volume: 0.01 },
    }),
  );

test('what was done says the price and what the broker said', async () => {
  answers = [answered(command('executed', { result: { retcode: 10009, retcode_name: 'done', price: 1.0853, volume: 0.01 } }))];
  expect(await buy()).toMatchObject({ done: true, unknown: false, text: 'Done: 0.01 lots at 1.0853 (10009 done)' });
  answers = [answered(command('placed', { result: { retcode: 10008, retcode_name: 'placed' } }))];
  expect((await buy()).text).toBe('Placed (10008 placed)');
});

test.each(['unknown', 'dispatched', 'accepted'])('%s is not failed: nobody is told to send it again', async (state) => {
  answers = [answered(command(state), 202)];
  const told = await buy();
  expect(told).toMatchObject({ done: false, unknown: true });
  expect(told.text).toMatch(/not known yet/i);
  expect(told.text).toMatch(/do not send it again/);
  expect(told.text).toContain('cmd_1');
});

test('what the broker refused is not done, in its number and its words', async () => {
  answers = [answered(command('broker_rejected', { result: { retcode: 10019, retcode_name: 'no_money' } }))];
  expect(await buy()).toMatchObject({ done: false, unknown: false, text: 'Not done: broker rejected (10019 no money)' });
  answers = [answered({ code: 'kill_switch', message: 'The kill switch is on.' }, 409)];
  expect(await buy()).toMatchObject({ done: false, unknown: false, text: 'The kill switch is on.' });
});

test('a lost answer is asked for once more under the same key, which never executes twice', async () => {
  answers = [lost, answered(command('executed'))];
  expect((await buy()).done).toBe(true);
  expect(sent.length).toBe(2);
  expect(keys()[0]).toBeTruthy();
  expect(keys()[1]).toBe(keys()[0]);
  expect(sent[1]!.body).toBe(sent[0]!.body);
});

test('an answer that is cut off in the middle is a lost one', async () => {
  const cut = () =>
    Promise.resolve({ ok: true, status: 200, text: () => Promise.reject(new TypeError('network error')) } as Response);
  answers = [cut, answered(command('executed'))];
  expect((await buy()).done).toBe(true);
  expect(keys()[1]).toBe(keys()[0]);
});

test('two answers lost: whether it was done is not known, and each order has a key of its own', async () => {
  answers = [lost, lost];
  expect(await buy()).toMatchObject({ done: false, unknown: true });
  answers = [answered(command('executed'))];
  await buy();
  expect(sent.length).toBe(3);
  expect(keys()[2]).not.toBe(keys()[0]);
});

test.each([502, 503, 504])('a proxy’s own %s says nothing of the order', async (status) => {
  answers = [() => Promise.resolve(new Response('<html>Bad gateway</html>', { status })), answered(command('executed'))];
  expect((await buy()).done, 'so it is asked again under the same key').toBe(true);
  expect(keys()[1]).toBe(keys()[0]);
});

test('a hub that failed in the middle of it is not taken for a refusal', async () => {
  const failed = answered({ code: 'internal', message: 'The hub failed.' }, 500);
  answers = [failed, failed];
  const told = await buy();
  expect(told).toMatchObject({ done: false, unknown: true });
  answers = [answered({ code: 'store_unavailable', message: 'Nothing was sent.' }, 503)];
  expect(await buy(), 'this one says that nothing was sent').toMatchObject({
    done: false,
    unknown: false,
    text: 'Nothing was sent.',
  });
});

test.each([
  [429, 'terminal_busy'],
  [401, 'unauthorized'],
  [503, 'store_unavailable'],
  [409, 'kill_switch'],
  [422, 'duplicate_order'],
])('after a lost answer a refusal of the second call (%s %s) does not say that nothing was done', async (status, code) => {
  answers = [lost, answered({ code, message: 'Not now.' }, status)];
  const told = await buy();
  expect(told).toMatchObject({ done: false, unknown: true });
  expect(told.again).toBeUndefined();
  expect(told.text).toMatch(/Not now\. Whether it was done is not known: look at the positions/);
});

test('after a lost answer the outcome of the command itself is what became of it', async () => {
  answers = [lost, answered({ ...command('broker_rejected'), code: 'broker_rejected', message: 'No money.' }, 422)];
  expect(await buy()).toMatchObject({ done: false, unknown: false, text: 'No money.' });
});

test('a proxy’s own words in JSON say nothing of the order either', async () => {
  answers = [answered({ message: 'Bad gateway' }, 502), answered(command('executed'))];
  expect((await buy()).done, 'so it is asked again under the same key').toBe(true);
  expect(keys()[1]).toBe(keys()[0]);
});

test('a call that hangs is given up, and asked for again', async () => {
  vi.spyOn(AbortSignal, 'timeout').mockReturnValueOnce(AbortSignal.abort());
  vi.stubGlobal('fetch', async (request: Request, { signal }: RequestInit) => {
    sent.push({ key: request.headers.get('idempotency-key'), body: '' });
    if (signal!.aborted) throw signal!.reason;
    return json(command('executed'));
  });
  expect((await buy()).done).toBe(true);
  expect(keys()[1]).toBe(keys()[0]);
});

test('a doubled order is told as not sent, and offers to be sent again for whoever means it', async () => {
  answers = [answered({ code: 'duplicate_order', message: 'say allow_duplicate if it is meant', command: 'cmd_9' }, 422)];
  const told = await buy();
  expect(told).toMatchObject({ done: false, unknown: false, again: true });
  expect(told.text).toContain('cmd_9');
  expect(told.text, 'the ticket has no such field').not.toContain('allow_duplicate');
  answers = [answered({ code: 'kill_switch', message: 'The kill switch is on.' }, 409)];
  expect((await buy()).again).toBeUndefined();
});
