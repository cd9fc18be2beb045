import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { ExternalTimeframe, Terminal } from '../../api/types';
import { PriceChart, type Bar } from '../../charts/price';
import { subscribe } from '../../live/socket';
import { coalesced } from '../../live/store';
import { price } from '../../lib/money';
import { may } from '../../lib/session';
import { offsetAt, stamp, zone, zoneName } from '../../lib/time';
import { Failed } from '../../ui/empty';
import { BarsTable } from './bars-table';
import { Trades } from './deals';
import type { Feed } from './feed';
import { History } from './history';
import { Legend } from './legend';
import { levels, own } from './marks';
import { place, type Drawing, type Overlay } from './overlays';
import type { Shown } from './remembered';

/** Drawing is what costs, and ticks come many times a second: ten times is enough for the eye. */
const DRAW_MS = 100;
/** After which a terminal that still fetches its history is asked again. */
const LOADING_MS = 2000;

interface Props {
  feed: Feed;
  terminal: Terminal;
  spec: Shown;
  timeframe: string;
  minutes: number;
}

/** Everything of one chart that outlives a drawing of the page. */
interface Held {
  chart?: PriceChart;
  history: History;
  trades: Trades;
  drawings: Drawing[];
}

/** Candles with history on scroll, indicators, own trades, and the levels of what is open. */
export function Candles({ feed, terminal, spec, timeframe, minutes }: Props) {
  const { name: symbol, digits } = spec;
  const root = useRef<HTMLDivElement>(null);
  const held = useRef<Held>({
    history: new History(terminal.id, symbol, timeframe),
    trades: new Trades(terminal.id, symbol),
    drawings: [],
  }).current;
  const { history } = held;
  const failure = useSignal('');
  /** Which of one's own trades are not drawn, and why. */
  const undrawn = useSignal('');
  const state = useSignal<'reading' | 'fetching' | 'known'>('reading');
  const overlays = useSignal<Overlay[]>([]);
  const hidden = useSignal<Set<string>>(new Set());
  const table = useSignal(false);
  const said = useSignal('');
  const at = useRef<number | undefined>(undefined);
  const help = useId();
  const period = minutes * 60_000;
  // The broker's clock changes twice a year: each bar knows what it was.
  const when = (ms: number) => stamp(ms, zone.value, offsetAt(history.bars, ms, terminal.utc_offset_s ?? 0)).slice(0, 16);
  const format = (ms: number, long: boolean) => {
    const text = when(ms);
    return long ? text : minutes >= 1440 ? text.slice(5, 10) : text.slice(11, 16);
  };

  /** Puts on the bars what lies over them. */
  const draw = () => {
    overlays.value = held.drawings.map((one, index) => place(one, history.bars, period, index));
    held.chart?.setMarks(own(held.trades.deals, history.bars, period));
    held.chart?.setLayers(overlays.value.filter((one) => !hidden.peek().has(one.id)));
  };
  const load = async (older: boolean) => {
    try {
      const first = history.bars[0]?.time_msc;
      if (!(await (older ? history.older() : history.newest()))) return;
      // Whoever reads bar by bar stays at theirs.
      if (at.current !== undefined && older) at.current += history.bars.findIndex((bar) => bar.time_msc === first);
      held.chart?.setBars(history.bars);
      failure.value = '';
      state.value = history.loading && history.bars.length < 2 ? 'fetching' : 'known';
      draw();
      if (history.bars.length && history.bars[0]!.time_msc < held.trades.since) void deals();
    } catch (error) {
      failure.value = sentence(error);
    }
  };
  const readDeals = async () => {
    const { bars } = history;
    if (!may('read:history') || !bars.length) return;
    const { trades } = held;
    try {
      await trades.read(bars[0]!.time_msc, bars.at(-1)!.time_msc + period);
      undrawn.value =
        trades.left === 'many'
          ? `Own trades before ${when(trades.since)} are too many to be drawn`
          : trades.left && 'Own trades are still being fetched';
    } catch (error) {
      undrawn.value = `Own trades are not all drawn: ${sentence(error)}`;
    }
    draw();
  };
  const readIndicators = async () => {
    if (!may('read:indicators')) return;
    const query = { symbol, timeframe: minutes as ExternalTimeframe, with: 'points' as const };
    const list = await ok(hub.GET('/api/external/indicators', { params: { query } })).catch(() => undefined);
    if (list) held.drawings = list.indicators;
    draw();
  };

  // A bot may submit many a second.
  const deals = useRef(coalesced(readDeals)).current;
  const indicators = useRef(coalesced(readIndicators)).current;

  useEffect(() => {
    if (!root.current) return;
    const made = new PriceChart(root.current, { digits, format, onNeedOlder: () => void load(true) });
    held.chart = made;
    void load(false);
    void indicators();
    let waiting: Bar | undefined;
    const timer = setInterval(() => {
      if (!waiting) return;
      const grows = waiting.time_msc !== history.bars.at(-1)?.time_msc;
      made.update(waiting);
      waiting = undefined;
      // What lies over the newest bar reaches to it.
      if (grows && held.drawings.length) draw();
    }, DRAW_MS);
    const again = setInterval(() => {
      if (state.peek() === 'fetching') void load(false);
      if (held.trades.left === 'loading') void deals();
    }, LOADING_MS);
    const anew = () => {
      void load(false);
      void deals();
      void indicators();
    };
    const heard = ({ data }: { data: unknown }) => {
      const bars = data as { closed: Bar | null; forming: Bar } | null;
      if (!bars) return;
      const last = history.bars.at(-1);
      if (bars.closed && last && bars.closed.time_msc > last.time_msc) void load(false);
      else if (bars.closed && last?.time_msc === bars.closed.time_msc) made.update(bars.closed);
      waiting = bars.forming;
    };
    const of = { terminal: terminal.id, account: terminal.account };
    const ends = [
      subscribe({ topic: 'bars', ...of, symbol, timeframe }, heard, anew),
      subscribe({ topic: 'indicators' }, ({ type }) => type === 'event' && void indicators()),
      subscribe({ topic: 'deals', ...of }, ({ type }) => type === 'event' && void deals()),
    ];
    return () => {
      clearInterval(timer);
      clearInterval(again);
      for (const end of ends) end();
      made.remove();
      held.chart = undefined;
    };
  }, []);
  useEffect(() => held.chart?.setFormat(format), [zone.value, terminal.utc_offset_s]);
  useEffect(
    () => held.chart?.setLevels(levels(feed.positions.value?.value ?? [], feed.orders.value?.value ?? [], symbol)),
    [feed.positions.value, feed.orders.value],
  );
  useEffect(draw, [hidden.value]);

  const words = (bar: Bar) =>
    `${when(bar.time_msc)}: open ${price(bar.open, digits)}, high ${price(bar.high, digits)}, low ${price(bar.low, digits)}, ` +
    `close ${price(bar.close, digits)}${bar.complete ? '' : ', still forming'}`;
  const leave = () => {
    at.current = undefined;
    held.chart?.point(undefined);
    said.value = '';
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const newest = history.bars.length - 1;
    const here = at.current ?? newest + 1;
    const steps: Record<string, number> = {
      ArrowLeft: here - 1,
      ArrowRight: here + 1,
      PageUp: here - 20,
      PageDown: here + 20,
      Home: 0,
      End: newest,
    };
    if (event.key === 'Escape') leave();
    const to = steps[event.key];
    if (to === undefined || newest < 0) return;
    event.preventDefault();
    at.current = Math.min(newest, Math.max(0, to));
    held.chart?.point(at.current);
    said.value = words(history.bars[at.current]!);
  };
  const closed = history.bars.findLast((bar) => bar.complete);
  const summary = closed
    ? `Candles of ${symbol}, ${timeframe}: ${history.bars.length} bars since ${when(history.bars[0]!.time_msc)}; the last closed at ${price(closed.close, digits)}`
    : `Candles of ${symbol}, ${timeframe}: no bar yet`;
  const panes = overlays.value.filter((one) => one.apart && !hidden.value.has(one.id)).length;
  return (
    <>
      {failure.value && <Failed what={failure.value} again={() => void load(false)} />}
      {state.value === 'fetching' && (
        <p class="note row" role="status">
          The terminal is fetching this history from its broker.
        </p>
      )}
      <div
        class="chart-region"
        role="application"
        aria-roledescription="chart"
        tabIndex={0}
        aria-label={summary}
        aria-describedby={help}
        onKeyDown={onKeyDown}
        onBlur={leave}
      >
        <div ref={root} class={`chart panes-${Math.min(3, panes)}`} aria-hidden="true" />
      </div>
      <p class="small bar-said" role="status">
        {said.value}
      </p>
      <div class="row between small muted">
        <span>
          <span id={help}>Arrow keys go over the bars, and read each.</span> Times are {zoneName(zone.value)}
          {history.remembered && ' · from the memory of the hub'}
          {undrawn.value && terminal.state === 'connected' && ` · ${undrawn.value}`}.
        </span>
        <span class="row">
          <button type="button" class="ghost" aria-expanded={table.value} onClick={() => (table.value = !table.value)}>
            {table.value ? 'Hide the table' : 'Show as table'}
          </button>
          <a class="chart-credit" href="https://www.tradingview.com/" rel="noreferrer">
            Charts: TradingView Lightweight Charts™
          </a>
        </span>
      </div>
      <Legend overlays={overlays.value} hidden={hidden} when={when} digits={digits} />
      {table.value && <BarsTable bars={history.bars} digits={digits} when={when} />}
    </>
  );
}
