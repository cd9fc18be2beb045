import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { Deal, Indicator, Quote, SymbolSpec, Terminal } from '../../api/types';
import { PriceChart, type Bar, type Level, type Mark, type Stroke } from '../../charts/price';
import { subscribe } from '../../live/socket';
import { price } from '../../lib/money';
import { now, skew, span, stamp, zone, zoneName, type Zone } from '../../lib/time';
import { Failed } from '../../ui/empty';
import type { Feed } from './feed';

const TIMEFRAMES: [string, number][] = [
  ['M1', 1],
  ['M5', 5],
  ['M15', 15],
  ['M30', 30],
  ['H1', 60],
  ['H4', 240],
  ['D1', 1440],
];
const PAGE = 500;

interface Props {
  feed: Feed;
  terminal: Terminal;
  symbol: string;
  spec: SymbolSpec | undefined;
  symbols: SymbolSpec[];
  timeframe: string;
  choose: (change: Record<string, string>) => void;
}
interface Bars {
  data: Bar[];
  next_cursor: string | null;
  loading: boolean;
  no_more_history: boolean;
  source: string;
}

/** Bid and ask, with their age once they have stood for long. */
function Prices({ feed, symbol, digits }: { feed: Feed; symbol: string; digits: number }) {
  const quote = useSignal<{ value: Quote; at: number; up: boolean } | undefined>(undefined);
  useEffect(
    () =>
      feed.quote(
        symbol,
        (value) => (quote.value = { value, at: Date.now(), up: value.bid >= (quote.value?.value.bid ?? value.bid) }),
      ),
    [symbol],
  );
  const known = quote.value;
  if (!known) return <span class="muted">No price yet</span>;
  const age = now.value - skew.value - known.at;
  const { bid, ask } = known.value;
  return (
    <span class="row">
      <span class="quote">
        <span class={known.up ? 'up' : 'down'} aria-hidden="true">
          {known.up ? '▲' : '▼'}
        </span>{' '}
        <span class="small muted">Bid</span> {price(bid, digits)}
      </span>
      <span class="quote">
        <span class="small muted">Ask</span> {price(ask, digits)}
      </span>
      <span class="small muted">Spread {((ask - bid) * 10 ** digits).toFixed(0)}</span>
      {age > 10_000 && <span class="badge plain warn">{span(age)} without a tick</span>}
    </span>
  );
}

/** What bots have submitted, as marks and strokes. */
function drawn(indicators: Indicator[], minutes: number): { marks: Mark[]; strokes: Stroke[] } {
  const marks = indicators.flatMap((one) =>
    one.points.map(
      (point): Mark => ({
        time_msc: point.time * 1000,
        above: point.type === 'high',
        shape: point.shape ?? 'circle',
        color: point.color ?? '#8b5cf6',
        text: point.label ?? '',
      }),
    ),
  );
  const strokes = indicators.flatMap((one) =>
    one.lines.map(
      (line): Stroke => ({
        id: `${one.indicator_id} ${line.id}`,
        color: line.color ?? '#8b5cf6',
        width: (line.width ?? 1) as Stroke['width'],
        style: line.style ?? 'solid',
        points: [0, line.bars].map((bars) => ({ time_msc: (line.start_time + bars * minutes * 60) * 1000, value: line.price })),
      }),
    ),
  );
  return { marks, strokes };
}

const own = (deals: Deal[]): Mark[] =>
  deals
    .filter((deal) => deal.type_name === 'buy' || deal.type_name === 'sell')
    .map((deal) => ({
      time_msc: deal.time_msc ?? 0,
      above: deal.type_name === 'sell',
      shape: deal.type_name === 'buy' ? 'arrowUp' : 'arrowDown',
      color: deal.type_name === 'buy' ? '#0f9d58' : '#d93025',
      text: String(deal.volume),
    }));

