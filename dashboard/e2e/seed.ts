// A hub as it looks after some weeks: terminals in every state, trades, an indicator, keys, users.
import type { Hub, Terminals } from './hub';

export interface Seeded {
  first: string;
  terminals: Terminals;
}

export async function seed(hub: Hub): Promise<Seeded> {
  const one = await hub.connected('ICMarkets Demo', 1001, '--speed', '60', '--start', '2024-03-12 08:00');
  const two = await hub.connected('VPS Frankfurt', 1002, '--speed', '60');
  await two.terminals.ask('PUT', '/terminals/1002/switches', { terminal_trade_allowed: false });
  const gone = await hub.connected('Laptop', 1003);
  await gone.terminals.stop();
  await hub.mint('Pepperstone Live');
  const revoked = await hub.mint('Old machine');
  await hub.call('DELETE', `/api/v1/tokens/${revoked.id}`);
  await trades(hub, one.id, one.terminals);
  await hub.call('POST', '/api/v1/keys', {
    name: 'mean-reversion bot',
    permissions: ['read:bars', 'read:quotes', 'trade:reduce', 'trade:write'],
    plan: 'pro',
    symbols: ['EURUSD'],
    expires_at: new Date(Date.now() + 80 * 86_400_000).toISOString(),
  });
  await hub.call('POST', '/api/v1/keys', {
    name: 'signals',
    permissions: ['read:bars', 'write:indicators', 'read:indicators', 'delete:indicators'],
    ips: ['203.0.113.0/24'],
  });
  await hub.user('bob', 'viewer');
  await hub.call('POST', '/api/v1/users', { login: 'carol', role: 'member', name: 'Carol' });
  return { first: one.id, terminals: one.terminals };
}

/** Some closed, some open, one that waits, and an indicator over them. */
async function trades(hub: Hub, id: string, terminals: Terminals): Promise<void> {
  const base = `/api/v1/terminals/${id}`;
  const send = (path: string, body: unknown) =>
    hub.call<{ state: string; result: { order: number } | null }>('POST', `${base}${path}`, body, {
      'idempotency-key': crypto.randomUUID(),
      prefer: 'wait=8',
    });
  for (let turn = 0; turn < 4; turn++) {
    await send('/orders', { symbol: 'EURUSD', side: turn % 2 ? 'buy' : 'sell', type: 'market', volume: (3 + turn) / 10 });
    await terminals.ask('POST', '/terminals/1001/advance', { ms: 2_400_000 });
    await send('/positions/close-all', {});
    await terminals.ask('POST', '/terminals/1001/advance', { ms: 1_200_000 });
  }
  const quote = await hub.call<{ data: { bid: number }[] }>('GET', `${base}/quotes?symbols=EURUSD`);
  const away = (by: number) => Number((quote.data[0]!.bid + by).toFixed(5));
  await send('/orders', { symbol: 'EURUSD', side: 'buy', type: 'market', volume: 0.5, sl: away(-0.003), tp: away(0.004) });
  await send('/orders', { symbol: 'EURUSD', side: 'buy', type: 'limit', volume: 0.2, price: away(-0.0015) });
  const bars = await hub.call<{ data: { time_msc: number; high: number; low: number }[] }>(
    'GET',
    `${base}/bars/EURUSD?timeframe=M5&limit=60`,
  );
  const at = (index: number) => bars.data[index]!;
  await hub.call('POST', '/api/external/indicators/swing', {
    indicator_name: 'Swing points',
    symbol: 'EURUSD',
    timeframe: 5,
    points: [
      { time: at(20).time_msc / 1000, type: 'high', price: at(20).high, label: 'HH' },
      { time: at(40).time_msc / 1000, type: 'low', price: at(40).low, label: 'HL' },
    ],
    lines: [
      { id: 'support', price: away(-0.001), start_time: at(5).time_msc / 1000, bars: 50, label: 'support', style: 'dashed' },
    ],
  });
}
