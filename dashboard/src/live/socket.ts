// One WebSocket a tab. Whoever wants something says so; what two want is asked for once. The messages are in docs/streams.md.
import { signal } from '@preact/signals';
import { hub, ok, Problem } from '../api/client';
import type { Account } from '../api/types';
import { learnClock, now } from '../lib/time';
import { whoAmI } from '../lib/session';

/** How the link to the hub is: stale is open and silent. */
export type Phase = 'connecting' | 'live' | 'stale' | 'down';
export const phase = signal<Phase>('connecting');
/** When the hub was last heard of, by the browser's clock; 0: never. */
export const staleSince = signal(0);
/** The figures of terminals are not followed: the tab is hidden, or was until just now. What is shown of them is old. */
export const paused = signal(false);

/** What somebody wants to follow. */
export interface Wish {
  topic: string;
  terminal?: string;
  account?: Account;
  symbol?: string;
  timeframe?: string;
}
/** What the hub says of a topic; what it refuses is a state without data, and its `trouble` says why. */
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
  /** The newest of a state. */
  last?: Message;
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
  refused?: { item: Wish; code: string; message: string }[];
  subscribed?: unknown[];
  retry_after?: number;
}

/** Silence after which the hub is asked for a sign of life: its own come every 15 s. */
const ASK_MS = 5_000;
const SILENT_MS = 12_000;
/** Silence after which the link is given up: a machine that slept, or a router that forgot it. */
const DEAD_MS = 24_000;
const GRACE_MS = 2_000;
const HIDDEN_MS = 60_000;
/** The longest pause before what a rate had no room for is asked for again. */
const AGAIN_MS = 3_600_000;
/** How long a ticket and a handshake may take together. */
const OPEN_MS = 10_000;
/** What a terminal sends something for, with each tick. */
const HEAVY = new Set(['quotes', 'bars', 'depth', 'account', 'positions', 'orders']);

const listeners = new Set<Listener>();
let socket: WebSocket | undefined;
let running = false;
let wait = 500;
let lost: ReturnType<typeof setTimeout> | undefined;
let next: ReturnType<typeof setTimeout> | undefined;
let watch: ReturnType<typeof setInterval> | undefined;
let hidden: ReturnType<typeof setTimeout> | undefined;
let requests = 0;
let opening: AbortController | undefined;
/** Whether nobody looks, so that what is heavy is not asked for. */
let away = false;
/** How what was asked for over this link stands, by its key: followed, waiting for room in the rate, or the number of the question. */
const standing = new Map<string, number>();
const FOLLOWED = 0;
const WAITS = -1;
let later: ReturnType<typeof setTimeout> | undefined;
let due = 0;

const item = ({ topic, terminal, symbol, timeframe }: Wish) => ({
  topic,
  ...(terminal ? { terminal } : {}),
  ...(symbol ? { symbol } : {}),
  ...(timeframe ? { timeframe } : {}),
});
const name = (wish: Wish) => JSON.stringify(item(wish));
/** A terminal that was given another account is followed anew. */
const key = (wish: Wish) => name(wish) + JSON.stringify(wish.account);
const heavy = ({ topic }: Wish) => HEAVY.has(topic);
const wishes = (which: (wish: Wish) => boolean) => [
  ...new Map([...listeners].filter(({ wish }) => which(wish)).map(({ wish }) => [name(wish), item(wish)])).values(),
];
const keys = (which: (wish: Wish) => boolean) =>
  new Set([...listeners].filter(({ wish }) => which(wish)).map(({ wish }) => key(wish)));
const isOpen = () => socket?.readyState === WebSocket.OPEN;

function send(message: object): void {
  if (isOpen()) socket!.send(JSON.stringify({ id: ++requests, ...message }));
}

/** Asks for what was not asked for yet: of what is followed already the hub tells nothing anew, and may refuse to hear it again. */
function ask(which: (wish: Wish) => boolean): void {
  const fresh = (wish: Wish) => which(wish) && !(away && heavy(wish)) && !standing.has(key(wish));
  const items = wishes(fresh);
  if (!isOpen() || !items.length) return;
  send({ subscribe: items });
  for (const one of keys(fresh)) standing.set(one, requests);
}

function askAgain(): void {
  later = undefined;
  const waiting = keys((wish) => standing.get(key(wish)) === WAITS);
  for (const one of waiting) standing.delete(one);
  ask((wish) => waiting.has(key(wish)));
}

/** What is shown is true again when everything that is wanted is followed. */
function settle(): void {
  if (!away && ![...standing.values()].some((how) => how !== FOLLOWED)) paused.value = false;
}

/** What was missed meanwhile is read anew. */
function begin(which: (wish: Wish) => boolean): void {
  ask(which);
  settle();
  for (const { wish, anew } of [...listeners]) if (which(wish) && !(away && heavy(wish))) anew?.();
}

/** Tells whoever wants to know. What one of them cannot do with it is not the others' affair. */
function tell(message: Message, which: (wish: Wish) => boolean): void {
  for (const listener of [...listeners]) {
    if (!which(listener.wish)) continue;
    if (message.type === 'state') listener.last = message;
    try {
      listener.heard(message);
    } catch (error) {
      console.error(error);
    }
  }
}

