import { hub, ok } from '../../api/client';
import type { Bar } from '../../charts/price';

/** Bars of one answer. */
const PAGE = 500;

/** The hub's answer, whose times it knows. */
interface Page {
  data: Bar[];
  next_cursor: string | null;
  loading: boolean;
  no_more_history: boolean;
  source: string;
}

/** What came newest joins what is known: none is lost that was scrolled to, and where the two do not touch, only the new ones stay. */
export function joined(known: Bar[], newest: Bar[]): { bars: Bar[]; kept: boolean } {
  const first = newest[0]?.time_msc;
  const last = known.at(-1)?.time_msc;
  if (first === undefined) return { bars: known, kept: true };
  if (last === undefined || last < first) return { bars: newest, kept: false };
  return { bars: [...known.filter((bar) => bar.time_msc < first), ...newest], kept: true };
}

/** The bars of one symbol and timeframe, as far back as somebody has looked. */
export class History {
  bars: Bar[] = [];
  /** The hub answered from its own memory. */
  remembered = false;
  /** The terminal is still fetching older bars from its broker. */
  loading = false;
  #cursor: string | null = null;
  #busy = false;

  constructor(
    readonly terminal: string,
    readonly symbol: string,
    readonly timeframe: string,
  ) {}

  /** Reads the newest bars; false when another read is on its way. */
  async newest(): Promise<boolean> {
    const page = await this.#read({ timeframe: this.timeframe, limit: PAGE });
    if (!page) return false;
    const { bars, kept } = joined(this.bars, page.data);
    if (!kept || this.bars.length === 0) this.#cursor = page.no_more_history ? null : page.next_cursor;
    this.bars = bars;
    return true;
  }

  /** Reads those before; false when there are none, or another read is on its way. */
  async older(): Promise<boolean> {
    if (!this.#cursor) return false;
    const page = await this.#read({ cursor: this.#cursor });
    if (!page) return false;
    this.#cursor = page.no_more_history ? null : page.next_cursor;
    const first = this.bars[0]?.time_msc ?? Infinity;
    this.bars = [...page.data.filter((bar) => bar.time_msc < first), ...this.bars];
    return page.data.length > 0;
  }

  async #read(query: { cursor: string } | { timeframe: string; limit: number }): Promise<Page | undefined> {
    if (this.#busy) return undefined;
    this.#busy = true;
    try {
      const path = { terminal: this.terminal, symbol: this.symbol };
      const page = (await ok(hub.GET('/api/v1/terminals/{terminal}/bars/{symbol}', { params: { path, query } }))) as Page;
      this.remembered = page.source === 'cache';
      this.loading = page.loading;
      return page;
    } finally {
      this.#busy = false;
    }
  }
}
