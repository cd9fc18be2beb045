// What the audit is narrowed to: kept in the address, so that it can be sent to somebody, and turned into the hub's own parameters.
import type { Account, Command } from '../../api/types';
import { stamp } from '../../lib/time';

export type Tab = 'trades' | 'commands' | 'changes';
export type Filters = Record<string, string>;
export type Clock = 'utc' | 'local';

const TIMES = ['range', 'from', 'to'] as const;
/** The filters of each tab, in the order of their chips. */
export const NAMES: Record<Tab, readonly string[]> = {
  trades: ['account', 'symbol', 'kind', 'order', 'position', ...TIMES],
  commands: ['id', 'account', 'symbol', 'outcome', 'by', ...TIMES],
  changes: ['actor', 'action', 'target', 'outcome', ...TIMES],
};

/** Outcomes as people think of them, each some of the hub's states. */
export const OUTCOMES: Record<string, { name: string; states: string[] }> = {
  filled: { name: 'Filled', states: ['executed', 'partial'] },
  placed: { name: 'Placed', states: ['placed'] },
  rejected: { name: 'Rejected', states: ['broker_rejected', 'ea_refused'] },
  unknown: { name: 'Unknown', states: ['unknown'] },
  open: { name: 'Under way', states: ['dispatched', 'accepted'] },
  late: { name: 'Timed out', states: ['expired'] },
  never: { name: 'Not executed', states: ['not_executed', 'cancelled'] },
  decided: { name: 'Decided by a person', states: ['adjudicated'] },
};

export const RANGES: Record<string, { name: string; days: number }> = {
  today: { name: 'Today', days: 1 },
  '7d': { name: '7 days', days: 7 },
  '30d': { name: '30 days', days: 30 },
};

const isDate = (text: string) => /^\d{4}-\d{2}-\d{2}$/.test(text) && Number.isFinite(Date.parse(text));

/** What an address asks for; what it does not know it leaves out. */
export function read(tab: Tab, params: URLSearchParams): Filters {
  const found: Filters = {};
  for (const name of NAMES[tab]) {
    const value = params.get(name)?.trim();
    if (!value) continue;
    if (name === 'range' && !RANGES[value]) continue;
    if ((name === 'from' || name === 'to') && !isDate(value)) continue;
    if (name === 'outcome' && tab === 'commands' && !OUTCOMES[value]) continue;
    found[name] = value;
  }
  // A preset and dates of one's own would contradict each other.
  if (found.from || found.to) delete found.range;
  return found;
}

/** The page's address for a tab and its filters. */
export function address(tab: Tab, filters: Filters): string {
  const params = new URLSearchParams();
  for (const name of NAMES[tab]) if (filters[name]) params.set(name, filters[name]);
  const text = params.toString();
  return `/audit${tab === 'trades' ? '' : `/${tab}`}${text && `?${text}`}`;
}

/** When the day begins in which a moment is, and the one so many days after it; a day is not always 24 hours long. */
function midnight(at: number, clock: Clock, days = 0): number {
  const day = new Date(at);
  return clock === 'utc'
    ? Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate() + days)
    : new Date(day.getFullYear(), day.getMonth(), day.getDate() + days).getTime();
}

const dayOf = (text: string, clock: Clock, days = 0) =>
  midnight(Date.parse(clock === 'utc' ? text : `${text}T12:00:00`), clock, days);

/** The time that is meant: from the first, until before the second. Whole days, and so the same until midnight. */
export function span(filters: Filters, now: number, clock: Clock): { from?: number; to?: number } {
  const range = filters.range ? RANGES[filters.range] : undefined;
  if (range) return { from: midnight(now, clock, 1 - range.days) };
  return {
    ...(filters.from ? { from: dayOf(filters.from, clock) } : {}),
    ...(filters.to ? { to: dayOf(filters.to, clock, 1) } : {}),
  };
}

const PATHS: Record<Tab, string> = { trades: '/api/v1/audit/trades', commands: '/api/v1/commands', changes: '/api/v1/audit' };

