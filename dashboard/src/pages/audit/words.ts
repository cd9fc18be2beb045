// Records of the audit in words.
import type { components } from '../../api/schema';
import type { Command } from '../../api/types';
import { capital } from '../../lib/plans';
import type { IconName } from '../../ui/icon';

/** Who asked for a command. */
export type Maker = Command['by'];

/** How a command ended, for a chip: never by colour alone. */
export interface Outcome {
  word: string;
  tone: 'good' | 'warn' | 'bad' | '';
  icon: IconName;
  more: string;
}

export const spaced = (text: string) => text.replaceAll('_', ' ');

/** What the broker or the terminal said: the number and its words. */
export function said(command: Command): string {
  const { result, reason } = command;
  if (result?.retcode)
    return `${result.retcode}${result.retcode_name ? ` ${spaced(result.retcode_name)}` : ''}${reason ? `: ${reason}` : ''}`;
  return reason ?? '';
}

/** Verdicts of a person on a command that nobody knows the outcome of. */
export const VERDICTS: Record<string, string> = {
  executed: 'it was done',
  partial: 'it was done in part',
  placed: 'the order stands',
  not_executed: 'it never happened',
};

/** Unknown is not failed. */
export function outcome(command: Command, called: (id: string) => string = (id) => id): Outcome {
  const more = said(command);
  const deal = command.request?.action_name === 'deal' || command.request?.action_name === 'close_by';
  switch (command.state) {
    case 'executed':
      return { word: deal ? 'Filled' : 'Done', tone: 'good', icon: 'check', more };
    case 'partial':
      return { word: 'Filled in part', tone: 'warn', icon: 'check', more };
    case 'placed':
      return { word: 'Placed', tone: 'good', icon: 'check', more };
    case 'broker_rejected':
      return { word: 'Rejected', tone: 'bad', icon: 'x', more };
    case 'ea_refused':
      return { word: 'Refused by the terminal', tone: 'bad', icon: 'x', more };
    case 'unknown':
      return { word: 'Unknown', tone: 'warn', icon: 'help', more: `Not failed: check the terminal.${more && ` ${more}`}` };
    case 'not_executed':
      return { word: 'Not executed', tone: '', icon: 'ban', more };
    case 'cancelled':
      return { word: 'Taken back', tone: '', icon: 'ban', more: more || 'before it was sent' };
    case 'expired':
      return { word: 'Timed out', tone: '', icon: 'clock', more: more || 'its time was over before it was sent' };
    case 'adjudicated': {
      const decision = command.adjudication;
      return {
        word: 'Decided',
        tone: decision?.outcome === 'not_executed' ? '' : 'good',
        icon: 'users',
        more: decision
          ? `${capital(VERDICTS[decision.outcome] ?? spaced(decision.outcome))}, says ${called(decision.by)}: ${decision.reason}`
          : more,
      };
    }
    default:
      return command.final
        ? { word: capital(spaced(command.state)), tone: '', icon: 'help', more }
        : { word: 'Under way', tone: '', icon: 'clock', more };
  }
}

const part = (command: Command, name: 'sl' | 'tp' | 'price' | 'position' | 'volume' | 'order' | 'position_by'): number =>
  Number(command.request?.[name] ?? 0);

/** Stop loss and take profit that were asked for. */
export const levels = (command: Command): string =>
  [part(command, 'sl') > 0 && `SL ${part(command, 'sl')}`, part(command, 'tp') > 0 && `TP ${part(command, 'tp')}`]
    .filter(Boolean)
    .join(', ');

/** What was asked for, in words. */
export function action(command: Command): string {
  const request = command.request;
  if (!request) return 'Many commands';
  const number = (name: Parameters<typeof part>[1]) => part(command, name);
  const what = capital(spaced(String(request.type_name ?? '')));
  const at = number('price') > 0 ? ` at ${number('price')}` : '';
  switch (request.action_name) {
    case 'deal':
      return number('position') > 0
        ? `Close #${number('position')}: ${what.toLowerCase()} ${number('volume')} ${request.symbol}`
        : `${what} ${number('volume')} ${request.symbol}`;
    case 'pending':
      return `${what} ${number('volume')} ${request.symbol}`;
    case 'sltp':
      return `Stops of #${number('position')}: ${levels(command) || 'none'}`;
    case 'modify':
      return `Change order #${number('order')}${at}`;
    case 'remove':
      return `Cancel order #${number('order')}`;
    case 'close_by':
      return `Close #${number('position')} by #${number('position_by')}`;
    default:
      return capital(spaced(String(request.action_name ?? 'Trade')));
  }
}

/** What else was asked for: price and stops, where the words do not have them already. */
export function besides(command: Command): string {
  const name = command.request?.action_name;
  if (!name || name === 'sltp') return '';
  const at = name === 'pending' && part(command, 'price') > 0 ? `at ${part(command, 'price')}` : '';
  return [at, levels(command)].filter(Boolean).join(', ');
}

/** What came of it, in figures. */
export function result(command: Command): string {
  const found = command.result;
  if (!found) return '';
  return [found.volume && `${found.volume} lots`, found.price && `at ${found.price}`].filter(Boolean).join(' ');
}

/** The broker's numbers of what came of it. */
export const tickets = ({ result }: Command): string =>
  [result?.deal && `deal #${result.deal}`, result?.order && `order #${result.order}`].filter(Boolean).join(', ');

