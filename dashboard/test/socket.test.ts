import { afterEach, beforeEach, expect, test, vi } from 'vitest';

/** A socket that does what the test says. */
class FakeSocket {
  static readonly OPEN = 1;
  static made: FakeSocket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number }) => void;
  constructor(
    readonly address: string,
    readonly protocols: string[],
  ) {
    FakeSocket.made.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(code = 1000) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
  opens() {
    this.readyState = 1;
    this.onopen?.();
  }
  says(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

let live: typeof import('../src/live/socket');
let calls: string[];
let refuse: Response | 'lost' | 'silent' | undefined;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  FakeSocket.made = [];
  calls = [];
  refuse = undefined;
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('fetch', (request: Request) => {
    const path = request.url.slice(location.origin.length);
    calls.push(`${request.method} ${path}`);
    if (refuse === 'silent')
      return new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason)));
    if (refuse === 'lost') return Promise.reject(new TypeError('Failed to fetch'));
    if (refuse) return Promise.resolve(refuse.clone());
    return Promise.resolve(
      new Response(
        JSON.stringify(path === '/api/v1/tickets' ? { ticket: `tkt_${calls.length}` } : { user: null, permissions: [] }),
      ),
    );
  });
  vi.resetModules();
  live = await import('../src/live/socket');
});
afterEach(() => {
  live.stop();
  Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true });
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const last = () => FakeSocket.made.at(-1)!;
const settled = () => vi.advanceTimersByTimeAsync(0);
async function started(): Promise<FakeSocket> {
  live.start();
  await settled();
  last().opens();
  return last();
}
const items = (socket: FakeSocket, verb: 'subscribe' | 'unsubscribe') =>
  socket.sent.flatMap((message) => (message[verb] ?? []) as unknown[]);
const tickets = () => calls.filter((one) => one === 'POST /api/v1/tickets').length;

test('a ticket opens the stream, and stands in no address', async () => {
  const socket = await started();
  expect(socket.address).toMatch(/^ws:\/\/[^?]+\/api\/v1\/stream$/);
  expect(socket.protocols).toEqual(['mtbridge.json.v1', 'mtbridge.ticket.tkt_1']);
  expect(live.phase.value).toBe('live');
});

test('what two want before the link is there is asked for once', async () => {
  live.subscribe({ topic: 'terminals' }, () => undefined);
  live.subscribe({ topic: 'terminals' }, () => undefined);
  live.subscribe({ topic: 'quotes', terminal: 't', symbol: 'EURUSD' }, () => undefined);
  const socket = await started();
  expect(items(socket, 'subscribe')).toEqual([{ topic: 'terminals' }, { topic: 'quotes', terminal: 't', symbol: 'EURUSD' }]);
});

test('a thing is let go when the last one who wants it is gone', async () => {
  const socket = await started();
  const [one, two] = [live.subscribe({ topic: 'deals' }, () => undefined), live.subscribe({ topic: 'deals' }, () => undefined)];
  one();
  expect(items(socket, 'unsubscribe')).toEqual([]);
  two();
  expect(items(socket, 'unsubscribe')).toEqual([{ topic: 'deals' }]);
  two();
  expect(items(socket, 'unsubscribe'), 'letting go twice is letting go once').toEqual([{ topic: 'deals' }]);
});

test('each hears what it asked for: its topic, its symbol, its account', async () => {
  const socket = await started();
  const heard: string[] = [];
  const account = { login: 1, server: 'Demo' };
  live.subscribe({ topic: 'quotes', terminal: 't', account, symbol: 'EURUSD' }, () => heard.push('mine'));
  live.subscribe({ topic: 'deals' }, () => heard.push('deals'));
  socket.says({ type: 'state', topic: 'quotes', account, symbol: 'EURUSD', data: {} });
  socket.says({ type: 'state', topic: 'quotes', account: { login: 2, server: 'Demo' }, symbol: 'EURUSD', data: {} });
  socket.says({ type: 'state', topic: 'quotes', account: { login: 1, server: 'Other' }, symbol: 'EURUSD', data: {} });
  socket.says({ type: 'state', topic: 'quotes', account, symbol: 'GBPUSD', data: {} });
  socket.says({ type: 'event', topic: 'deals', account: { login: 9, server: 'X' }, data: {} });
  socket.says({ type: 'answer', topic: 'deals' });
  expect(heard).toEqual(['mine', 'deals']);
});

