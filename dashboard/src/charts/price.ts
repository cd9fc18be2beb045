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
  open: number;
  high: number;
  low: number;
  close: number;
  tick_volume: number;
  complete: boolean;
}
/** A sign on a bar: a trade of one's own, or an indicator's point. */
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
/** A line of an indicator. */
export interface Stroke {
  id: string;
  color: string;
  width: 1 | 2 | 3;
  style: 'solid' | 'dashed' | 'dotted';
  points: { time_msc: number; value: number }[];
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
function token(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

export class PriceChart {
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<'Candlestick'>;
  readonly #marks: ISeriesMarkersPluginApi<Time>;
  readonly #levels = new Map<string, { line: IPriceLine; level: Level }>();
  readonly #strokes = new Map<string, ISeriesApi<'Line'>>();
  readonly #theme: MutationObserver;
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  #bars: Bar[] = [];
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
    const [good, bad, text, line, card] = ['good', 'bad', 'muted', 'line', 'card'].map(token) as [
      string,
      string,
      string,
      string,
      string,
    ];
    this.#chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: card }, textColor: text },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
    });
    this.#candles.applyOptions({
      upColor: good,
      wickUpColor: good,
      borderUpColor: good,
      downColor: bad,
      wickDownColor: bad,
      borderDownColor: bad,
    });
  };

  /** All bars, oldest first; the part in sight stays where it is when older ones were put in front. */
  setBars(bars: Bar[]): void {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    const first = this.#bars[0]?.time_msc;
    const added = first === undefined ? 0 : bars.findIndex((bar) => bar.time_msc === first);
    this.#bars = bars;
    this.#candles.setData(bars.map(candle));
    if (range && added > 0) scale.setVisibleLogicalRange({ from: range.from + added, to: range.to + added });
    else if (first === undefined && bars.length)
      scale.setVisibleLogicalRange({ from: Math.max(0, bars.length - 120), to: bars.length + 6 });
  }

  /** The forming bar, or a new one. An older one than the last would throw and is left out: a reload brings it. */
  update(bar: Bar): void {
    const last = this.#bars.at(-1);
    if (last && bar.time_msc < last.time_msc) return;
    if (last && bar.time_msc === last.time_msc) this.#bars[this.#bars.length - 1] = bar;
    else this.#bars.push(bar);
    this.#candles.update(candle(bar));
  }

  setMarks(marks: Mark[]): void {
    const rows: SeriesMarker<Time>[] = marks.map((mark) => ({
      time: seconds(this.#barAt(mark.time_msc)),
      position: mark.above ? 'aboveBar' : 'belowBar',
      shape: mark.shape,
      color: mark.color,
      text: mark.text,
    }));
    this.#marks.setMarkers(rows.sort((a, b) => Number(a.time) - Number(b.time)));
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
        color: level.color,
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

  setStrokes(strokes: Stroke[]): void {
    const wanted = new Set(strokes.map((stroke) => stroke.id));
    for (const [id, series] of this.#strokes) {
      if (wanted.has(id)) continue;
      this.#chart.removeSeries(series);
      this.#strokes.delete(id);
    }
    for (const stroke of strokes) {
      const series =
        this.#strokes.get(stroke.id) ??
        this.#chart.addSeries(LineSeries, { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false });
      series.applyOptions({ color: stroke.color, lineWidth: stroke.width, lineStyle: STYLE[stroke.style] });
      series.setData(stroke.points.map((point) => ({ time: seconds(point.time_msc), value: point.value })));
      this.#strokes.set(stroke.id, series);
    }
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

  /** The open of the bar that a moment lies in; before the first bar, that one's. */
  #barAt(ms: number): number {
    let low = 0;
    let high = this.#bars.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#bars[middle]!.time_msc <= ms) low = middle;
      else high = middle - 1;
    }
    return this.#bars[low]?.time_msc ?? ms;
  }
}
