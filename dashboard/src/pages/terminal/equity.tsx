import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { sentence } from '../../api/client';
import type { Deal, EquityBar, Terminal } from '../../api/types';
import { Curve, type CurvePoint } from '../../charts/curve';
import { subscribe } from '../../live/socket';
import { coalesced } from '../../live/store';
import { amount, signed, tone } from '../../lib/money';
import { now, offsetAt, stamp, zone, zoneName } from '../../lib/time';
import { Failed } from '../../ui/empty';
import { balances, gridded, paid, summary, type Step } from './balance';
import { dealsOf } from './deals';
import type { Feed } from './feed';
import { curves, deepest, keptOf } from './kept';

const DAY_MS = 86_400_000;
const ALL = 36_500;
/** What is watched on this page, and not read from the past. */
const WATCHED = 0;
const RANGES: [string, number][] = [
  ['Live', WATCHED],
  ['7 d', 7],
  ['30 d', 30],
  ['90 d', 90],
  ['All', ALL],
];
const NONE: CurvePoint[][] = [];
const dated = (deals: Deal[] | undefined) =>
  (deals ?? [])
    .filter(({ time_msc, broker_time }) => time_msc !== null && broker_time !== null)
    .sort((a, b) => a.time_msc! - b.time_msc!);
/** More deals are not read for one picture. The newest would be missing, from which the balance is counted back: so there is none then. */
const MOST = 10_000;
/** After which a terminal that still fetches its history is asked again. */
const LOADING_MS = 2000;
/** The hub has another bar. */
const BAR_MS = 300_000;
/** Above so many days bars are of an hour. */
const LONG = 30;
const UNDRAWN = {
  many: 'Too many deals for this range: choose a shorter one.',
  loading: 'The terminal is fetching its deals from its broker.',
};

/** Where the picture ends: now, or where the account's own time stands if that is another (a simulated one). */
function ends(steps: Step[], from: number, bars: EquityBar[]): [number, number] {
  const first = Math.min(steps[0]?.time_msc ?? 0, bars[0]?.time_msc ?? Infinity);
  const present = now.peek();
  const step = steps.at(-1)?.time_msc ?? 0;
  // A quiet account lives on in its equity. What begins long after its last deal is of another time than its own.
  const last = (bars[0]?.time_msc ?? Infinity) - step > 90 * DAY_MS ? step : Math.max(step, bars.at(-1)!.time_msc);
  const to = present - last > 90 * DAY_MS ? last + Math.max(60_000, (last - first) / 20) : present;
  // An account begins with its first deposit: nothing before it is of interest, and it would press the rest flat.
  const before = steps[0] ? steps[0].value - steps[0].gain - steps[0].cash : 0;
  return [Math.max(from, Math.abs(before) < 0.005 ? first : first - (to - first) / 20), to];
}

