import { signal, type Signal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { Account, AccountFigures, Order, Position, Quote } from '../../api/types';
import type { CurvePoint } from '../../charts/curve';
import { phase, subscribe } from '../../live/socket';
import { now, skew } from '../../lib/time';

/** What is known of one terminal, and since when by the hub's clock; a part that could not be read says why. */
export interface Known<T> {
  value: T;
  at: number;
  /** Why there is nothing newer, if there is not. */
  trouble?: string;
}
/** A price, and when it was heard of by the hub's clock. */
export interface Tick {
  value: Quote;
  at: number;
  /** Whether the bid rose with it, fell, or neither. */
  moved: -1 | 0 | 1;
}

/** Samples of the equity that are kept: an hour of seconds. */
const SAMPLES = 3600;
const WEEK_MS = 7 * 86_400_000;
const hubNow = () => Date.now() + skew.value;

/** The live figures of one terminal: what its subscriptions bring, each the newest only. */
export class Feed {
  readonly account: Signal<Known<AccountFigures> | undefined> = signal(undefined);
  readonly positions: Signal<Known<Position[]> | undefined> = signal(undefined);
  readonly orders: Signal<Known<Order[]> | undefined> = signal(undefined);
  readonly failure = signal('');
  /** The equity of each second since the page was opened, in stretches: what was not seen is a gap between two of them. */
  readonly equity: Signal<CurvePoint[][]> = signal([]);
  readonly #ends: (() => void)[];

  constructor(
    readonly terminal: string,
    readonly of: Account,
  ) {
    const part = <T>(topic: string, into: Signal<Known<T> | undefined>) =>
      subscribe({ topic, terminal, account: of }, (message) => {
        // Events of the topic come here too; only a state is the whole of it. Without data it says why, and what is known stays.
        if (message.type !== 'state') return;
        const trouble = message.trouble?.message;
        if (message.data !== null) into.value = { value: message.data as T, at: hubNow(), trouble };
        else if (into.value) into.value = { ...into.value, trouble };
      });
    this.#ends = [
      part('account', this.account),
      part<Position[]>('positions', this.positions),
      part<Order[]>('orders', this.orders),
      now.subscribe(() => this.#sample()),
    ];
  }

  /** Reads all of it now: at the start, and after something was done. */
  async read(): Promise<void> {
    const params = { path: { terminal: this.terminal } };
    const at = hubNow();
    try {
      const [account, positions, orders] = await Promise.all([
        ok(hub.GET('/api/v1/terminals/{terminal}/account', { params })),
        ok(hub.GET('/api/v1/terminals/{terminal}/positions', { params })),
        ok(hub.GET('/api/v1/terminals/{terminal}/orders', { params })),
      ]);
      this.account.value = { value: account, at };
      this.positions.value = { value: positions.data, at };
      this.orders.value = { value: orders.data, at };
      this.failure.value = '';
    } catch (error) {
      this.failure.value = sentence(error);
    }
  }

  /** The equity of this second; nothing where it is not known to be so now. */
  #sample(): void {
    const known = this.account.peek();
    const stretches = this.equity.peek();
    const last = stretches.at(-1);
    if (!known || known.trouble || phase.peek() !== 'live') {
      if (last?.length) this.equity.value = [...stretches, []];
      return;
    }
    const point = { time_msc: hubNow(), value: known.value.equity };
    // A tab that slept has not seen what was between.
    const slept = last?.length && point.time_msc - last.at(-1)!.time_msc > 10_000;
    if (!last || slept) this.equity.value = [...stretches, [point]];
    else {
      const most = Math.max(0, stretches.reduce((sum, one) => sum + one.length, 0) - SAMPLES);
      const kept = most > 0 && stretches.length > 1 ? stretches.slice(1, -1) : stretches.slice(0, -1);
      this.equity.value = [...kept, [...last.slice(last.length > SAMPLES ? 1 : 0), point]];
    }
  }

  close(): void {
    for (const end of this.#ends) end();
  }
}

/** The newest price of a symbol. */
export function useTick(feed: Feed, symbol: string): Signal<Tick | undefined> {
  const tick = useSignal<Tick | undefined>(undefined);
  useEffect(() => {
    tick.value = undefined;
    if (!symbol) return;
    return subscribe({ topic: 'quotes', terminal: feed.terminal, account: feed.of, symbol }, (message) => {
      const value = message.data as Quote | null;
      const before = tick.peek();
      if (!value || (before && before.value.time_msc === value.time_msc && before.value.bid === value.bid)) return;
      // The first one may be old: then its own time says how old. A clock that is far off says nothing.
      const own = value.time_msc ?? Number.NaN;
      const plausible = own > hubNow() - WEEK_MS && own < hubNow() + 60_000;
      const at = !before && plausible ? Math.min(own, hubNow()) : hubNow();
      tick.value = { value, at, moved: before ? (Math.sign(value.bid - before.value.bid) as Tick['moved']) : 0 };
    });
  }, [feed, symbol]);
  return tick;
}
