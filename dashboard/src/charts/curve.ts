// Curves over time: the balance, and the equity in stretches.
import {
  ColorType,
  createChart,
  createSeriesMarkers,
  LineSeries,
  LineType,
  type IChartApi,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts';
import { token } from './price';

export interface CurvePoint {
  time_msc: number;
  value: number;
}
/** Something beside the curve that is to be read at it. */
export interface Note {
  time_msc: number;
  text: string;
  above: boolean;
}

export class Curve {
  readonly #chart: IChartApi;
  readonly #series: ISeriesApi<'Line'>[] = [];
  #marks: ISeriesMarkersPluginApi<Time> | undefined;
  #notes: Note[] = [];
  /** From which on series are thin. */
  #thin = 0;
  readonly #theme: MutationObserver;
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');

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
    this.#theme = new MutationObserver(() => this.#paint());
    this.#theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    this.#dark.addEventListener('change', this.#paint);
  }

  /**
   * Stretches, each oldest first; between two of them nothing is drawn. Of several points in one second the last counts. Thin ones are drawn
   * over them, at times that they have.
   */
  set(stretches: CurvePoint[][], steps: boolean, notes: Note[] = [], thin: CurvePoint[][] = []): void {
    this.#notes = notes;
    this.#thin = stretches.length;
    const all = [...stretches, ...thin];
    all.forEach((points, index) => {
      this.#series[index] ??= this.#chart.addSeries(LineSeries, {
        priceLineVisible: false,
        lastValueVisible: false,
      });
      const rows = new Map<number, number>();
      for (const point of points) rows.set(Math.floor(point.time_msc / 1000), point.value);
      this.#series[index].applyOptions({ lineType: steps && index < this.#thin ? LineType.WithSteps : LineType.Simple });
      this.#series[index].setData(
        [...rows].sort((a, b) => a[0] - b[0]).map(([time, value]) => ({ time: time as UTCTimestamp, value })),
      );
    });
    for (const surplus of this.#series.splice(Math.max(1, all.length))) this.#chart.removeSeries(surplus);
    if (this.#series[0]) this.#marks ??= createSeriesMarkers(this.#series[0], []);
    this.#paint();
    this.#chart.timeScale().fitContent();
  }

  remove(): void {
    this.#theme.disconnect();
    this.#dark.removeEventListener('change', this.#paint);
    this.#chart.remove();
  }

  readonly #paint = () => {
    this.#chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: token('--card') }, textColor: token('--muted') },
      grid: { vertLines: { visible: false }, horzLines: { color: token('--line') } },
    });
    this.#series.forEach((series, index) => {
      const thin = index >= this.#thin;
      series.applyOptions({ color: token(thin ? '--text' : '--accent'), lineWidth: thin ? 1 : 2 });
    });
    this.#marks?.setMarkers(
      this.#notes.map(({ time_msc, text, above }) => ({
        time: Math.floor(time_msc / 1000) as UTCTimestamp,
        position: above ? 'aboveBar' : 'belowBar',
        shape: above ? 'arrowDown' : 'arrowUp',
        color: token('--muted'),
        text,
      })),
    );
  };
}