/** Balance over time as the deals tell it, and the equity as the hub kept it; or each second of it, as long as this page watches it. */
export function EquityCard({ feed, terminal }: { feed: Feed; terminal: Terminal }) {
  const root = useRef<HTMLDivElement>(null);
  const curve = useRef<Curve>(undefined);
  const range = useSignal(30);
  /** Nobody has chosen it. */
  const unchosen = useRef(true);
  /** The picture is of a day or two: hours say more than dates. */
  const brief = useRef(false);
  const deals = useSignal<Deal[] | undefined>(undefined);
  const left = useSignal<keyof typeof UNDRAWN | ''>('');
  const failure = useSignal('');
  const kept = useSignal<Awaited<ReturnType<typeof keptOf>> | undefined>(undefined);
  const unkept = useSignal('');
  const account = feed.account.value?.value;
  const read = async () => {
    const days = range.peek();
    if (days === WATCHED) return;
    let found: Deal[] | undefined;
    let why: typeof left.value = '';
    let wrong = '';
    try {
      const answer = await dealsOf(terminal.id, { from: Math.max(0, Date.now() - days * DAY_MS) }, MOST);
      why = answer.left;
      if (!why) found = answer.deals;
    } catch (error) {
      // Without the newest deals the balance of now would be counted back wrong: what was drawn goes.
      wrong = sentence(error);
    }
    // Another range was chosen meanwhile: it is read next.
    if (range.peek() !== days) return;
    deals.value = found;
    left.value = why;
    failure.value = wrong;
    // A quiet month says less than what there was before it.
    if (found?.length === 0 && unchosen.current) choose(ALL);
    else if (found) unchosen.current = false;
  };
  const readKept = async () => {
    const days = range.peek();
    if (days === WATCHED) return;
    const from = Math.max(0, Date.now() - days * DAY_MS);
    let found = kept.peek();
    let wrong = '';
    try {
      found = await keptOf(terminal.id, from, days > LONG);
    } catch (error) {
      wrong = sentence(error);
    }
    if (range.peek() !== days) return;
    kept.value = found;
    unkept.value = wrong;
  };
  const choose = (days: number) => {
    unchosen.current = false;
    if (days === range.peek()) return;
    range.value = days;
    deals.value = undefined;
    kept.value = undefined;
    unkept.value = '';
    left.value = '';
    failure.value = '';
  };
  const load = useRef(coalesced(read));
  const loadKept = useRef(coalesced(readKept));
  const connected = terminal.state === 'connected';
  useEffect(() => {
    void loadKept.current();
    const timer = setInterval(() => void loadKept.current(), BAR_MS);
    return () => clearInterval(timer);
  }, [range.value, connected]);
  useEffect(() => {
    if (connected || !deals.peek()) void load.current();
  }, [range.value, connected]);
  useEffect(() => {
    if (left.value !== 'loading') return;
    const timer = setInterval(() => void load.current(), LOADING_MS);
    return () => clearInterval(timer);
  }, [left.value]);
  useEffect(
    () =>
      subscribe(
        { topic: 'deals', terminal: terminal.id, account: terminal.account },
        ({ type }) => type === 'event' && void load.current(),
        // A deal may have been missed, and the balance that is counted back from has it.
        () => void load.current(),
      ),
    [],
  );
  const watched = range.value === WATCHED;
  const balance = account?.balance;
  // The account is told with every tick, and its balance changes with a deal only.
  const steps = useMemo(
    () => (balance !== undefined && deals.value ? balances(deals.value, balance) : []),
    [deals.value, balance],
  );
  const found = useMemo(() => summary(steps), [steps]);
  /** What is drawn, from when to when; without deals the balance is what the hub heard of it. */
  const { line, from, to, bars } = useMemo(() => {
    const all = kept.value?.bars ?? [];
    const line = steps.length ? steps : all.map(({ time_msc, balance }) => ({ time_msc, value: balance, gain: 0, cash: 0 }));
    const [from, to] = ends(line, Date.now() - range.value * DAY_MS, all);
    return { line, from, to, bars: all.filter(({ time_msc }) => time_msc < to) };
  }, [steps, kept.value, range.value]);
  const deep = useMemo(() => deepest(bars, range.value > LONG, paid(deals.value ?? [])), [bars, deals.value]);
  /** What the broker's clock was then, as its deals tell it. */
  const clock = useRef({ rows: [] as Deal[], now: 0 });
  clock.current.now = terminal.utc_offset_s ?? 0;
  useMemo(() => (clock.current.rows = dated(deals.value)), [deals.value]);
  const written = (ms: number) => stamp(ms, zone.peek(), offsetAt(clock.current.rows, ms, clock.current.now));
  const stretches = watched ? feed.equity.value : NONE;
  useEffect(() => {
    if (!root.current) return;
    curve.current = new Curve(root.current, (ms, long) => {
      const text = written(ms);
      if (range.peek() === WATCHED) return text.slice(11);
      return long ? text.slice(0, 16) : brief.current ? text.slice(11, 16) : text.slice(5, 10);
    });
    return () => curve.current?.remove();
  }, []);
  useEffect(() => {
    if (watched) {
      const seen = stretches.filter((one) => one.length > 0);
      curve.current?.set(seen.length ? seen : [[]], false);
      return;
    }
    brief.current = to - from < 2 * DAY_MS;
    const grid = gridded(line, from, to);
    const notes = steps
      .filter(({ cash, time_msc }) => cash !== 0 && time_msc > from)
      .map(({ cash, time_msc }) => ({
        time_msc: grid.find((point) => point.time_msc >= time_msc)?.time_msc ?? to,
        text: cash > 0 ? `paid in ${amount(cash, 0)}` : `taken out ${amount(-cash, 0)}`,
        above: cash < 0,
      }));
    curve.current?.set([grid], true, notes.slice(-20), curves(bars, range.peek() > LONG, from, to));
  }, [watched, stretches, line, bars, zone.value]);
  const currency = account?.currency ?? '';
  const since = stretches[0]?.[0]?.time_msc;
  const gaps = stretches.filter((one) => one.length > 0).length - 1;
  const words = watched
    ? since
      ? `Equity each second since ${stamp(since, zone.value, terminal.utc_offset_s ?? 0).slice(11)} ${zoneName(zone.value)}, as long as this page is open${gaps > 0 ? `; ${gaps} ${gaps === 1 ? 'gap' : 'gaps'}` : ''}`
      : 'The equity is not known now'
    : `Balance after each deal${steps.length ? `, ${steps.length} deals` : ''}${bars.length ? ', and the equity' : ''}`;
  return (
    <section class="card stack" aria-label="Balance and equity">
      <div class="row between">
        <h2>{watched ? 'Equity' : 'Balance'}</h2>
        <div class="segmented" role="group" aria-label="Range">
          {RANGES.map(([name, days]) => (
            <button type="button" key={name} aria-pressed={range.value === days} onClick={() => choose(days)}>
              {name}
            </button>
          ))}
        </div>
      </div>
      {failure.value && connected && <Failed what={failure.value} again={() => void load.current()} />}
      <div role="img" aria-label={words}>
        <div ref={root} class="chart small" aria-hidden="true" />
      </div>
      <p class="small muted">
        {watched ? (
          `${words}.`
        ) : !connected && !deals.value ? (
          'Deals are read from the terminal, which is not connected.'
        ) : left.value ? (
          UNDRAWN[left.value]
        ) : failure.value ? (
          'Deals are not known.'
        ) : !deals.value || balance === undefined ? (
          'Reading…'
        ) : steps.length === 0 ? (
          'No deal in this time.'
        ) : (
          <>
            {found.deals} deals, largest fall {amount(found.fall)}
            {found.fallPercent !== undefined && ` (${found.fallPercent.toFixed(1)} %)`} of the balance. Result{' '}
            <span class={tone(found.gain)}>{signed(found.gain)}</span> {currency}
            {found.paidIn > 0 && `, paid in ${amount(found.paidIn)}`}
            {found.takenOut > 0 && `, taken out ${amount(found.takenOut)}`}.
            {account && ` Equity now ${amount(account.equity, account.currency_digits)} ${currency}.`}
            {!connected && ' As it was before the terminal went away.'}
          </>
        )}
      </p>
      {!watched && (kept.value || unkept.value) && (
        <p class="small muted">
          {unkept.value
            ? `The equity of the past cannot be read now: ${unkept.value}`
            : bars[0]
              ? `Thin: the equity, kept by the hub since ${written(Date.parse(kept.value!.since!)).slice(0, 16)} ${zoneName(zone.value)}; deepest fall of equity ${amount(deep.fall)}${deep.percent === undefined ? '' : ` (${deep.percent.toFixed(1)} %)`}${deals.value ? '' : ', money paid in or taken out with it'}.`
              : `The hub kept no equity of this time${kept.value!.bars.length ? ', but of a later one: choose a shorter range' : ''}.`}
        </p>
      )}
    </section>
  );
}
