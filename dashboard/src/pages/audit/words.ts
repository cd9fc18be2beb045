// Records of the audit in words.
import type { Command } from '../../api/types';
import type { IconName } from '../../ui/icon';

/** How a command ended, for a chip: never by colour alone. */
export interface Outcome {
  word: string;
  tone: 'good' | 'warn' | 'bad' | '';
  icon: IconName;
  more: string;
}

const spaced = (text: string) => text.replaceAll('_', ' ');
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** What the broker or the terminal said: the number and its words. */
export function said(command: Command): string {
  const { result, reason } = command;
  if (result?.retcode)
    return `${result.retcode}${result.retcode_name ? ` ${spaced(result.retcode_name)}` : ''}${reason ? `: ${reason}` : ''}`;
  return reason ?? '';
}

/** Unknown is not failed. */
export function outcome(command: Command): Outcome {
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
      return { word: 'Too late', tone: '', icon: 'clock', more: more || 'its time was over before it was sent' };
    case 'adjudicated': {
      const decision = command.adjudication;
      return {
        word: 'Decided',
        tone: decision?.outcome === 'not_executed' ? '' : 'good',
        icon: 'users',
        more: decision ? `${spaced(decision.outcome)}, by ${decision.by}: ${decision.reason}` : more,
      };
    }
    default:
      return command.final
        ? { word: capital(spaced(command.state)), tone: '', icon: 'help', more }
        : { word: 'Under way', tone: '', icon: 'clock', more };
  }
}

/** What was asked for, in words. */
export function action(command: Command): string {
  const request = command.request;
  if (!request) return 'Many commands';
  const number = (name: 'sl' | 'tp' | 'price' | 'position' | 'volume' | 'order' | 'position_by') => Number(request[name] ?? 0);
  const levels = () =>
    [number('sl') > 0 && `stop loss ${number('sl')}`, number('tp') > 0 && `take profit ${number('tp')}`]
      .filter(Boolean)
      .join(', ');
  const what = capital(spaced(String(request.type_name ?? '')));
  const at = number('price') > 0 ? ` at ${number('price')}` : '';
  switch (request.action_name) {
    case 'deal':
      return number('position') > 0
        ? `Close #${number('position')}: ${what.toLowerCase()} ${number('volume')} ${request.symbol}`
        : [`${what} ${number('volume')} ${request.symbol}`, levels()].filter(Boolean).join(', ');
    case 'pending':
      return [`${what} ${number('volume')} ${request.symbol}${at}`, levels()].filter(Boolean).join(', ');
    case 'sltp':
      return `Stops of #${number('position')}: ${levels() || 'none'}`;
    case 'modify':
      return [`Change order #${number('order')}${at}`, levels()].filter(Boolean).join(', ');
    case 'remove':
      return `Cancel order #${number('order')}`;
    case 'close_by':
      return `Close #${number('position')} by #${number('position_by')}`;
    default:
      return capital(spaced(String(request.action_name ?? 'Trade')));
  }
}

/** What came of it, in figures. */
export function result(command: Command): string {
  const found = command.result;
  if (!found) return '';
  return [
    found.volume && `${found.volume} lots`,
    found.price && `at ${found.price}`,
    found.deal && `deal #${found.deal}`,
    found.order && `order #${found.order}`,
  ]
    .filter(Boolean)
    .join(' ');
}

/** From the hub's taking it to its end; none before that. */
export function latency(command: Command): string {
  if (!command.final) return '';
  const ms = Date.parse(command.updated_at) - Date.parse(command.created_at);
  return ms < 1000 ? `${Math.max(0, ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** A row of the trade history, as the hub tells it. */
export interface Trade {
  kind: 'deal' | 'order' | 'position';
  at: string;
  seen_at: string;
  updated_at: string;
  source: string;
  origin: string;
  command: string | null;
  ticket: number;
  order?: number;
  position_id?: number;
  symbol: string;
  type_name?: string;
  entry_name?: string;
  state_name?: string;
  reason_name?: string;
  volume?: number;
  volume_initial?: number;
  volume_current?: number;
  price?: number;
  price_open?: number;
  sl?: number;
  tp?: number;
  profit?: number;
  swap?: number;
  commission?: number;
  fee?: number;
  comment?: string;
  account?: { login: number; server: string };
}

const ENTRIES: Record<string, string> = { in: 'opens', out: 'closes', inout: 'turns round', out_by: 'closes by another' };

/** What happened, in words. */
export function happened(row: Trade): string {
  const type = capital(spaced(row.type_name ?? ''));
  if (row.kind === 'deal')
    return row.symbol ? `${type}${row.entry_name ? `, ${ENTRIES[row.entry_name] ?? row.entry_name}` : ''}` : type;
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

/** What a deal brought; none for what brings nothing. */
export function gain(row: Trade): number | undefined {
  if (row.kind !== 'deal') return undefined;
  const sum = (row.profit ?? 0) + (row.swap ?? 0) + (row.commission ?? 0) + (row.fee ?? 0);
  return row.entry_name === 'in' && sum === 0 ? undefined : sum;
}

/** Volume of a deal, or what is left of an order. */
export const lots = (row: Trade): number | undefined =>
  row.kind === 'order' ? row.volume_initial : row.kind === 'deal' ? row.volume : undefined;

/** The id of the hub itself, where it stands for a key. */
const HUB = /^key_0+$/;

/** Who asked: a key by its name, the hub, or somebody at this page. */
export function whose(id: string | undefined, names: Map<string, string> | undefined): string {
  if (!id) return '';
  if (HUB.test(id)) return 'The hub';
  const name = names?.get(id);
  if (name !== undefined) return name;
  // Keys that are known and this one not among them: a person's own line.
  return names ? 'Dashboard' : `${id.slice(0, 8)}…${id.slice(-4)}`;
}
