// One curve over time: balance and equity.
import {
  AreaSeries,
  ColorType,
  createChart,
  type IChartApi,
  type ISeriesApi,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts';

export interface CurvePoint {
  time_msc: number;
  value: number;
}

export class Curve {
  readonly #chart: IChartApi;
  readonly #series: ISeriesApi<'Area'>;
  readonly #theme: MutationObserver;

  constructor(root: HTMLElement, format: (ms: number, long: boolean) => string) {
    this.#chart = createChart(root, {
      autoSize: true,
      layout: { attributionLogo: false, fontFamily: getComputedStyle(document.body).fontFamily },
      rightPriceScale: { borderVisible: false },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        tickMarkFormatter: (time: Time) => format(Number(time) * 1000, false),
      },
      localization: { timeFormatter: (time: Time) => format(Number(time) * 1000, true) },
      handleScroll: { vertTouchDrag: false },
    });
    this.#series = this.#chart.addSeries(AreaSeries, { lineWidth: 2, priceLineVisible: false });
    this.#theme = new MutationObserver(() => this.#paint());
    this.#theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    this.#paint();
  }

  /** Points, oldest first; of several in one second the last counts. */
  set(points: CurvePoint[]): void {
    const rows = new Map<number, number>();
    for (const point of points) rows.set(Math.floor(point.time_msc / 1000), point.value);
    this.#series.setData([...rows].sort((a, b) => a[0] - b[0]).map(([time, value]) => ({ time: time as UTCTimestamp, value })));
    this.#chart.timeScale().fitContent();
  }

  remove(): void {
    this.#theme.disconnect();
    this.#chart.remove();
  }

  #paint(): void {
    const color = (name: string) => {
      const probe = document.createElement('span');
      probe.style.color = `var(--${name})`;
      document.body.append(probe);
      const value = getComputedStyle(probe).color;
      probe.remove();
      return value;
    };
    this.#chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: color('card') }, textColor: color('muted') },
      grid: { vertLines: { visible: false }, horzLines: { color: color('line') } },
    });
    this.#series.applyOptions({
      lineColor: color('accent'),
      topColor: color('accent-soft'),
      bottomColor: color('accent-soft').replace(/^rgb\((.*)\)$/, 'rgba($1, 0)'),
    });
  }
}