test('one listener that throws takes nothing from the others', async () => {
  const socket = await started();
  const heard: string[] = [];
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  live.subscribe({ topic: 'deals' }, () => {
    throw new Error('a chart');
  });
  live.subscribe({ topic: 'deals' }, () => heard.push('still'));
  expect(() => socket.says({ type: 'event', topic: 'deals', data: {} })).not.toThrow();
  expect(heard).toEqual(['still']);
});

test('a lost link is tried again, later each time, and everything is followed anew', async () => {
  let anew = 0;
  live.subscribe(
    { topic: 'deals' },
    () => undefined,
    () => (anew += 1),
  );
  const first = await started();
  expect(anew).toBe(1);
  first.close(1006);
  await vi.advanceTimersByTimeAsync(499);
  expect(FakeSocket.made.length).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(FakeSocket.made.length, 'half a second at first').toBe(2);
  last().close(1006);
  await vi.advanceTimersByTimeAsync(999);
  expect(FakeSocket.made.length).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(FakeSocket.made.length, 'then a whole one').toBe(3);
  last().opens();
  expect(items(last(), 'subscribe')).toEqual([{ topic: 'deals' }]);
  expect(anew).toBe(2);
  last().close(1006);
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.made.length, 'a link that stood begins anew').toBe(4);
});

test('the pause is never longer than fifteen seconds', async () => {
  refuse = 'lost';
  live.start();
  await vi.advanceTimersByTimeAsync(120_000);
  const before = tickets();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(tickets()).toBe(before + 1);
});

test('a blip shows nothing; after two seconds the link is said to be down', async () => {
  const socket = await started();
  refuse = 'lost';
  socket.close(1006);
  await vi.advanceTimersByTimeAsync(1_999);
  expect(live.phase.value).toBe('live');
  await vi.advanceTimersByTimeAsync(1);
  expect(live.phase.value).toBe('down');
  refuse = undefined;
  live.retry();
  await settled();
  last().opens();
  expect(live.phase.value).toBe('live');
});

test('an open link that says nothing is stale, until it says something', async () => {
  const socket = await started();
  await vi.advanceTimersByTimeAsync(12_000);
  expect(live.phase.value).toBe('live');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(live.phase.value).toBe('stale');
  socket.says({ type: 'heartbeat' });
  expect(live.phase.value).toBe('live');
});

test('a hub whose beats are far apart is asked for a sign of life, and is not stale between two beats', async () => {
  const socket = await started();
  for (let second = 0; second < 45; second += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    const asked = socket.sent.splice(0).find((message) => message.ping === true);
    if (asked) socket.says({ type: 'answer', id: asked.id });
    expect(live.phase.value).toBe('live');
  }
});

test('a link that stays silent is given up for a new one', async () => {
  const socket = await started();
  live.subscribe({ topic: 'deals' }, () => undefined);
  // The other side is gone and says no goodbye.
  socket.close = () => {
    socket.readyState = 2;
  };
  await vi.advanceTimersByTimeAsync(26_000);
  expect(FakeSocket.made.length).toBe(2);
  last().opens();
  expect(live.phase.value).toBe('live');
  expect(items(last(), 'subscribe')).toEqual([{ topic: 'deals' }]);
});

test('“Retry now” on a silent link does not wait for its end', async () => {
  const socket = await started();
  socket.close = () => {
    socket.readyState = 2;
  };
  await vi.advanceTimersByTimeAsync(13_000);
  live.retry();
  await settled();
  expect(FakeSocket.made.length).toBe(2);
});

test('rights that ended: who is signed in now?', async () => {
  (await started()).close(4500);
  await settled();
  expect(calls).toContain('GET /api/v1/session');
});

