// Records as the hub sends them, for tests: whole, with what a test is about changed.
import type { Command, Deal } from '../src/api/types';

type Change = Partial<Omit<Command, 'result' | 'request' | 'state'>> & {
  result?: Partial<NonNullable<Command['result']>>;
  request?: Partial<Command['request']>;
};

const RESULT: NonNullable<Command['result']> = {
  retcode: 10009,
  retcode_name: 'done',
  retcode_external: 0,
  deal: 0,
  order: 0,
  volume: 0,
  price: 0,
  bid: 0,
  ask: 0,
  comment: '',
  request_id: 0,
};

const REQUEST: Command['request'] = {
  action: 1,
  action_name: 'deal',
  magic: 0,
  order: 0,
  symbol: 'EURUSD',
  volume: 0.01,
  price: 0,
  stoplimit: 0,
  sl: 0,
  tp: 0,
  deviation: 0,
  type: 0,
  type_name: 'buy',
  type_filling: 0,
  type_filling_name: 'fok',
  type_time: 0,
  type_time_name: 'gtc',
  expiration: 0,
  comment: '',
  position: 0,
  position_by: 0,
};

/** A command in a state; of a newer hub's state, too. */
export const command = (state: string, { result, request, ...change }: Change = {}): Command => ({
  id: 'cmd_1',
  state: state as Command['state'],
  final: !['dispatched', 'accepted', 'unknown'].includes(state),
  account: { login: 1001, server: 'Demo' },
  terminal: 'tok_1',
  instance: 'run_1',
  key: 'key_a',
  by: { kind: 'key', id: 'key_a', name: 'my bot' },
  states: [],
  request: { ...REQUEST, ...request },
  result: result ? { ...RESULT, ...result } : null,
  reason: null,
  adjudication: null,
  parent: null,
  tag: 1,
  created_at: '2026-11-22T15:00:00.000Z',
  updated_at: '2026-11-22T15:00:00.182Z',
  deadline_at: '2026-11-22T15:00:10.000Z',
  client_order_id: null,
  ...change,
});

export const deal = (time_msc: number, profit: number, change: Partial<Deal> = {}): Deal => ({
  ticket: time_msc,
  order: 0,
  position_id: 1,
  symbol: 'EURUSD',
  type: 1,
  type_name: 'sell',
  entry: 1,
  entry_name: 'out',
  reason: 0,
  reason_name: 'client',
  volume: 1,
  price: 1,
  profit,
  swap: 0,
  commission: 0,
  fee: 0,
  magic: 0,
  comment: '',
  external_id: '',
  time: '',
  time_msc,
  broker_time: null,
  ...change,
});
