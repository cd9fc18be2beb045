// One WebSocket a tab. Whoever wants something says so; what two want is asked for once. The messages are in docs/streams.md.
import { signal } from '@preact/signals';
import { hub, ok, Problem } from '../api/client';
import type { Account } from '../api/types';
import { learnClock } from '../lib/time';
import { whoAmI } from '../lib/session';

/** How the link to the hub is: stale is open and silent. */
export type Phase = 'connecting' | 'live' | 'stale' | 'down';
export const phase = signal<Phase>('connecting');
/** When the hub was last heard of, by the browser's clock; 0: never. */
export const staleSince = signal(0);

/** What somebody wants to follow. */
export interface Wish {
  topic: string;
  terminal?: string;
  account?: Account;
  symbol?: string;
  timeframe?: string;
}
/** What the hub says of a topic. */
export interface Heard {
  type: 'snapshot' | 'event' | 'state';
  kind?: string;
  data: unknown;
  at: string;
  trouble?: { code: string; message: string } | null;
  terminal?: string;
}

interface Listener {
  wish: Wish;
  heard: (message: Heard) => void;
  anew?: () => void;
}
interface Message extends Heard {
  topic?: string;
  account?: Account;
  symbol?: string;
  timeframe?: string;
  cursor?: string;
  code?: string;
  message?: string;
  id?: unknown;
  refused?: unknown[];
}

/** Silence after which the hub is asked for a sign of life: its own come every 15 s. */
const ASK_MS = 5_000;
const SILENT_MS = 12_000;
/** Silence after which the link is given up: a machine that slept, or a router that forgot it. */
const DEAD_MS = 24_000;
const GRACE_MS = 2_000;
const HIDDEN_MS = 60_000;

const listeners = new Set<Listener>();
let socket: WebSocket | undefined;
let running = false;
let wait = 500;
let lost: ReturnType<typeof setTimeout> | undefined;
let next: ReturnType<typeof setTimeout> | undefined;
let watch: ReturnType<typeof setInterval> | undefined;
let hidden: ReturnType<typeof setTimeout> | undefined;
let requests = 0;
let opening = false;

const item = ({ topic, terminal, symbol, timeframe }: Wish) => ({
  topic,
  ...(terminal ? { terminal } : {}),
  ...(symbol ? { symbol } : {}),
  ...(timeframe ? { timeframe } : {}),
});
const name = (wish: Wish) => JSON.stringify(item(wish));
const wanted = () => [...new Map([...listeners].map(({ wish }) => [name(wish), item(wish)])).values()];
const isOpen = () => socket?.readyState === WebSocket.OPEN;

function send(message: object): void {
  if (isOpen()) socket!.send(JSON.stringify({ id: ++requests, ...message }));
}

/** Whether a message is about what was wished for: the hub names accounts, never the token that was asked by. */
function means(message: Message, wish: Wish): boolean {
  if (message.topic !== wish.topic) return false;
  if (wish.symbol && message.symbol !== wish.symbol) return false;
  if (wish.timeframe && message.timeframe !== wish.timeframe) return false;
  return (
    !wish.account ||
    !message.account ||
    (message.account.login === wish.account.login && message.account.server === wish.account.server)
  );
}

function take(text: string): void {
  staleSince.value = Date.now();
  if (phase.value === 'stale') phase.value = 'live';
  const message = JSON.parse(text) as Message;
  // A state says when its value was heard, which may be long ago.
  if (message.at && message.type !== 'state') learnClock(message.at);
  if (message.type !== 'snapshot' && message.type !== 'event' && message.type !== 'state') return;
  for (const listener of [...listeners]) {
    if (!means(message, listener.wish)) continue;
    // What one of them cannot do with it is not the others' affair.
    try {
      listener.heard(message);
    } catch (error) {
      console.error(error);
    }
  }
}

async function open(): Promise<void> {
  if (!running || opening || socket) return;
  opening = true;
  clearTimeout(next);
  try {
    const { ticket } = await ok(hub.POST('/api/v1/tickets'));
    if (!running) return;
    const made = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/stream`, [
      'mtbridge.json.v1',
      `mtbridge.ticket.${ticket}`,
    ]);
    socket = made;
    made.onopen = () => {
      wait = 500;
      clearTimeout(lost);
      lost = undefined;
      phase.value = 'live';
      staleSince.value = Date.now();
      if (listeners.size) send({ subscribe: wanted() });
      // What was missed while there was no link is read anew.
      for (const listener of [...listeners]) listener.anew?.();
    };
    made.onmessage = (event) => take(String(event.data));
    made.onclose = (event) => {
      if (socket !== made) return;
      socket = undefined;
      // The rights behind the stream have ended: who is signed in now?
      if (event.code === 4500) void whoAmI();
      again();
    };
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) again();
  } finally {
    opening = false;
  }
}

/** A blip or a reload shows no banner; after two seconds it is said. */
function again(): void {
  if (!running) return;
  lost ??= setTimeout(() => (phase.value = 'down'), GRACE_MS);
  clearTimeout(next);
  next = setTimeout(() => void open(), wait * (0.5 + Math.random() / 2));
  wait = Math.min(wait * 2, 15_000);
}

/** Tries now, and not when the pause is over. */
export function retry(): void {
  wait = 500;
  // Not waiting for the other side's goodbye, which may never come.
  if (phase.value === 'stale') drop();
  void open();
}

function drop(): void {
  const old = socket;
  socket = undefined;
  old?.close();
}

function look(): void {
  if (!isOpen()) return;
  const silent = Date.now() - staleSince.value;
  if (silent > SILENT_MS) phase.value = 'stale';
  if (silent > DEAD_MS) {
    drop();
    again();
  } else if (silent >= ASK_MS) send({ ping: true });
}

function onVisible(): void {
  clearTimeout(hidden);
  if (document.visibilityState === 'hidden') {
    // Nobody looks: the terminals need not send ticks for it.
    hidden = setTimeout(drop, HIDDEN_MS);
  } else if (running && !isOpen()) retry();
}

export function start(): void {
  if (running) return;
  running = true;
  addEventListener('online', retry);
  document.addEventListener('visibilitychange', onVisible);
  watch = setInterval(look, 1000);
  void open();
}

export function stop(): void {
  running = false;
  removeEventListener('online', retry);
  document.removeEventListener('visibilitychange', onVisible);
  clearInterval(watch);
  clearTimeout(next);
  clearTimeout(lost);
  clearTimeout(hidden);
  lost = undefined;
  drop();
  phase.value = 'connecting';
}

/** Follows something until the returned function is called; `anew` is called when the link is there again and something may have been missed. */
export function subscribe(wish: Wish, heard: (message: Heard) => void, anew?: () => void): () => void {
  const listener: Listener = { wish, heard, anew };
  listeners.add(listener);
  // Also when somebody else has it already: the answer brings its state, which the newcomer lacks.
  send({ subscribe: [item(wish)] });
  return () => {
    if (!listeners.delete(listener)) return;
    if (![...listeners].some((other) => name(other.wish) === name(wish))) send({ unsubscribe: [item(wish)] });
  };
}