test('nobody signed in: no more tickets are asked for', async () => {
  refuse = new Response('{"code":"unauthorized"}', { status: 401 });
  live.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(tickets()).toBe(1);
});

test('a hub that goes on without being stopped leaves no second link', async () => {
  live.start();
  live.start();
  await settled();
  last().opens();
  live.retry();
  await settled();
  expect(FakeSocket.made.length).toBe(1);
  live.stop();
  expect(last().readyState).toBe(3);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.made.length, 'stopped is stopped').toBe(1);
});

test('“Retry now” drops a link that is still being opened, and there are never two', async () => {
  live.start();
  await settled();
  live.retry();
  dispatchEvent(new Event('online'));
  await settled();
  expect(FakeSocket.made.filter((one) => one.readyState !== 3)).toEqual([last()]);
  last().opens();
  expect(live.phase.value).toBe('live');
});

test('a ticket that does not come is given up after ten seconds', async () => {
  refuse = 'silent';
  live.start();
  await vi.advanceTimersByTimeAsync(10_000);
  refuse = undefined;
  await vi.advanceTimersByTimeAsync(500);
  last().opens();
  expect(live.phase.value).toBe('live');
  expect(tickets()).toBe(2);
});

test('“Retry now” does not wait for a ticket that does not come', async () => {
  refuse = 'silent';
  live.start();
  await settled();
  refuse = undefined;
  live.retry();
  await settled();
  last().opens();
  expect(live.phase.value).toBe('live');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(FakeSocket.made.length, 'what was given up ends nothing later').toBe(1);
  expect(last().readyState).toBe(1);
});

test('a handshake that does not end is given up after ten seconds', async () => {
  live.start();
  await settled();
  await vi.advanceTimersByTimeAsync(10_500);
  expect(FakeSocket.made.map((one) => one.readyState)).toEqual([3, 0]);
});

function shows(state: 'hidden' | 'visible') {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}
const beats = async (socket: FakeSocket, seconds: number) => {
  for (let second = 0; second < seconds; second += 5) {
    await vi.advanceTimersByTimeAsync(5_000);
    socket.says({ type: 'heartbeat' });
  }
};

test('a tab that is hidden for a minute lets the figures go and keeps what its title is made of', async () => {
  const account = { topic: 'account', terminal: 't' };
  let anew = 0;
  live.subscribe({ topic: 'terminals' }, () => undefined);
  live.subscribe(
    account,
    () => undefined,
    () => (anew += 1),
  );
  const socket = await started();
  socket.says({ type: 'answer', id: socket.sent[0]!.id, subscribed: [], refused: [] });
  shows('hidden');
  await beats(socket, 55);
  expect(live.paused.value).toBe(false);
  await beats(socket, 5);
  expect(live.paused.value).toBe(true);
  expect(live.phase.value).toBe('live');
  expect(items(socket, 'unsubscribe')).toEqual([account]);
  const quotes = { topic: 'quotes', terminal: 't', symbol: 'EURUSD' };
  live.subscribe(quotes, () => undefined);
  socket.sent = [];
  shows('visible');
  expect(items(socket, 'subscribe')).toEqual([account, quotes]);
  expect(anew).toBe(2);
  expect(live.paused.value, 'what is shown is old until the hub has answered').toBe(true);
  socket.says({ type: 'answer', id: socket.sent[0]!.id, subscribed: [], refused: [] });
  expect(live.paused.value).toBe(false);
});

test('a link that is made anew for a hidden tab is not asked for figures', async () => {
  live.subscribe({ topic: 'terminals' }, () => undefined);
  live.subscribe({ topic: 'bars', terminal: 't', symbol: 'EURUSD', timeframe: 'M1' }, () => undefined);
  shows('hidden');
  const socket = await started();
  await beats(socket, 60);
  socket.close(4000);
  await vi.advanceTimersByTimeAsync(500);
  last().opens();
  expect(items(last(), 'subscribe')).toEqual([{ topic: 'terminals' }]);
  expect(live.paused.value).toBe(true);
  shows('visible');
  expect(items(last(), 'subscribe').length).toBe(2);
});

