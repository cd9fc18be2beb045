// What the pages share: lists of the hub, kept true by its events.
import { signal } from '@preact/signals';
import { get, sentence } from '../api/client';
import type { KillSwitch, List, Terminal, Token } from '../api/types';
import { learnClock } from '../lib/time';

/** Every token of the tenant; undefined until they were read. */
export const tokens = signal<Token[] | undefined>(undefined);
export const tokensFailed = signal('');
/** Terminals by the id of their token. */
export const terminals = signal<Map<string, Terminal>>(new Map());
export const terminalsLoaded = signal(false);
/** Kill switches that are on. */
export const switches = signal<KillSwitch[]>([]);

/** Calls `load` once however often it is asked for while it runs, and once more if it was asked for meanwhile. */
export function coalesced(load: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let again = false;
  return async function run(): Promise<void> {
    if (running) {
      again = true;
      return running;
    }
    running = load();
    try {
      await running;
    } finally {
      running = undefined;
    }
    if (again) {
      again = false;
      return run();
    }
  };
}

export const loadTokens = coalesced(async () => {
  try {
    const list = await get<List<Token>>('/api/v1/tokens');
    learnClock(list.as_of);
    tokens.value = list.data;
    tokensFailed.value = '';
  } catch (error) {
    tokensFailed.value = sentence(error);
  }
});

export const loadTerminals = coalesced(async () => {
  try {
    const list = await get<List<Terminal>>('/api/v1/terminals');
    terminals.value = new Map(list.data.map((row) => [row.id, row]));
  } catch {
    // The banner says what is wrong with the link; rows that were read stay.
  }
  terminalsLoaded.value = true;
});

export const loadSwitches = coalesced(async () => {
  try {
    switches.value = (await get<List<KillSwitch>>('/api/v1/kill-switch')).data;
  } catch {
    // As above.
  }
});

/** A terminal as an event tells it. */
export function takeTerminal(row: Terminal): void {
  terminals.value = new Map(terminals.value).set(row.id, row);
  const list = tokens.value;
  const at = list?.findIndex((token) => token.id === row.id) ?? -1;
  if (!list || at < 0) return;
  const token = list[at]!;
  const next = { ...token, state: row.state, account: row.account, last_seen_at: row.last_seen_at, rtt_ms: row.state === 'connected' ? row.presence.socket.rtt_ms : null };
  tokens.value = [...list.slice(0, at), next, ...list.slice(at + 1)];
}
