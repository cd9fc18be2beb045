import { signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { get, sentence } from '../../api/client';
import type { List } from '../../api/types';
import { learnClock } from '../../lib/time';

export const PAGE = 100;

/** A list that is read page by page, newest first; what is new waits until it is asked for. */
export class Pages<T> {
  readonly rows = signal<T[] | undefined>(undefined);
  readonly more = signal(false);
  readonly busy = signal(false);
  readonly failure = signal('');
  /** What has come since the list was read. */
  readonly waiting = signal<ReadonlySet<string>>(new Set());
  /** Something may have come while there was no link. */
  readonly missed = signal(false);
  #cursor: string | null = null;
  #stop = new AbortController();

  constructor(
    readonly path: string,
    readonly rowsOf: (answer: unknown) => T[] = (answer) => (answer as List<T>).data,
  ) {}

  /** Reads the newest; the rows that are there stay until then. */
  load(): Promise<void> {
    return this.#read(null);
  }

  /** Reads what is older than the last row. */
  older(): Promise<void> {
    return this.#cursor && !this.busy.value ? this.#read(this.#cursor) : Promise.resolve();
  }

  async #read(cursor: string | null): Promise<void> {
    this.#stop.abort();
    const stop = new AbortController();
    this.#stop = stop;
    this.busy.value = true;
    try {
      let next = cursor;
      let found: T[] = [];
      // A page may be short, or empty, and there still be more: a filter that lets little through.
      do {
        const list: List<T> = await get<List<T>>(
          withParams(this.path, { limit: String(PAGE), ...(next ? { cursor: next } : {}) }),
          stop.signal,
        );
        if (list.as_of) learnClock(list.as_of);
        found = [...found, ...this.rowsOf(list)];
        next = list.next_cursor ?? null;
      } while (next && found.length === 0 && !stop.signal.aborted);
      if (stop.signal.aborted) return;
      this.rows.value = cursor ? [...(this.rows.value ?? []), ...found] : found;
      this.#cursor = next;
      this.more.value = next !== null;
      this.failure.value = '';
      if (!cursor) {
        this.waiting.value = new Set();
        this.missed.value = false;
      }
    } catch (error) {
      if (!stop.signal.aborted) this.failure.value = sentence(error);
    } finally {
      if (this.#stop === stop) this.busy.value = false;
    }
  }

  /** One more waits, unless it is counted already. */
  wait(id: string): void {
    if (this.rows.value && !this.waiting.value.has(id)) this.waiting.value = new Set(this.waiting.value).add(id);
  }

  close(): void {
    this.#stop.abort();
  }
}

/** The same address with parameters of a page; one record has none. */
export function withParams(path: string, params: Record<string, string>): string {
  return path.includes('?') ? `${path}&${new URLSearchParams(params)}` : path;
}

/** The pages of an address, read when it is first shown. */
export function usePages<T>(path: string, rowsOf?: (answer: unknown) => T[]): Pages<T> {
  const pages = useMemo(() => new Pages<T>(path, rowsOf), [path]);
  useEffect(() => {
    void pages.load();
    return () => pages.close();
  }, [pages]);
  return pages;
}