test('whoever may not follow something is told why', async () => {
  const told: string[] = [];
  const say = (who: string) => (message: import('../src/live/socket').Heard) =>
    told.push(`${who}: ${message.type} ${String(message.data)} ${message.trouble?.code}`);
  const account = { login: 1, server: 'Demo' };
  live.subscribe({ topic: 'positions', terminal: 't', account }, say('positions'));
  live.subscribe({ topic: 'orders', terminal: 't', account }, say('orders'));
  const socket = await started();
  const item = { terminal: 't', topic: 'positions' };
  const id = socket.sent[0]!.id;
  socket.says({ type: 'answer', id, subscribed: [], refused: [{ item, code: 'forbidden', message: 'no' }] });
  socket.says({ type: 'unsubscribed', topic: 'orders', account, code: 'unknown_terminal', message: 'gone' });
  expect(told).toEqual(['positions: state null forbidden', 'orders: state null unknown_terminal']);
});

test('what the plan has no room for now is asked for again when it has', async () => {
  const told: unknown[] = [];
  live.subscribe({ topic: 'account', terminal: 't' }, ({ trouble }) => told.push(trouble?.code));
  const socket = await started();
  socket.says({ type: 'error', id: socket.sent[0]!.id, code: 'rate_limit_exceeded', message: 'later', retry_after: 3 });
  expect(told).toEqual(['rate_limit_exceeded']);
  expect(items(socket, 'subscribe').length).toBe(1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(items(socket, 'subscribe').length).toBe(2);
});

test('whoever comes later is told how it stands, which the hub tells only once', async () => {
  const quote = { topic: 'quotes', terminal: 't', symbol: 'EURUSD' };
  live.subscribe(quote, () => undefined);
  const socket = await started();
  socket.says({ type: 'state', topic: 'quotes', symbol: 'EURUSD', data: { bid: 1.1 } });
  const told: unknown[] = [];
  live.subscribe(quote, ({ data }) => told.push(data));
  await settled();
  expect(told).toEqual([{ bid: 1.1 }]);
});

const quote = { topic: 'quotes', terminal: 't', symbol: 'EURUSD' };
const bid = (socket: FakeSocket, price: number) =>
  socket.says({ type: 'state', topic: 'quotes', symbol: 'EURUSD', data: { bid: price } });
/** Whoever hears keeps what came: the value, or why there is none. */
const heardBy = (kept: unknown[]) => (message: import('../src/live/socket').Heard) =>
  kept.push((message.data as { bid: number } | null)?.bid ?? message.trouble?.code);
/** The hub says to each subscription that it has not answered yet that the rate is used up. */
function refusesAll(socket: FakeSocket, retry_after: number) {
  for (const { id } of socket.sent.splice(0).filter((message) => message.subscribe))
    socket.says({ type: 'error', id, code: 'rate_limit_exceeded', message: 'later', retry_after });
}
function acceptsAll(socket: FakeSocket) {
  for (const { id, subscribe } of socket.sent.splice(0).filter((message) => message.subscribe))
    socket.says({ type: 'answer', id, subscribed: subscribe, refused: [] });
}

test('whoever has a value keeps it when the plan has no room for more', async () => {
  const [one, two, other]: unknown[][] = [[], [], []];
  live.subscribe(quote, heardBy(one!));
  const socket = await started();
  acceptsAll(socket);
  bid(socket, 1.1);
  live.subscribe(quote, heardBy(two!));
  live.subscribe({ topic: 'account', terminal: 't' }, heardBy(other!));
  expect(items(socket, 'subscribe'), 'what is followed is not asked for again').toEqual([{ topic: 'account', terminal: 't' }]);
  refusesAll(socket, 3);
  await settled();
  expect([one, two, other]).toEqual([[1.1], [1.1], ['rate_limit_exceeded']]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(items(socket, 'subscribe')).toEqual([{ topic: 'account', terminal: 't' }]);
});

test('whoever comes before the answer does not ask a second time', async () => {
  const socket = await started();
  live.subscribe(quote, () => undefined);
  live.subscribe(quote, () => undefined);
  expect(items(socket, 'subscribe')).toEqual([quote]);
});

test('all that the plan had no room for is asked for in one question, when it has, and not before', async () => {
  const [told, late]: unknown[][] = [[], []];
  live.subscribe({ topic: 'terminals' }, () => undefined);
  const socket = await started();
  acceptsAll(socket);
  const gone = live.subscribe({ topic: 'account', terminal: 't' }, () => undefined);
  live.subscribe(quote, heardBy(told!));
  live.subscribe({ topic: 'deals' }, () => undefined);
  refusesAll(socket, 3);
  live.subscribe(quote, heardBy(late!));
  gone();
  await vi.advanceTimersByTimeAsync(2_999);
  expect(items(socket, 'subscribe')).toEqual([]);
  expect(late, 'whoever comes meanwhile is told why there is nothing').toEqual(['rate_limit_exceeded']);
  await vi.advanceTimersByTimeAsync(1);
  expect(socket.sent.map((message) => message.subscribe).filter(Boolean)).toEqual([[quote, { topic: 'deals' }]]);
  acceptsAll(socket);
  bid(socket, 1.2);
  expect([told, late]).toEqual([
    ['rate_limit_exceeded', 1.2],
    ['rate_limit_exceeded', 1.2],
  ]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(items(socket, 'subscribe')).toEqual([]);
});

test('a refusal after a new link says that the value is old, until it is followed again', async () => {
  const told: unknown[] = [];
  live.subscribe(quote, heardBy(told));
  const first = await started();
  acceptsAll(first);
  bid(first, 1.1);
  first.close(4000);
  await vi.advanceTimersByTimeAsync(500);
  last().opens();
  refusesAll(last(), 2);
  bid(first, 1);
  await vi.advanceTimersByTimeAsync(2_000);
  acceptsAll(last());
  bid(last(), 1.1);
  expect(told).toEqual([1.1, 'rate_limit_exceeded', 1.1]);
});

test('a pause that the hub names is neither none nor without end', async () => {
  live.subscribe(quote, () => undefined);
  const socket = await started();
  refusesAll(socket, 0);
  await vi.advanceTimersByTimeAsync(999);
  expect(items(socket, 'subscribe')).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  refusesAll(socket, 1e9);
  await beats(socket, 3_595);
  expect(items(socket, 'subscribe')).toEqual([]);
  await beats(socket, 5);
  expect(items(socket, 'subscribe')).toEqual([quote]);
});

test('of two pauses the shorter one counts', async () => {
  live.subscribe(quote, () => undefined);
  const socket = await started();
  refusesAll(socket, 600);
  const other = { topic: 'account', terminal: 't' };
  live.subscribe(other, () => undefined);
  await settled();
  refusesAll(socket, 2);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(items(socket, 'subscribe')).toEqual([quote, other]);
});

test('what the hub has ended is asked for again by whoever comes next', async () => {
  const told: unknown[] = [];
  live.subscribe(quote, heardBy(told));
  const socket = await started();
  acceptsAll(socket);
  bid(socket, 1.1);
  socket.says({ type: 'unsubscribed', topic: 'quotes', symbol: 'EURUSD', code: 'forbidden', message: 'no' });
  live.subscribe(quote, heardBy(told));
  await settled();
  expect(items(socket, 'subscribe')).toEqual([quote]);
  expect(told).toEqual([1.1, 'forbidden']);
});

test('a terminal that was given another account is followed anew, and nobody is told of the account before', async () => {
  const told: unknown[] = [];
  const before = live.subscribe({ ...quote, account: { login: 1, server: 'Demo' } }, () => undefined);
  const socket = await started();
  acceptsAll(socket);
  bid(socket, 1.1);
  live.subscribe({ ...quote, account: { login: 2, server: 'Demo' } }, heardBy(told));
  before();
  await settled();
  expect(items(socket, 'subscribe')).toEqual([quote]);
  expect(items(socket, 'unsubscribe'), 'it would end the new one').toEqual([]);
  expect(told).toEqual([]);
});
