// Candles, and what is drawn over them. No framework in here: the page hands in rows and gets events back.
import {
  CandlestickSeries,
  ColorType,
  createChart,
  createSeriesMarkers,
  CrosshairMode,
  LineSeries,
  LineStyle,
  type CandlestickData,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts';

/** A bar as the hub tells it; `time_msc` is UTC. */
export interface Bar {
  time_msc: number;
  /** The broker's own wall clock, in seconds. */
  broker_time?: number;
  open: number;
  high: number;
  low: number;
  close: number;
  tick_volume: number;
  complete: boolean;
}
/** A sign at a bar: a trade of one's own. A colour that begins with `--` is one of the page's style sheet. */
export interface Mark {
  time_msc: number;
  above: boolean;
  shape: 'circle' | 'arrowUp' | 'arrowDown' | 'square';
  color: string;
  text: string;
}
/** A level: an open position's entry, its stops, an order's price. */
export interface Level {
  id: string;
  price: number;
  color: string;
  title: string;
  dashed: boolean;
}
/** An indicator: every time in it is the open of a bar that is there. */
export interface Layer {
  id: string;
  color: string;
  /** Its values are no prices: it has a pane of its own. */
  apart: boolean;
  points: (Mark & { value: number })[];
  lines: {
    id: string;
    value: number;
    from: number;
    to: number;
    color: string;
    style: 'solid' | 'dashed' | 'dotted';
    width: 1 | 2 | 3;
    text: string;
  }[];
}

interface Options {
  /** How a moment is written under the chart and at the crosshair. */
  format: (ms: number, long: boolean) => string;
  digits: number;
  /** The left end is in sight: older bars are wanted. */
  onNeedOlder: () => void;
}

const seconds = (ms: number) => Math.floor(ms / 1000) as UTCTimestamp;
const candle = (bar: Bar): CandlestickData => ({
  time: seconds(bar.time_msc),
  open: bar.open,
  high: bar.high,
  low: bar.low,
  close: bar.close,
});
const STYLE = { solid: LineStyle.Solid, dashed: LineStyle.Dashed, dotted: LineStyle.Dotted };

/** A colour of the page's style sheet, as the theme has it now: the canvas knows no custom properties. */
export function token(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
const shade = (color: string) => (color.startsWith('--') ? token(color) : color);
/** What is drawn over the candles must not press them flat. */
const UNSCALED = { autoscaleInfoProvider: () => null };
const QUIET = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };

export class PriceChart {
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<'Candlestick'>;
  readonly #marks: ISeriesMarkersPluginApi<Time>;
  readonly #levels = new Map<string, { line: IPriceLine; level: Level }>();
  readonly #layers = new Map<string, { series: ISeriesApi<'Line'>[]; apart: boolean }>();
  #layerMarks: (Mark & { value: number })[] = [];
  #ownMarks: Mark[] = [];
  readonly #theme: MutationObserver;
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  #bars: Bar[] = [];
  #count = 0;
  #first: number | undefined;
  #options: Options;

  constructor(root: HTMLElement, options: Options) {
    this.#options = options;
    this.#chart = createChart(root, {
      autoSize: true,
      crosshair: { mode: CrosshairMode.Normal },
      // The logo is drawn with innerHTML, which Trusted Types forbids; the page names TradingView in words.
      layout: { attributionLogo: false, fontFamily: getComputedStyle(document.body).fontFamily },
      rightPriceScale: { borderVisible: false },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        secondsVisible: false,
        rightOffset: 6,
        tickMarkFormatter: (time: Time) => options.format(Number(time) * 1000, false),
      },
      localization: { timeFormatter: (time: Time) => options.format(Number(time) * 1000, true) },
      // Scrolling the page on a phone must not be caught by the chart.
      handleScroll: { vertTouchDrag: false },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries, {
      priceFormat: { type: 'price', precision: options.digits, minMove: 10 ** -options.digits },
    });
    this.#marks = createSeriesMarkers(this.#candles, []);
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < 20 && this.#bars.length) this.#options.onNeedOlder();
    });
    this.#theme = new MutationObserver(() => this.paint());
    this.#theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    this.#dark.addEventListener('change', this.paint);
    this.paint();
  }

  /** Takes the colours of the theme that is on. */
  readonly paint = () => {
    const [good, bad, text, line, card] = ['--good', '--bad', '--muted', '--line', '--card'].map(token) as [
      string,
      string,
      string,
      string,
      string,
    ];
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: card },
        textColor: text,
        panes: { separatorColor: line, separatorHoverColor: line },
      },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
    });
    this.#drawMarks();
    for (const { line, level } of this.#levels.values()) line.applyOptions({ color: shade(level.color) });
    this.#candles.applyOptions({
      upColor: good,
      wickUpColor: good,
      borderUpColor: good,
      downColor: bad,
      wickDownColor: bad,
      borderDownColor: bad,
    });
  };

  /** All bars, oldest first; the part in sight stays where it is, whether older ones were put in front or newer ones behind. */
  setBars(bars: Bar[]): void {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    const before = this.#count;
    const first = this.#first;
    this.#bars = bars;
    this.#count = bars.length;
    this.#first = bars[0]?.time_msc;
    this.#candles.setData(bars.map(candle));
    const moved = bars.findIndex((bar) => bar.time_msc === first);
    if (!range || first === undefined || moved < 0) {
      if (bars.length) scale.setVisibleLogicalRange({ from: Math.max(0, bars.length - 120), to: bars.length + 6 });
      return;
    }
    // Whoever looks at the newest bar goes on doing so.
    const shift = range.to >= before - 1 ? bars.length - before : moved;
    scale.setVisibleLogicalRange({ from: range.from + shift, to: range.to + shift });
  }

  /** The forming bar, or a new one. An older one than the last would throw and is left out: a reload brings it. */
  update(bar: Bar): void {
    const last = this.#bars.at(-1);
    if (last && bar.time_msc < last.time_msc) return;
    if (last && bar.time_msc === last.time_msc) this.#bars[this.#bars.length - 1] = bar;
    else this.#bars.push(bar);
    this.#count = this.#bars.length;
    this.#candles.update(candle(bar));
  }

  setMarks(marks: Mark[]): void {
    this.#ownMarks = marks;
    this.#drawMarks();
  }

  setLevels(levels: Level[]): void {
    const wanted = new Map(levels.map((level) => [level.id, level]));
    for (const [id, { line }] of this.#levels) {
      if (wanted.has(id)) continue;
      this.#candles.removePriceLine(line);
      this.#levels.delete(id);
    }
    for (const level of levels) {
      const options = {
        price: level.price,
        color: shade(level.color),
        title: level.title,
        lineWidth: 1 as const,
        lineStyle: level.dashed ? LineStyle.Dashed : LineStyle.Solid,
        axisLabelVisible: true,
      };
      const standing = this.#levels.get(level.id);
      if (standing) standing.line.applyOptions(options);
      this.#levels.set(level.id, { level, line: standing?.line ?? this.#candles.createPriceLine(options) });
    }
  }

  setLayers(layers: Layer[]): void {
    const wanted = new Map(layers.map((layer) => [layer.id, layer]));
    for (const [id, { series, apart }] of this.#layers) {
      if (wanted.get(id)?.apart === apart) continue;
      for (const one of series) this.#chart.removeSeries(one);
      this.#layers.delete(id);
    }
    for (const layer of layers) this.#setLayer(layer);
    this.#layerMarks = layers.filter((layer) => !layer.apart).flatMap((layer) => layer.points);
    this.#drawMarks();
    // The candles keep the most of it.
    for (const [index, pane] of this.#chart.panes().entries()) pane.setStretchFactor(index === 0 ? 3 : 1);
  }

  #setLayer({ id, color, apart, points, lines }: Layer): void {
    const strokes = lines.map((line) => ({
      options: { color: line.color, lineWidth: line.width, lineStyle: STYLE[line.style], title: line.text },
      data: new Map([line.from, line.to].map((time) => [time, line.value])),
    }));
    if (apart)
      strokes.unshift({
        options: { color, lineWidth: 2, lineStyle: LineStyle.Solid, title: '' },
        data: new Map(points.map((point) => [point.time_msc, point.value])),
      });
    const standing = this.#layers.get(id)?.series ?? [];
    for (const surplus of standing.splice(strokes.length)) this.#chart.removeSeries(surplus);
    const pane = apart ? (standing[0]?.getPane().paneIndex() ?? this.#chart.panes().length) : 0;
    strokes.forEach(({ options, data }, at) => {
      standing[at] ??= this.#chart.addSeries(LineSeries, { ...QUIET, ...(apart ? {} : UNSCALED) }, pane);
      const precision = Math.max(0, ...data.values()) < 1 ? 5 : 2;
      const priceFormat = { type: 'price' as const, precision, minMove: 10 ** -precision };
      standing[at].applyOptions({
        ...options,
        ...(apart ? { priceFormat } : {}),
        pointMarkersVisible: apart && at === 0 && data.size < 60,
      });
      standing[at].setData([...data].map(([time, value]) => ({ time: seconds(time), value })));
    });
    this.#layers.set(id, { series: standing, apart });
  }

  /** Puts the crosshair on a bar and brings it into sight; none: takes it away. */
  point(at: number | undefined): void {
    const bar = at === undefined ? undefined : this.#bars[at];
    if (at === undefined || !bar) {
      this.#chart.clearCrosshairPosition();
      return;
    }
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    const shift = !range ? 0 : at < range.from ? at - range.from - 5 : at > range.to ? at - range.to + 5 : 0;
    if (range && shift) scale.setVisibleLogicalRange({ from: range.from + shift, to: range.to + shift });
    this.#chart.setCrosshairPosition(bar.close, seconds(bar.time_msc), this.#candles);
  }

  #drawMarks(): void {
    const first = this.#bars[0]?.time_msc ?? Infinity;
    const shared = (mark: Mark) => ({
      time: seconds(mark.time_msc),
      shape: mark.shape,
      color: shade(mark.color),
      text: mark.text,
    });
    const rows: SeriesMarker<Time>[] = [
      ...this.#ownMarks.map((mark) => ({
        ...shared(mark),
        position: mark.above ? ('aboveBar' as const) : ('belowBar' as const),
      })),
      ...this.#layerMarks.map((mark) => ({
        ...shared(mark),
        position: mark.above ? ('atPriceTop' as const) : ('atPriceBottom' as const),
        price: mark.value,
      })),
    ].filter((row) => Number(row.time) * 1000 >= first);
    this.#marks.setMarkers(rows.sort((a, b) => Number(a.time) - Number(b.time)));
  }

  /** Writes the times anew, after the choice of UTC, broker or local time. */
  setFormat(format: Options['format']): void {
    this.#options = { ...this.#options, format };
    this.#chart.applyOptions({
      localization: { timeFormatter: (time: Time) => format(Number(time) * 1000, true) },
      timeScale: { tickMarkFormatter: (time: Time) => format(Number(time) * 1000, false) },
    });
  }

  remove(): void {
    this.#theme.disconnect();
    this.#dark.removeEventListener('change', this.paint);
    this.#chart.remove();
  }
}