/** A span as short as it can be told truly. */
export function lasted(ms: number): string {
  if (ms < 1000) return `${Math.max(0, ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

/** From the hub's taking it to its end; none before that, and none for what a person decided. */
export const latency = (command: Command): string =>
  command.final && command.state !== 'adjudicated' ? lasted(Date.parse(command.updated_at) - Date.parse(command.created_at)) : '';

const STAGES: Record<string, string> = {
  received: 'Taken by the hub',
  dispatched: 'On its way to the terminal',
  accepted: 'The terminal has it',
  unknown: 'Unknown: the hub asks what became of it',
  executed: 'Done',
  partial: 'Done in part',
  placed: 'The order stands',
  broker_rejected: 'Rejected by the broker',
  ea_refused: 'Refused by the terminal',
  not_executed: 'Proved not to have been executed',
  cancelled: 'Taken back before it was sent',
  expired: 'Timed out before it was sent',
  adjudicated: 'Decided by a person',
};

/** What a command went through, each state with how long after the one before it. */
export const stages = (command: Command): { state: string; at: string; word: string; reason: string; after: string }[] =>
  command.states.map(({ state, at, reason }, index, all) => ({
    state,
    at,
    word: STAGES[state] ?? capital(spaced(state)),
    reason: reason ?? '',
    after: index ? lasted(Date.parse(at) - Date.parse(all[index - 1]!.at)) : '',
  }));

/** What of a request was set at all: MetaTrader's have two dozen fields, most of them 0. */
export const set = (record: object | null | undefined): object =>
  Object.fromEntries(Object.entries(record ?? {}).filter(([, value]) => value !== 0 && value !== '' && value !== null));

/** A row of the trade history, as the hub tells it: each kind has fields of its own. */
export type Trade = Pick<Row, 'kind' | 'at' | 'seen_at' | 'source' | 'origin' | 'command' | 'ticket' | 'symbol'> & Partial<Row>;
type Row = components['schemas']['HistoryRow'];

const ENTRIES: Record<string, string> = { in: 'opens', out: 'closes', inout: 'turns round', out_by: 'closes by another' };

/** Money that came to the account or left it without a trade: nobody earned or lost it. */
const MOVED: Record<string, [came: string, went: string]> = {
  balance: ['Deposit', 'Withdrawal'],
  credit: ['Credit', 'Credit taken back'],
  bonus: ['Bonus', 'Bonus taken back'],
  correction: ['Correction', 'Correction'],
};

/** The sum that was moved; none of a trade, of costs, or of interest. */
export const moved = (row: Trade): number | undefined =>
  row.kind === 'deal' && MOVED[row.type_name ?? ''] ? (row.profit ?? 0) : undefined;

/** What happened, in words. */
export function happened(row: Trade): string {
  const type = capital(spaced(row.type_name ?? ''));
  if (row.kind === 'deal') {
    const sum = moved(row);
    if (sum !== undefined) return MOVED[row.type_name!]![sum < 0 ? 1 : 0];
    return row.symbol ? `${type}${row.entry_name ? `, ${ENTRIES[row.entry_name] ?? row.entry_name}` : ''}` : type;
  }
  if (row.kind === 'order') return `${type}: ${spaced(row.state_name ?? '')}`;
  const level = (value: number | undefined) => (value ? String(value) : 'none');
  return `Stops: SL ${level(row.sl)}, TP ${level(row.tp)}`;
}

/** Who caused it. */
export const ORIGINS: Record<string, string> = {
  command: 'a command',
  broker: 'the broker',
  foreign: 'by hand or another robot',
  unknown_tag: 'a command that is not kept',
  untold: 'not told',
};

/** What a deal cost: commission, swap and fee; none of another row, or of money that was moved. */
export const costs = (row: Trade): number | undefined =>
  row.kind === 'deal' && moved(row) === undefined ? (row.swap ?? 0) + (row.commission ?? 0) + (row.fee ?? 0) : undefined;

/** What a deal brought, less what it cost; none for what brings nothing. */
export function gain(row: Trade): number | undefined {
  const cost = costs(row);
  if (cost === undefined) return undefined;
  const sum = (row.profit ?? 0) + cost;
  return row.entry_name === 'in' && sum === 0 ? undefined : sum;
}

/** Decimal places that a price was written with. */
export const places = (price: number): number => String(price).split('.')[1]?.length ?? 0;

/** All rows together, where that can be true: they are of one account, and so of one currency. */
export function totals(rows: Trade[]): { deals: number; lots: number; cost: number; gain: number; moved: number } | undefined {
  const account = (row: Trade) => `${row.account?.login}@${row.account?.server}`;
  if (rows.some((row) => account(row) !== account(rows[0]!))) return undefined;
  const sum = (of: (row: Trade) => number | undefined) => rows.reduce((total, row) => total + (of(row) ?? 0), 0);
  const deals = rows.filter((row) => costs(row) !== undefined && row.symbol);
  if (deals.length === 0) return undefined;
  return {
    deals: deals.length,
    lots: deals.reduce((total, row) => total + (row.volume ?? 0), 0),
    cost: sum(costs),
    gain: sum(gain),
    moved: sum(moved),
  };
}

/** Volume of a deal, or what is left of an order. */
export const lots = (row: Trade): number | undefined =>
  row.kind === 'order' ? row.volume_initial : row.kind === 'deal' ? row.volume : undefined;

const SORTS: Record<string, string> = { key: 'API key', user: 'Person', hook: 'TradingView', hub: 'Kill switch' };

/** What kind of thing asked. */
export const sort = (maker: Maker): string => SORTS[maker.kind] ?? '';

/** Who asked, by the name of now: a person, a bot, a hook, or the hub. */
export function whose(maker: Maker): string {
  if (maker.kind === 'hub') return 'The hub';
  return maker.name || `${maker.id.slice(0, 8)}…${maker.id.slice(-4)}`;
}

/** A record of the hub's own audit. */
export type Change = components['schemas']['AuditRecord'];
