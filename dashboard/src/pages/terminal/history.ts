import { hub, ok } from '../../api/client';
import type { Bar } from '../../charts/price';

/** Bars of one answer. */
const PAGE = 500;

/** The hub's answer, whose times it knows. */
interface Page {
  data: Bar[];
  loading: boolean;
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
  /** Nothing is before the first bar. */
  #whole = false;
  #busy = false;

  constructor(
    readonly terminal: string,
    readonly symbol: string,
    readonly timeframe: string,
  ) {}

  /** Reads the newest bars; false when another read is on its way. */
  async newest(): Promise<boolean> {
    const page = await this.#read({});
    if (!page) return false;
    const { bars, kept } = joined(this.bars, page.data);
    if (!kept) this.#whole = false;
    this.bars = bars;
    return true;
  }

  /** Reads those before; false when there are none, or another read is on its way. */
  async older(): Promise<boolean> {
    const first = this.bars[0]?.time_msc;
    if (this.#whole || first === undefined) return false;
    const page = await this.#read({ to: String(first) });
    if (!page) return false;
    const before = page.data.filter((bar) => bar.time_msc < first);
    this.#whole = before.length === 0 && !page.loading;
    // Meanwhile newer ones may have come, and others may have been read.
    if (this.bars[0]?.time_msc === first) this.bars = [...before, ...this.bars];
    return before.length > 0;
  }

  async #read(span: { to?: string }): Promise<Page | undefined> {
    if (this.#busy) return undefined;
    this.#busy = true;
    try {
      const query = { timeframe: this.timeframe, limit: PAGE, ...span };
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
