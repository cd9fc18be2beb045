import type { Bar } from '../../charts/price';
import { price } from '../../lib/money';

/** As many as one reads. */
const ROWS = 50;

/** The newest bars in figures: what the chart shows, for whoever does not see it. */
export function BarsTable({ bars, digits, when }: { bars: Bar[]; digits: number; when: (ms: number) => string }) {
  return (
    <div class="scroll bars-table" tabIndex={0} role="region" aria-label="Bars">
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
          {bars
            .slice(-ROWS)
            .reverse()
            .map((bar) => (
              <tr key={bar.time_msc}>
                <td class="nowrap">
                  {when(bar.time_msc)}
                  {!bar.complete && <span class="small muted"> forming</span>}
                </td>
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
  );
}