/** The hub's address for what is shown, newest first. */
export function query(tab: Tab, filters: Filters, now: number, clock: Clock): string {
  if (tab === 'commands' && filters.id) return `${PATHS.commands}/${encodeURIComponent(filters.id)}`;
  const params = new URLSearchParams();
  if (tab !== 'changes') params.set('sort', 'desc');
  if (tab === 'trades') params.set('account', filters.account ?? '*');
  if (tab === 'commands') params.set('terminal', filters.account ?? '*');
  for (const name of ['symbol', 'kind', 'order', 'position', 'by', 'actor', 'action', 'target'])
    if (filters[name]) params.set(name, filters[name]);
  if (filters.outcome && tab === 'commands') params.set('state', OUTCOMES[filters.outcome]!.states.join(','));
  if (filters.outcome && tab === 'changes') params.set('outcome', filters.outcome);
  const { from, to } = span(filters, now, clock);
  if (from !== undefined) params.set('from', new Date(from).toISOString());
  if (to !== undefined) params.set('to', new Date(to).toISOString());
  return `${PATHS[tab]}?${params}`;
}

const isOf = (account: Account | null | undefined, wanted: string | undefined) =>
  !wanted || (!!account && (wanted === String(account.login) || wanted === `${account.login}@${account.server}`));

/** Whether something that has just happened would stand in the list. */
export function matches(
  filters: Filters,
  row: {
    account?: Account | null;
    symbol?: string;
    at: number;
    kind?: string;
    order?: number;
    position?: number;
    state?: string;
    by?: string;
  },
  now: number,
  clock: Clock,
): boolean {
  const { from, to } = span(filters, now, clock);
  return (
    isOf(row.account, filters.account) &&
    (!filters.symbol || filters.symbol === row.symbol) &&
    (!filters.kind || filters.kind === row.kind) &&
    (!filters.order || filters.order === String(row.order)) &&
    (!filters.position || filters.position === String(row.position)) &&
    (!filters.by || filters.by === row.by) &&
    (!filters.outcome || !row.state || OUTCOMES[filters.outcome]?.states.includes(row.state) === true) &&
    (from === undefined || row.at >= from) &&
    (to === undefined || row.at < to)
  );
}

/** The same for a command. */
export const matchesCommand = (filters: Filters, command: Command, now: number, clock: Clock): boolean =>
  !filters.id &&
  matches(
    filters,
    {
      account: command.account,
      symbol: String(command.request?.symbol ?? ''),
      at: Date.parse(command.created_at),
      state: command.state,
      by: command.by.id,
    },
    now,
    clock,
  );

const LABELS: Record<string, string> = {
  id: 'Command',
  account: 'Account',
  symbol: 'Symbol',
  kind: 'Kind',
  order: 'Order',
  position: 'Position',
  by: 'By',
  actor: 'Who',
  action: 'What',
  target: 'To what',
  range: 'Time',
  from: 'From',
  to: 'Until',
};

/** Kinds of rows of the trade history. */
export const KINDS: Record<string, string> = { deal: 'Deals', order: 'Orders', position: 'Changes of stops' };

/** The days that a file is about, as its name has them: what was chosen, else until today. */
export function days(filters: Filters, now: number, clock: Clock): string {
  const { from, to } = span(filters, now, clock);
  const day = (at: number) => stamp(at, clock).slice(0, 10);
  const last = day(to === undefined ? now : Math.min(to - 1, now));
  return from === undefined ? `until-${last}` : day(from) === last ? last : `${day(from)}-to-${last}`;
}

/** What is filtered by, in words, one chip each. `named`: what people call what a filter names by its id. */
export function chips(
  tab: Tab,
  filters: Filters,
  named: (id: string, filter: string) => string,
): { name: string; text: string }[] {
  return NAMES[tab]
    .filter((name) => filters[name])
    .map((name) => {
      const value = filters[name]!;
      if (name === 'outcome')
        return { name, text: tab === 'commands' ? (OUTCOMES[value]?.name ?? value) : value === 'denied' ? 'Refused' : 'Done' };
      if (name === 'range') return { name, text: RANGES[value]?.name ?? value };
      if (name === 'kind') return { name, text: KINDS[value] ?? value };
      if (name === 'order' || name === 'position') return { name, text: `${LABELS[name]} #${value}` };
      return { name, text: `${LABELS[name]} ${named(value, name)}` };
    });
}
