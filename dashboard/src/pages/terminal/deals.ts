import { hub, ok } from '../../api/client';
import type { Deal } from '../../api/types';

/** Why not all deals of a span were read: there are too many, or the terminal is still fetching them from its broker. */
export type Left = '' | 'many' | 'loading';

/** The deals from a moment on, or between two, oldest first. Where some are left out, it is the newest that are missing. */
export async function dealsOf(
  terminal: string,
  span: { from: number; to?: number; symbol?: string },
  most: number,
): Promise<{ deals: Deal[]; left: Left }> {
  const deals: Deal[] = [];
  let cursor: string | null = null;
  do {
    const query: object = { ...span, limit: 1000, ...(cursor ? { cursor } : {}) };
    const params = { path: { terminal }, query };
    const page = await ok(hub.GET('/api/v1/terminals/{terminal}/history/deals', { params }));
    deals.push(...page.data);
    if (page.loading) return { deals, left: 'loading' };
    cursor = page.next_cursor;
  } while (cursor && deals.length < most);
  return { deals, left: cursor ? 'many' : '' };
}

/** More marks than this are not read for one span of a chart. */
const MOST = 3000;
/** What is newer is asked for from a while before the newest that is known: a broker's clock may be set in between. */
const OVERLAP_MS = 2 * 3_600_000;

/** One's own deals of a symbol, as far back as its chart goes. */
export class Trades {
  /** Why the oldest are missing, or all. */
  left: Left = '';
  /** All from then on are known. */
  since = Infinity;
  #until = 0;
  readonly #known = new Map<number, Deal>();

  constructor(
    readonly terminal: string,
    readonly symbol: string,
  ) {}

  get deals(): Deal[] {
    return [...this.#known.values()];
  }

  /** Reads what is not known yet from `first`, where the chart begins, to now. */
  async read(first: number, now: number): Promise<void> {
    if (this.since === Infinity) await this.#span(first, now, true);
    else {
      await this.#span(Math.max(this.since, this.#until - OVERLAP_MS), now, true);
      if (first < this.since && this.left !== 'many') await this.#span(first, this.since, false);
    }
  }

  /** Reads one span, or as much of its newer end as is not too much. */
  async #span(from: number, to: number, open: boolean): Promise<void> {
    const span = { symbol: this.symbol, from, ...(open ? {} : { to }) };
    const { deals, left } = await dealsOf(this.terminal, span, MOST);
    this.left = left || (this.left === 'many' ? 'many' : '');
    if (left === 'loading') return;
    if (left === 'many' && to - from > 1000) {
      // What is known ends before what is read now: the two would not touch.
      if (open) this.since = Infinity;
      return this.#span(Math.ceil((from + to) / 2), to, open);
    }
    for (const deal of deals) {
      this.#known.set(deal.ticket, deal);
      this.#until = Math.max(this.#until, deal.time_msc ?? 0);
    }
    this.since = Math.min(this.since, from);
    this.#until = Math.max(this.#until, this.since);
  }
}
