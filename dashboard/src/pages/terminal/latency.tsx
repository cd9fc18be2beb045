import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { Latency, Terminal } from '../../api/types';
import { phase } from '../../live/socket';
import { fewer, millis } from '../../lib/histogram';
import { span, stamp, zone, zoneName } from '../../lib/time';
import { Failed } from '../../ui/empty';

const HOPS: [string, string, string][] = [
  ['hub', 'Hub', 'Hub ↔ terminal: the round trip of a ping over the socket'],
  ['ea', 'EA', 'In the Expert Advisor: the longest turn of its loop'],
  ['broker', 'Broker', 'Terminal ↔ broker: as the terminal measures it'],
  ['command_ack', 'Taken', 'A command, from the hub until the terminal has taken it'],
  ['command_broker', 'Done', 'A command, from the hub until the broker has answered'],
];
const WINDOWS: [string, number][] = [
  ['5 min', 300],
  ['1 h', 3600],
  ['24 h', 86_400],
];
/** How often it is read anew while somebody looks. */
const EVERY_MS = 5000;

/** How long each hop takes, as the hub has counted it. */
export function LatencyCard({ terminal }: { terminal: Terminal }) {
  const known = useSignal<Latency | undefined>(undefined);
  const failure = useSignal('');
  const window_s = useSignal(3600);
  const chosen = useSignal('hub');
  useEffect(() => {
    const read = () =>
      ok(
        hub.GET('/api/v1/terminals/{terminal}/latency', {
          params: { path: { terminal: terminal.id }, query: { window_s: window_s.value } },
        }),
      ).then(
        (answer) => {
          known.value = answer;
          failure.value = '';
        },
        (error) => (failure.value = sentence(error)),
      );
    void read();
    const timer = setInterval(() => document.visibilityState === 'visible' && phase.peek() === 'live' && void read(), EVERY_MS);
    return () => clearInterval(timer);
  }, [window_s.value, terminal.id]);
  const answer = known.value;
  const hop = answer?.hops.find((one) => one.hop === chosen.value);
  const rows = fewer(hop?.histogram ?? []);
  const most = Math.max(1, ...rows.map((row) => row.count));
  const about = HOPS.find(([id]) => id === chosen.value)![2];
  const word = (value: number | null) => (value === null ? '–' : millis(value));
  return (
    <section class="card stack" aria-label="Latency">
      <div class="row between">
        <h2>Latency</h2>
        <div class="segmented" role="group" aria-label="Window">
          {WINDOWS.map(([text, seconds]) => (
            <button
              type="button"
              key={seconds}
              aria-pressed={window_s.value === seconds}
              onClick={() => (window_s.value = seconds)}
            >
              {text}
            </button>
          ))}
        </div>
      </div>
      <div class="segmented" role="group" aria-label="Hop">
        {HOPS.map(([id, text]) => (
          <button type="button" key={id} aria-pressed={chosen.value === id} onClick={() => (chosen.value = id)}>
            {text}
          </button>
        ))}
      </div>
      {failure.value && <Failed what={failure.value} />}
      {answer && (
        <p class="small muted">
          {about}.{' '}
          {hop && hop.count > 0
            ? `Half of them took at most ${word(hop.p50_ms)} (p50), 95 % ${word(hop.p95_ms)} (p95), 99 % ${word(hop.p99_ms)} (p99); the longest ${word(hop.max_ms)}, of ${hop.count} samples`
            : 'No sample'}{' '}
          since {stamp(Date.parse(answer.from), zone.value, terminal.utc_offset_s ?? 0).slice(5, 16)} {zoneName(zone.value)}
          {Date.parse(answer.from) <= Date.parse(answer.since) &&
            `; the hub has counted for ${span(Date.parse(answer.as_of) - Date.parse(answer.since))}, since it was started`}
          .
        </p>
      )}
      <ul class="bars" aria-label={`How many took how long`}>
        {rows.map((row) => (
          <li key={row.le_ms}>
            <span class="nowrap">≤ {millis(row.le_ms)}</span>
            <meter min={0} max={most} value={row.count} aria-label={`at most ${millis(row.le_ms)}`} />
            <span class="num">{row.count}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
