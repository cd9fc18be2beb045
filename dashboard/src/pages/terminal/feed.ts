import { computed, signal, useSignal, type ReadonlySignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { Account, AccountFigures, Order, Position, Quote } from '../../api/types';
import type { CurvePoint } from '../../charts/curve';
import { paused, phase, subscribe, type Heard } from '../../live/socket';
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
  /** Why there is no newer one, if there is not. */
  trouble?: string;
}

/** Samples of the equity that are kept: an hour of seconds. */
const SAMPLES = 3600;
/** Longer than this between two samples: the tab slept, and has not seen what was between. */
const SLEPT_MS = 10_000;
const WEEK_MS = 7 * 86_400_000;
const hubNow = () => Date.now() + skew.value;
/** When the hub heard the value of a state, which may be long before it told it. */
const heardAt = ({ at }: Heard) => Date.parse(at) || hubNow();

/** One thing that the stream tells whole, and that can be read too. */
class Part<T> {
  readonly known: Signal<Known<T> | undefined> = signal(undefined);
  readonly failure = signal('');
  /** The stream has told of it since the link is there. */
  current = false;
  #trouble: string | undefined;
  /** How many times it was asked for; and of which of them an answer would be no news any more. */
  #asked = 0;
  #settled = 0;

  readonly heard = (message: Heard): void => {
    // Events of the topic come here too; only a state is the whole of it. Without data it says why, and what is known stays.
    if (message.type !== 'state' && !message.trouble) return;
    this.#trouble = message.trouble?.message;
    const trouble = this.#trouble;
    const before = this.known.peek();
    const at = heardAt(message);
    if (message.data == null || (trouble && before && before.at >= at)) {
      if (before) this.known.value = { ...before, trouble };
      return;
    }
    this.known.value = { value: message.data as T, at, trouble };
    if (trouble) return;
    // What is kept up to date is newer than any answer that is still on its way.
    this.current = true;
    this.#settled = this.#asked;
    this.failure.value = '';
  };

  /** Asks for it, and takes the answer if nothing newer came meanwhile. */
  async read(ask: () => Promise<T>): Promise<void> {
    const number = ++this.#asked;
    const at = hubNow();
    try {
      const value = await ask();
      if (number <= this.#settled) return;
      this.#settled = number;
      this.known.value = { value, at, trouble: this.#trouble };
      this.failure.value = '';
    } catch (error) {
      if (number > this.#settled) this.failure.value = sentence(error);
    }
  }
}

/** The equity with one more second; without a point it is not known then, and what comes next stands apart. */
export function grown(stretches: CurvePoint[][], point?: CurvePoint): CurvePoint[][] {
  const last = stretches.at(-1);
  if (!point) return last?.length ? [...stretches, []] : stretches;
  const before = last?.at(-1);
  const next =
    last && !(before && point.time_msc - before.time_msc > SLEPT_MS)
      ? [...stretches.slice(0, -1), [...last, point]]
      : [...stretches, [point]];
  if (next.reduce((sum, one) => sum + one.length, 0) <= SAMPLES) return next;
  const [first, ...others] = next;
  return first!.length > 1 ? [first!.slice(1), ...others] : others;
}

/** The live figures of one terminal: what its subscriptions bring, each the newest only. */
export class Feed {
  readonly #account = new Part<AccountFigures>();
  readonly #positions = new Part<Position[]>();
  readonly #orders = new Part<Order[]>();
  readonly account = this.#account.known;
  readonly positions = this.#positions.known;
  readonly orders = this.#orders.known;
  /** What could not be read, and why: in words, or empty. */
  readonly failure: ReadonlySignal<string> = computed(() => {
    const parts: [string, string][] = [
      ['Account', this.#account.failure.value],
      ['Positions', this.#positions.failure.value],
      ['Orders', this.#orders.failure.value],
    ];
    const said = [...new Set(parts.map(([, why]) => why).filter(Boolean))];
    return said.map((why) => `${parts.flatMap((part) => (part[1] === why ? part[0] : [])).join(', ')}: ${why}`).join(' ');
  });
  /** The equity of each second since the page was opened, in stretches: what was not seen is a gap between two of them. */
  readonly equity: Signal<CurvePoint[][]> = signal([]);
  readonly #ends: (() => void)[];

  constructor(
    readonly terminal: string,
    readonly of: Account,
  ) {
    const follow = (topic: string, part: Part<never>) =>
      subscribe({ topic, terminal, account: of }, part.heard, () => (part.current = false));
    this.#ends = [
      follow('account', this.#account as Part<never>),
      follow('positions', this.#positions as Part<never>),
      follow('orders', this.#orders as Part<never>),
      now.subscribe(() => this.#sample()),
    ];
  }

  /** Reads all of it now: at the start, and after something was done. */
  async read(): Promise<void> {
    const params = { path: { terminal: this.terminal } };
    await Promise.all([
      this.#account.read(() => ok(hub.GET('/api/v1/terminals/{terminal}/account', { params }))),
      this.#positions.read(async () => (await ok(hub.GET('/api/v1/terminals/{terminal}/positions', { params }))).data),
      this.#orders.read(async () => (await ok(hub.GET('/api/v1/terminals/{terminal}/orders', { params }))).data),
    ]);
  }

  /** The equity of this second; nothing where it is not known to be so now. */
  #sample(): void {
    const known = this.account.peek();
    const seen = known && !known.trouble && this.#account.current && phase.peek() === 'live' && !paused.peek();
    this.equity.value = grown(this.equity.peek(), seen ? { time_msc: hubNow(), value: known.value.equity } : undefined);
  }

  close(): void {
    for (const end of this.#ends) end();
  }
}

/** The tick after another one was told of, or the very same where nothing is new. `first`: it may have been heard long after it was. */
export function ticked(before: Tick | undefined, message: Heard, first: boolean): Tick | undefined {
  const value = message.data as Quote | null;
  const trouble = message.trouble?.message;
  const same = (['time_msc', 'bid', 'ask'] as const).every((name) => before?.value[name] === value?.[name]);
  if (!value || (before && same)) return before && before.trouble !== trouble ? { ...before, trouble } : before;
  // A terminal that is asked says the last one, of whenever it is: then its own time says how old. A clock that is far off says nothing.
  const heard = heardAt(message);
  const own = value.time_msc ?? Number.NaN;
  const plausible = own > heard - WEEK_MS && own < heard + 60_000;
  const moved = before ? (Math.sign(value.bid - before.value.bid) as Tick['moved']) : 0;
  return { value, at: first && plausible ? Math.min(own, heard) : heard, moved, trouble };
}

/** The newest price of a symbol; `none` is told why there is none, not even an old one. */
export function useTick(feed: Feed, symbol: string, none?: Signal<string>): Signal<Tick | undefined> {
  const tick = useSignal<Tick | undefined>(undefined);
  useEffect(() => {
    tick.value = undefined;
    if (none) none.value = '';
    if (!symbol) return;
    let first = true;
    return subscribe(
      { topic: 'quotes', terminal: feed.terminal, account: feed.of, symbol },
      (message) => {
        const before = tick.peek();
        const after = ticked(before, message, first);
        // After trouble, as after a link that was lost, the first one may be old again.
        if (message.trouble) first = true;
        else if (after !== before) first = false;
        tick.value = after;
        if (none) none.value = (!after && message.trouble?.message) || '';
      },
      () => (first = true),
    );
  }, [feed, symbol]);
  return tick;
}
