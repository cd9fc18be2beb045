import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { Deal, List, Terminal } from '../../api/types';
import { Curve, type CurvePoint } from '../../charts/curve';
import { amount } from '../../lib/money';
import { stamp, zone } from '../../lib/time';
import { Failed } from '../../ui/empty';
import type { Feed } from './feed';

const ALL = 36_500;
const RANGES: [string, number][] = [
  ['7 d', 7],
  ['30 d', 30],
  ['90 d', 90],
  ['All', ALL],
];

/** When it was, in UTC; a terminal that does not know its broker's clock yet tells none. */
const at = (deal: Deal): number => deal.time_msc ?? 0;

/** The balance after each deal, counted back from what it is now, so that it needs no beginning. */
export function balances(deals: Deal[], balance: number): CurvePoint[] {
  const points: CurvePoint[] = [];
  let after = balance;
  for (const deal of [...deals].sort((a, b) => at(b) - at(a))) {
    points.push({ time_msc: at(deal), value: after });
    after -= deal.profit + deal.swap + deal.commission + deal.fee;
  }
  return points.reverse();
}

/** The largest fall from a height, in money. */
export function drawdown(points: CurvePoint[]): number {
  let peak = -Infinity;
  let worst = 0;
  for (const { value } of points) {
    peak = Math.max(peak, value);
    worst = Math.max(worst, peak - value);
  }
  return worst;
}

/** Balance over time, with today's equity at its end. */
export function EquityCard({ feed, terminal }: { feed: Feed; terminal: Terminal }) {
  const root = useRef<HTMLDivElement>(null);
  const curve = useRef<Curve>(undefined);
  const range = useSignal(30);
  const deals = useSignal<Deal[] | undefined>(undefined);
  const failure = useSignal('');
  const account = feed.account.value?.value;
  const load = async () => {
    try {
      const found: Deal[] = [];
      let cursor: string | null = null;
      do {
        const from = new Date(Date.now() - range.value * 86_400_000).toISOString();
        const query = cursor ? { cursor } : { from, limit: 1000 };
        const params = { path: { terminal: terminal.id }, query };
        const list: List<Deal> = await ok(hub.GET('/api/v1/terminals/{terminal}/history/deals', { params }));
        found.push(...list.data);
        cursor = list.next_cursor;
      } while (cursor && found.length < 10_000);
      // A quiet month says less than what there was before it.
      if (found.length === 0 && deals.value === undefined && range.value === 30) range.value = ALL;
      else deals.value = found;
      failure.value = '';
    } catch (error) {
      failure.value = sentence(error);
    }
  };
  useEffect(() => void load(), [range.value, terminal.id]);
  const points = account && deals.value ? balances(deals.value, account.balance) : [];
  const last = deals.value?.at(-1)?.time_msc;
  useEffect(() => {
    if (!root.current) return;
    const made = new Curve(root.current, (ms, long) =>
      stamp(ms, zone.value, terminal.utc_offset_s ?? 0).slice(5, long ? 16 : 10),
    );
    curve.current = made;
    return () => made.remove();
  }, []);
  useEffect(() => curve.current?.set(points), [deals.value, account?.balance]);
  return (
    <section class="card stack" aria-label="Balance">
      <div class="row between">
        <h2>Balance</h2>
        <div class="segmented" role="group" aria-label="Range">
          {RANGES.map(([name, days]) => (
            <button type="button" key={name} aria-pressed={range.value === days} onClick={() => (range.value = days)}>
              {name}
            </button>
          ))}
        </div>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      <div
        ref={root}
        class="chart small"
        role="img"
        aria-label={`Balance after each deal${points.length ? `, ${points.length} deals` : ''}`}
      />
      <p class="small muted">
        {points.length === 0
          ? 'No deal in this time.'
          : `${points.length} deals, largest fall ${amount(drawdown(points))}${account ? `, equity now ${amount(account.equity)} ${account.currency}` : ''}`}
        {last === undefined && ''}
      </p>
    </section>
  );
}