function levels(feed: Feed, symbol: string): Level[] {
  const found: Level[] = [];
  for (const position of feed.positions.value?.value ?? []) {
    if (position.symbol !== symbol) continue;
    found.push({
      id: `p${position.ticket}`,
      price: position.price_open,
      color: '#1a73e8',
      title: `${position.type_name} ${position.volume}`,
      dashed: false,
    });
    if (position.sl) found.push({ id: `sl${position.ticket}`, price: position.sl, color: '#d93025', title: 'SL', dashed: true });
    if (position.tp) found.push({ id: `tp${position.ticket}`, price: position.tp, color: '#0f9d58', title: 'TP', dashed: true });
  }
  for (const order of feed.orders.value?.value ?? []) {
    if (order.symbol === symbol)
      found.push({
        id: `o${order.ticket}`,
        price: order.price_open,
        color: '#b06000',
        title: order.type_name?.replaceAll('_', ' ') ?? '',
        dashed: true,
      });
  }
  return found;
}

/** Candles with history on scroll, indicators, own trades, and the levels of what is open. */
export function ChartCard({ feed, terminal, symbol, spec, symbols, timeframe, choose }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const chart = useRef<PriceChart>(undefined);
  const rows = useRef<Bar[]>([]);
  const failure = useSignal('');
  const source = useSignal('');
  const cursor = useRef<string | null>(null);
  const busy = useRef(false);
  const table = useSignal<Bar[] | null>(null);
  const overlays = useSignal<Indicator[]>([]);
  const hidden = useSignal<Set<string>>(new Set());
  const digits = spec?.digits ?? 5;
  const minutes = TIMEFRAMES.find(([name]) => name === timeframe)?.[1] ?? 5;
  const format = (ms: number, long: boolean) => {
    const text = stamp(ms, zone.value, terminal.utc_offset_s ?? 0);
    return long ? text.slice(0, 16) : minutes >= 1440 ? text.slice(5, 10) : text.slice(11, 16);
  };

  const load = async (older: boolean) => {
    if (busy.current || (older && !cursor.current)) return;
    busy.current = true;
    try {
      const query = older && cursor.current ? { cursor: cursor.current } : { timeframe, limit: PAGE };
      const path = { terminal: terminal.id, symbol };
      const answer = (await ok(hub.GET('/api/v1/terminals/{terminal}/bars/{symbol}', { params: { path, query } }))) as Bars;
      cursor.current = answer.no_more_history ? null : answer.next_cursor;
      source.value = answer.source;
      rows.current = older ? [...answer.data, ...rows.current] : answer.data;
      chart.current?.setBars(rows.current);
      failure.value = '';
      draw();
    } catch (error) {
      failure.value = sentence(error);
    } finally {
      busy.current = false;
    }
  };
  const trades = useRef<Deal[]>([]);
  const draw = () => {
    const shown = drawn(
      overlays.value.filter((one) => !hidden.value.has(one.indicator_id)),
      minutes,
    );
    chart.current?.setMarks([...own(trades.current), ...shown.marks]);
    chart.current?.setStrokes(shown.strokes);
  };
  const extras = async () => {
    const params = { path: { terminal: terminal.id }, query: { symbol, limit: 500 } };
    const [deals, list] = await Promise.allSettled([
      ok(hub.GET('/api/v1/terminals/{terminal}/history/deals', { params })),
      ok(hub.GET('/api/external/indicators')),
    ]);
    if (deals.status === 'fulfilled') trades.current = deals.value.data;
    if (list.status === 'fulfilled') {
      const mine = list.value.indicators.filter((one) => one.symbol === symbol && one.timeframe === minutes);
      const read = await Promise.allSettled(
        mine.map((one) =>
          ok(
            hub.GET('/api/external/indicators/{id}', {
              params: { path: { id: one.indicator_id }, query: { symbol, timeframe: one.timeframe } },
            }),
          ),
        ),
      );
      overlays.value = read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    }
    draw();
  };

  useEffect(() => {
    if (!root.current || !symbol) return;
    const made = new PriceChart(root.current, { digits, format, onNeedOlder: () => void load(true) });
    chart.current = made;
    void load(false).then(extras);
    // Ticks come many times a second, and drawing is what costs: ten times is enough for the eye.
    let waiting: Bar | undefined;
    const timer = setInterval(() => {
      if (waiting) made.update(waiting);
      waiting = undefined;
    }, 100);
    const ends = [
      subscribe(
        { topic: 'bars', terminal: terminal.id, account: terminal.account, symbol, timeframe },
        ({ data }) => {
          const bars = data as { closed: Bar | null; forming: Bar } | null;
          if (bars?.closed && rows.current.at(-1)?.time_msc === bars.closed.time_msc) made.update(bars.closed);
          if (bars) waiting = bars.forming;
        },
        () => void load(false),
      ),
      subscribe({ topic: 'indicators' }, () => void extras()),
      subscribe({ topic: 'deals', terminal: terminal.id, account: terminal.account }, () => void extras()),
    ];
    return () => {
      clearInterval(timer);
      for (const end of ends) end();
      made.remove();
      chart.current = undefined;
    };
  }, [symbol, digits]);
  useEffect(() => chart.current?.setFormat(format), [zone.value, terminal.utc_offset_s]);
  useEffect(() => chart.current?.setLevels(levels(feed, symbol)), [feed.positions.value, feed.orders.value, symbol]);
  useEffect(draw, [hidden.value]);

  const last = rows.current.at(-1);
  const toggle = (id: string) => {
    const next = new Set(hidden.value);
    if (!next.delete(id)) next.add(id);
    hidden.value = next;
  };
  return (
    <section class="card stack" aria-label="Chart">
      <div class="row between">
        <div class="row">
          <label>
            <span class="visually-hidden">Symbol</span>
            <input
              list="symbols"
              class="symbol"
              value={symbol}
              onChange={(event) =>
                symbols.some((one) => one.name === event.currentTarget.value) && choose({ symbol: event.currentTarget.value })
              }
            />
            <datalist id="symbols">
              {symbols.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.description}
                </option>
              ))}
            </datalist>
          </label>
          <Prices feed={feed} symbol={symbol} digits={digits} />
        </div>
        <div class="row">
          <div class="segmented" role="group" aria-label="Timeframe">
            {TIMEFRAMES.map(([name]) => (
              <button type="button" key={name} aria-pressed={name === timeframe} onClick={() => choose({ timeframe: name })}>
                {name}
              </button>
            ))}
          </div>
          <label>
            <span class="visually-hidden">Times as</span>
            <select
              value={zone.value}
              onChange={(event) => {
                zone.value = event.currentTarget.value as Zone;
                try {
                  localStorage.setItem('zone', zone.value);
                } catch {
                  /* for this visit only */
                }
              }}
            >
              <option value="local">Local</option>
              <option value="utc">UTC</option>
              <option value="broker">Broker</option>
            </select>
          </label>
        </div>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load(false)} />}
      <div
        ref={root}
        class="chart"
        role="img"
        aria-label={`Candles of ${symbol}, ${timeframe}${last ? `; the last closed at ${price(last.close, digits)}` : ''}. The table below has the same figures.`}
      />
      <div class="row between small muted">
        <span>
          Times are {zoneName(zone.value)}
          {source.value === 'cache' && ' · from the memory of the hub'}
        </span>
        <span class="row">
          <button
            type="button"
            class="ghost"
            aria-expanded={table.value !== null}
            onClick={() => (table.value = table.value ? null : rows.current.slice(-50).reverse())}
          >
            {table.value ? 'Hide the table' : 'Show as table'}
          </button>
          <a href="https://www.tradingview.com/" rel="noreferrer">
            Charts: TradingView Lightweight Charts™
          </a>
        </span>
      </div>
      {overlays.value.length > 0 && (
        <div class="chips" role="group" aria-label="Indicators">
          {overlays.value.map((one) => (
            <button
              type="button"
              class="chip"
              key={one.indicator_id}
              aria-pressed={!hidden.value.has(one.indicator_id)}
              onClick={() => toggle(one.indicator_id)}
            >
              {one.indicator_name} <span class="muted">{one.points.length + one.lines.length}</span>
            </button>
          ))}
        </div>
      )}
      {table.value && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Bars">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Time</th>
                {['Open', 'High', 'Low', 'Close', 'Ticks'].map((name) => (
                  <th key={name} scope="col" class="num">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.value.map((bar) => (
                <tr key={bar.time_msc}>
                  <td class="nowrap">{stamp(bar.time_msc, zone.value, terminal.utc_offset_s ?? 0).slice(0, 16)}</td>
                  {[bar.open, bar.high, bar.low, bar.close].map((value, index) => (
                    <td key={index} class="num">
                      {price(value, digits)}
                    </td>
                  ))}
                  <td class="num">{bar.tick_volume}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