/** What is not followed is asked for again by whoever wants it next, or when the rate has room. */
function refuse({ code = '', message = '', retry_after }: Partial<Message>, which: (wish: Wish) => boolean): void {
  const refused = keys(which);
  for (const one of refused) {
    if (retry_after === undefined) standing.delete(one);
    else standing.set(one, WAITS);
  }
  // One question for all that waits, so that none uses up the room of the others.
  if (retry_after !== undefined) {
    const time = Math.min(Math.max(retry_after, 1) * 1000, AGAIN_MS);
    if (later === undefined || Date.now() + time < due) {
      clearTimeout(later);
      later = setTimeout(askAgain, time);
      due = Date.now() + time;
    }
  }
  const at = new Date(now.peek()).toISOString();
  tell({ type: 'state', data: null, at, trouble: { code, message } }, (wish) => refused.has(key(wish)));
}

/** The hub's answer to a question, whether it says yes or no. What was let go meanwhile is nobody's any more. */
function answered(message: Message): void {
  const own = (wish: Wish) => standing.has(key(wish)) && standing.get(key(wish)) === message.id;
  if (message.code) refuse(message, own);
  for (const one of message.refused ?? []) refuse(one, (wish) => own(wish) && name(wish) === name(one.item));
  for (const one of keys(own)) standing.set(one, FOLLOWED);
  settle();
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
  const type: string = message.type;
  if (type === 'answer' || type === 'error') answered(message);
  else if (type === 'unsubscribed') refuse(message, (wish) => means(message, wish));
  else if (type === 'snapshot' || type === 'event' || type === 'state') tell(message, (wish) => means(message, wish));
}

async function open(): Promise<void> {
  if (!running || opening || socket) return;
  const mine = new AbortController();
  opening = mine;
  clearTimeout(next);
  // After sleep, or in another network, what was sent may never be answered.
  setTimeout(() => {
    if (opening !== mine) return;
    drop();
    again();
  }, OPEN_MS);
  try {
    const { ticket } = await ok(hub.POST('/api/v1/tickets', { signal: mine.signal }));
    if (opening !== mine) return;
    const made = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/stream`, [
      'mtbridge.json.v1',
      `mtbridge.ticket.${ticket}`,
    ]);
    socket = made;
    made.onopen = () => {
      opening = undefined;
      wait = 500;
      clearTimeout(lost);
      lost = undefined;
      phase.value = 'live';
      staleSince.value = Date.now();
      begin(() => true);
    };
    made.onmessage = (event) => socket === made && take(String(event.data));
    made.onclose = (event) => {
      if (socket !== made) return;
      drop();
      // The rights behind the stream have ended: who is signed in now?
      if (event.code === 4500) void whoAmI();
      again();
    };
  } catch (error) {
    if (opening !== mine) return;
    opening = undefined;
    if (!(error instanceof Problem && error.status === 401)) again();
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
  if (phase.value === 'stale' || !isOpen()) drop();
  void open();
}

function drop(): void {
  const old = socket;
  socket = undefined;
  opening?.abort();
  opening = undefined;
  clearTimeout(later);
  later = undefined;
  standing.clear();
  forget(() => true);
  old?.close();
}

function forget(which: (wish: Wish) => boolean): void {
  for (const listener of listeners) if (which(listener.wish)) listener.last = undefined;
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
  if (document.visibilityState === 'hidden') hidden = setTimeout(leave, HIDDEN_MS);
  else {
    const was = away;
    away = false;
    if (!isOpen()) retry();
    else if (was) begin(heavy);
  }
}

/** Nobody looks: the terminals need not send ticks for it. The rest stays, for the title of the tab. */
function leave(): void {
  const items = wishes(heavy);
  away = true;
  paused.value = true;
  forget(heavy);
  for (const one of keys(heavy)) standing.delete(one);
  if (items.length) send({ unsubscribe: items });
}

export function start(): void {
  if (running) return;
  running = true;
  addEventListener('online', retry);
  document.addEventListener('visibilitychange', onVisible);
  watch = setInterval(look, 1000);
  if (document.visibilityState === 'hidden') onVisible();
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
  away = false;
  paused.value = false;
  phase.value = 'connecting';
}

/** Follows something until the returned function is called; `anew` is called when the link is there again and something may have been missed. */
export function subscribe(wish: Wish, heard: (message: Heard) => void, anew?: () => void): () => void {
  const alike = (of: (wish: Wish) => string) => [...listeners].find((other) => of(other.wish) === of(wish));
  // What is asked for already is not told again by the hub before it changes.
  const last = standing.has(key(wish)) ? alike(key)?.last : undefined;
  const listener: Listener = { wish, heard, anew, last };
  listeners.add(listener);
  ask((one) => key(one) === key(wish));
  if (last) queueMicrotask(() => listeners.has(listener) && heard(last));
  return () => {
    if (!listeners.delete(listener) || alike(key)) return;
    standing.delete(key(wish));
    if (!alike(name) && !(away && heavy(wish))) send({ unsubscribe: [item(wish)] });
  };
}
