import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Terminal } from '../../api/types';
import { terminals } from '../../live/store';
import { histogram, quantile } from '../../lib/histogram';

const HOPS = [
  ['hub', 'Hub', 'Hub ↔ terminal', 'the round trip of a ping over the socket'],
  ['loop', 'EA', 'In the Expert Advisor', 'the longest turn of its loop'],
  ['broker', 'Broker', 'Terminal ↔ broker', 'as the terminal measures it'],
] as const;
type Hop = (typeof HOPS)[number][0];
const KEPT = 600;

/** How long each hop takes, from what the terminal told while this page was open. */
export function LatencyCard({ terminal }: { terminal: Terminal }) {
  const samples = useSignal<Record<Hop, number[]>>({ hub: [], loop: [], broker: [] });
  const hop = useSignal<Hop>('hub');
  const live = terminals.value.get(terminal.id);
  useEffect(() => {
    if (!live?.presence) return;
    const { socket, ea_loop_ms, broker_ping_ms } = live.presence;
    const add = (kept: number[], value: number | null | undefined) => (value == null ? kept : [...kept.slice(1 - KEPT), value]);
    const old = samples.value;
    samples.value = {
      hub: add(old.hub, socket.rtt_ms),
      loop: add(old.loop, ea_loop_ms?.value),
      broker: add(old.broker, broker_ping_ms?.value),
    };
  }, [live]);
  const mine = samples.value[hop.value];
  const rows = histogram(mine);
  const most = Math.max(1, ...rows.map((row) => row.count));
  const [, , name, what] = HOPS.find(([id]) => id === hop.value)!;
  const word = (share: number) => {
    const value = quantile(mine, share);
    return value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  };
  return (
    <section class="card stack" aria-label="Latency">
      <div class="row between">
        <h2>Latency</h2>
        <div class="segmented" role="group" aria-label="Hop">
          {HOPS.map(([id, text]) => (
            <button type="button" key={id} aria-pressed={hop.value === id} onClick={() => (hop.value = id)}>
              {text}
            </button>
          ))}
        </div>
      </div>
      <p class="small muted">
        {name}: {what}. p50 {word(0.5)}, p95 {word(0.95)}, p99 {word(0.99)} of {mine.length} samples since this page was opened.
      </p>
      <ul class="bars">
        {rows.map((row) => (
          <li key={row.label}>
            <span class="nowrap">{row.label}</span>
            <meter min={0} max={most} value={row.count} aria-label={`${row.label}: ${row.count}`} />
            <span class="num">{row.count}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
