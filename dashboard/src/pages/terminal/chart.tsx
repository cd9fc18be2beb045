import type { Terminal } from '../../api/types';
import { setZone, zone, type Zone } from '../../lib/time';
import { Candles } from './candles';
import { Combo } from './combo';
import type { Feed } from './feed';
import { Prices } from './prices';
import type { Shown } from './remembered';

/** Timeframes by name, in minutes. */
export const TIMEFRAMES: [string, number][] = [
  ['M1', 1],
  ['M5', 5],
  ['M15', 15],
  ['M30', 30],
  ['H1', 60],
  ['H4', 240],
  ['D1', 1440],
];

interface Props {
  feed: Feed;
  terminal: Terminal;
  spec: Shown;
  symbols: Shown[];
  timeframe: string;
  choose: (change: Record<string, string>) => void;
}

/** How times are written, for every page. */
function Zones() {
  return (
    <label>
      <span class="visually-hidden">Times as</span>
      <select value={zone.value} onChange={(event) => setZone(event.currentTarget.value as Zone)}>
        <option value="local">Local</option>
        <option value="utc">UTC</option>
        <option value="broker">Broker</option>
      </select>
    </label>
  );
}

/** A symbol's price and candles, and the choice of both. */
export function ChartCard({ feed, terminal, spec, symbols, timeframe, choose }: Props) {
  const minutes = TIMEFRAMES.find(([name]) => name === timeframe)?.[1] ?? 5;
  return (
    <section class="card stack" aria-label="Chart">
      <div class="row between">
        <div class="row">
          <Combo
            label="Symbol"
            chosen={spec.name}
            choices={symbols.map((one) => ({ id: one.name, name: one.name, about: one.description }))}
            kept={`symbols ${terminal.account.server}`}
            choose={(symbol) => choose({ symbol })}
          />
          <Prices key={spec.name} feed={feed} terminal={terminal} spec={spec} />
        </div>
        <div class="row">
          <div class="segmented" role="group" aria-label="Timeframe">
            {TIMEFRAMES.map(([name]) => (
              <button type="button" key={name} aria-pressed={name === timeframe} onClick={() => choose({ timeframe: name })}>
                {name}
              </button>
            ))}
          </div>
          <Zones />
        </div>
      </div>
      <Candles
        key={`${spec.name} ${timeframe}`}
        feed={feed}
        terminal={terminal}
        spec={spec}
        timeframe={timeframe}
        minutes={minutes}
      />
    </section>
  );
}
