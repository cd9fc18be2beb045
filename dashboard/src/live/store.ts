// What the pages share: lists of the hub, kept true by its events.
import { signal } from '@preact/signals';
import { hub, ok, sentence } from '../api/client';
import type { KillSwitch, Terminal, Token } from '../api/types';
import { may } from '../lib/session';
import { learnClock } from '../lib/time';
import { subscribe } from './socket';

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
  try {
    if (may('admin')) {
      const list = await ok(hub.GET('/api/v1/tokens'));
      learnClock(list.as_of);
      tokens.value = list.data;
    } else {
      // A viewer sees terminals, and not what opens them.
      await loadTerminals();
      tokens.value = [...terminals.value.values()].map(asToken);
    }
    tokensFailed.value = '';
  } catch (error) {
    tokensFailed.value = sentence(error);
  }
});

export const loadTerminals = coalesced(async () => {
  try {
    const list = await ok(hub.GET('/api/v1/terminals'));
    terminals.value = new Map(list.data.map((row) => [row.id, row]));
  } catch {
    // The banner says what is wrong with the link; rows that were read stay.
  }
  terminalsLoaded.value = true;
});

export const loadSwitches = coalesced(async () => {
  try {
    switches.value = (await ok(hub.GET('/api/v1/kill-switch'))).data;
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
    last_disconnect: null,
    rtt_ms: row.presence?.socket.rtt_ms ?? null,
    successor: null,
    warning: null,
  };
}

/** A terminal as the stream tells it; one without a row is gone from sight. */
export function takeTerminal(row: Terminal): void {
  terminals.value = new Map(terminals.value).set(row.id, row);
  const list = tokens.value;
  const at = list?.findIndex((token) => token.id === row.id) ?? -1;
  if (!list || at < 0) return;
  const token = list[at]!;
  const next = {
    ...token,
    state: row.state,
    account: row.account,
    last_seen_at: row.last_seen_at,
    rtt_ms: row.presence?.socket.rtt_ms ?? null,
  };
  tokens.value = [...list.slice(0, at), next, ...list.slice(at + 1)];
}

/** Keeps the lists true while somebody is signed in: what the stream tells is taken, and after a gap all is read anew. */
export function follow(): () => void {
  void loadTokens();
  void loadTerminals();
  void loadSwitches();
  const ends = [
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
