// What the pages share: lists of the hub, kept true by its events.
import { batch, signal } from '@preact/signals';
import { hub, ok, sentence } from '../api/client';
import type { KillSwitch, Terminal, Token } from '../api/types';
import { may, person } from '../lib/session';
import { learnClock } from '../lib/time';
import { subscribe } from './socket';
import { followTitle } from './title';

/** Every token of the tenant; undefined until they were read. */
export const tokens = signal<Token[] | undefined>(undefined);
export const tokensFailed = signal('');
/** Terminals by the id of their token. */
export const terminals = signal<Map<string, Terminal>>(new Map());
export const terminalsLoaded = signal(false);
/** Kill switches that are on. */
export const switches = signal<KillSwitch[]>([]);

/**
 * Calls `load` once however often it is asked for while it runs, and once more if it was asked for meanwhile: a load that began before cannot
 * know what has happened since. Whoever asks waits for a load that began after they did.
 */
export function coalesced(load: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  return function run(): Promise<void> {
    if (!running) {
      running = load().finally(() => (running = undefined));
      return running;
    }
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return run();
      });
    return next;
  };
}

export const loadTokens = coalesced(async () => {
  const who = person.peek();
  try {
    if (may('admin')) {
      const list = await ok(hub.GET('/api/v1/tokens'));
      if (person.peek() !== who) return;
      learnClock(list.as_of);
      flushTerminals();
      tokens.value = kept(tokens.value, list.data);
    } else {
      // A viewer sees terminals, and not what opens them.
      await loadTerminals();
      if (person.peek() !== who) return;
      tokens.value = [...terminals.value.values()].map(asToken);
    }
    tokensFailed.value = '';
  } catch (error) {
    if (person.peek() === who) tokensFailed.value = sentence(error);
  }
});

/** What was read anew, with the old object of each row that is the same. */
function kept(before: Token[] | undefined, after: Token[]): Token[] {
  const old = new Map(before?.map((token) => [token.id, token]));
  return after.map((token) => {
    const was = old.get(token.id);
    return was && JSON.stringify(was) === JSON.stringify(token) ? was : token;
  });
}

/** One token read anew: what no stream tells, like a refusal. */
export async function loadToken(id: string): Promise<void> {
  const row = await ok(hub.GET('/api/v1/tokens/{id}', { params: { path: { id } } }));
  if (tokens.value) tokens.value = kept(tokens.value, [...tokens.value.filter((token) => token.id !== id), row]);
}

/** One terminal read anew: what is too small to be told by the stream, like its round trip. */
export async function loadTerminal(id: string): Promise<void> {
  takeTerminal(await ok(hub.GET('/api/v1/terminals/{terminal}', { params: { path: { terminal: id } } })));
}

export const loadTerminals = coalesced(async () => {
  const who = person.peek();
  try {
    const list = await ok(hub.GET('/api/v1/terminals'));
    if (person.peek() !== who) return;
    terminals.value = new Map(list.data.map((row) => [row.id, row]));
  } catch {
    // The banner says what is wrong with the link; rows that were read stay.
  }
  if (person.peek() === who) terminalsLoaded.value = true;
});

export const loadSwitches = coalesced(async () => {
  const who = person.peek();
  try {
    const { data } = await ok(hub.GET('/api/v1/kill-switch'));
    if (person.peek() === who) switches.value = data;
  } catch {
    // As above.
  }
});

/** What is known of a token by its terminal. */
function asToken(row: Terminal): Token {
  return {
    id: row.id,
    name: row.name,
    prefix: '',
    state: row.state,
    account: row.account,
    created_at: '',
    expires_at: null,
    revoked_at: null,
    locked_at: null,
    connected_at: row.session?.connected_at ?? null,
    last_seen_at: row.last_seen_at,
    last_disconnect: row.last_disconnect,
    last_refusal: null,
    rtt_ms: row.presence?.socket.rtt_ms ?? null,
    successor: null,
    warning: null,
  };
}

/** How long what the stream tells of terminals is gathered: 500 of them tell something every two seconds. */
const GATHER_MS = 50;
let gathered = new Map<string, Terminal>();
let due: ReturnType<typeof setTimeout> | undefined;

/** A terminal as the stream tells it. Pages see it a moment later, together with what came meanwhile. */
export function takeTerminal(row: Terminal): void {
  gathered.set(row.id, row);
  due ??= setTimeout(flushTerminals, GATHER_MS);
}

/** Shows what was gathered. Rows of which nothing was told stay the very same objects, so that only what changed is drawn. */
export function flushTerminals(): void {
  clearTimeout(due);
  due = undefined;
  if (gathered.size === 0) return;
  const rows = gathered;
  gathered = new Map();
  const all = new Map(terminals.value);
  for (const [id, row] of rows) {
    all.set(id, row);
    remember(id, row.presence?.socket.rtt_ms);
  }
  batch(() => {
    terminals.value = all;
    tokens.value = tokens.value?.map((token) => {
      const row = rows.get(token.id);
      return row ? told(token, row) : token;
    });
  });
}

const told = (token: Token, row: Terminal): Token => ({
  ...token,
  state: row.state,
  account: row.account,
  connected_at: row.session?.connected_at ?? null,
  last_seen_at: row.last_seen_at,
  last_disconnect: row.last_disconnect,
  rtt_ms: row.presence?.socket.rtt_ms ?? null,
});

/** The terminals to choose from: their ids, and whose each is. */
export const terminalOptions = (): [string, string][] =>
  [...terminals.value.values()].map((row) => [row.id, `${row.account.login} · ${row.name || row.account.server}`]);

/** Round trips of each terminal that were told while the page is open, oldest first. */
const trips = new Map<string, number[]>();
const TRIPS_MAX = 120;

function remember(id: string, rtt: number | null | undefined): void {
  if (rtt == null) return;
  const kept = trips.get(id) ?? [];
  // The hub tells a terminal also when something else of it changed.
  if (kept.at(-1) === rtt) return;
  kept.push(rtt);
  if (kept.length > TRIPS_MAX) kept.shift();
  trips.set(id, kept);
}

export const tripsOf = (id: string): readonly number[] => trips.get(id) ?? [];

// What one person saw is not shown to the next, whose own lists may fail.
person.subscribe(() =>
  batch(() => {
    clearTimeout(due);
    due = undefined;
    gathered = new Map();
    trips.clear();
    tokens.value = undefined;
    tokensFailed.value = '';
    terminals.value = new Map();
    terminalsLoaded.value = false;
    switches.value = [];
  }),
);

/** Keeps the lists true while somebody is signed in: what the stream tells is taken, and after a gap all is read anew. */
export function follow(): () => void {
  void loadTokens();
  void loadTerminals();
  void loadSwitches();
  const ends = [
    followTitle(() => tokens.value ?? []),
    subscribe(
      { topic: 'terminals' },
      ({ data, terminal }) => {
        if (data) takeTerminal({ ...(data as Terminal), id: terminal ?? (data as Terminal).id });
        else void loadTerminals();
        // A token that nobody had used has an account now, or one that had is free again.
        if (tokens.value && !tokens.value.some((token) => token.id === terminal)) void loadTokens();
      },
      () => {
        void loadTokens();
        void loadTerminals();
        void loadSwitches();
      },
    ),
    subscribe({ topic: 'kill_switches' }, ({ type }) => {
      if (type === 'event') void loadSwitches();
    }),
  ];
  if (may('admin'))
    ends.push(
      subscribe({ topic: 'tokens' }, ({ type }) => {
        if (type === 'event') void loadTokens();
      }),
    );
  return () => {
    for (const end of ends) end();
  };
}
