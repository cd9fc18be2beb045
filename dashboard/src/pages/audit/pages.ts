import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { get, sentence } from '../../api/client';
import type { List } from '../../api/types';
import { type Heard, subscribe } from '../../live/socket';
import { learnClock } from '../../lib/time';

export const PAGE = 100;
/** New rows are looked for once in so long, however many are told of. */
const LOOK_MS = 1000;

/** How a list is read from the hub's answers. */
export interface How<T> {
  /** What tells one row from another. */
  idOf: (row: T) => string;
  rowsOf?: (answer: unknown) => T[];
  /** Whether rows may come in above what is shown: nobody reads further down, and nothing would move under a hand. */
  resting?: () => boolean;
}

/** A list that is read page by page, newest first; what is new comes in above it, or waits until it is asked for. */
export class Pages<T> {
  readonly rows = signal<T[] | undefined>(undefined);
  /** Whether the rows are of this address, and not yet of the one before. */
  readonly settled = signal(false);
  readonly more = signal(false);
  readonly busy = signal(false);
  /** Why the newest, or the older ones, could not be read. */
  readonly failure = signal('');
  readonly failedOlder = signal('');
  /** What has come since the list was read. */
  readonly waiting = signal<ReadonlySet<string>>(new Set());
  /** Something may have come, and could not be looked for. */
  readonly missed = signal(false);
  #cursor: string | null = null;
  #stop = new AbortController();
  #look: ReturnType<typeof setTimeout> | undefined;
  #looked = 0;
  #closed = false;

  constructor(
    readonly path: string,
    readonly how: How<T>,
    before?: T[],
  ) {
    this.rows.value = before;
  }

  /** Reads the newest; the rows that are there stay until then. */
  load(): Promise<void> {
    return this.#read(null);
  }

  /** Reads what is older than the last row. */
  older(): Promise<void> {
    return this.#cursor && !this.busy.value ? this.#read(this.#cursor) : Promise.resolve();
  }

  /** One page, or none where a filter let nothing through: it goes on until there is one, or the end. */
  async #page(cursor: string | null, stop: AbortSignal): Promise<{ found: T[]; next: string | null }> {
    const rowsOf = this.how.rowsOf ?? ((answer: unknown) => (answer as List<T>).data);
    let next = cursor;
    let found: T[] = [];
    do {
      const list: List<T> = await get<List<T>>(
        withParams(this.path, { limit: String(PAGE), ...(next ? { cursor: next } : {}) }),
        stop,
      );
      if (list.as_of) learnClock(list.as_of);
      found = [...found, ...rowsOf(list)];
      next = list.next_cursor ?? null;
    } while (next && found.length === 0 && !stop.aborted);
    return { found, next };
  }

  async #read(cursor: string | null): Promise<void> {
    this.#stop.abort();
    const stop = new AbortController();
    this.#stop = stop;
    this.busy.value = true;
    try {
      const { found, next } = await this.#page(cursor, stop.signal);
      if (stop.signal.aborted) return;
      this.rows.value = cursor ? [...(this.rows.value ?? []), ...found] : found;
      this.settled.value = true;
      this.#cursor = next;
      this.more.value = next !== null;
      this.failure.value = this.failedOlder.value = '';
      if (!cursor) this.#caughtUp();
    } catch (error) {
      if (!stop.signal.aborted) (cursor ? this.failedOlder : this.failure).value = sentence(error);
    } finally {
      if (this.#stop === stop) this.busy.value = false;
    }
  }

  #caughtUp(): void {
    this.waiting.value = new Set();
    this.missed.value = false;
  }

  /** A row was told of: one that is shown is put in its place, another that would be shown is new. */
  take(row: T, wanted: boolean): void {
    const rows = this.rows.value;
    if (!rows || !this.settled.value) return;
    const at = rows.findIndex((one) => this.how.idOf(one) === this.how.idOf(row));
    if (at >= 0) this.rows.value = [...rows.slice(0, at), { ...rows[at]!, ...row }, ...rows.slice(at + 1)];
    else if (!wanted) return;
    else if (this.how.resting?.()) this.look();
    else this.wait(this.how.idOf(row));
  }

  /** One more waits, unless it is counted already. */
  wait(id: string): void {
    if (this.rows.value && !this.waiting.value.has(id)) this.waiting.value = new Set(this.waiting.value).add(id);
  }

  /** Looks for what is new, soon: it comes in above, or is counted. */
  look(): void {
    if (this.#closed || !this.settled.value || !this.path.includes('?')) return;
    this.#look ??= setTimeout(() => void this.#fresh(), Math.max(0, this.#looked + LOOK_MS - Date.now()));
  }

  async #fresh(): Promise<void> {
    this.#looked = Date.now();
    const stop = this.#stop.signal;
    try {
      const { found, next } = await this.#page(null, stop);
      if (stop.aborted) return;
      const rows = this.rows.value ?? [];
      const known = new Set(rows.map(this.how.idOf));
      const fresh = found.filter((row) => !known.has(this.how.idOf(row)));
      if (!this.how.resting?.()) {
        for (const row of fresh) this.wait(this.how.idOf(row));
        this.missed.value = false;
      } else if (fresh.length < found.length || rows.length === 0) {
        const told = new Map(found.map((row) => [this.how.idOf(row), row]));
        this.rows.value = [...fresh, ...rows.map((row) => told.get(this.how.idOf(row)) ?? row)];
        // What a first page was missing is behind it now.
        if (rows.length === 0) {
          this.#cursor = next;
          this.more.value = next !== null;
        }
        this.#caughtUp();
      }
      // All of them are new: there may be a gap below.
      else void this.load();
    } catch {
      if (!stop.aborted) this.missed.value = true;
    } finally {
      this.#look = undefined;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#look);
    this.#stop.abort();
  }
}

/** The same address with parameters of a page; one record has none. */
export function withParams(path: string, params: Record<string, string>): string {
  return path.includes('?') ? `${path}&${new URLSearchParams(params)}` : path;
}

/** The pages of an address; until they were read the rows of the address before stay. */
export function usePages<T>(path: string, how: How<T>): Pages<T> {
  const before = useRef<Pages<T> | undefined>(undefined);
  const pages = useMemo(() => new Pages<T>(path, how, before.current?.rows.peek()), [path]);
  useEffect(() => {
    before.current = pages;
    void pages.load();
    return () => pages.close();
  }, [pages]);
  return pages;
}

/** Has a list hear of a topic; after a lost link it looks itself for what is new. */
export function useTold<T>(pages: Pages<T>, topic: string, heard: (message: Heard) => void): void {
  useEffect(() => subscribe({ topic }, heard, () => pages.look()), [pages]);
}
