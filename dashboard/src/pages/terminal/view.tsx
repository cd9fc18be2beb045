import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { SymbolSpec, Terminal } from '../../api/types';
import { go, where } from '../../lib/router';
import { may } from '../../lib/session';
import { AccountCard } from './account';
import { ChartCard } from './chart';
import { EquityCard } from './equity';
import { LatencyCard } from './latency';
import { OrdersCard, PositionsCard } from './book';
import { Ticket } from './ticket';
import { Feed } from './feed';

/** Everything of one terminal. The symbol and the timeframe are in the address. */
export function View({ terminal }: { terminal: Terminal }) {
  const symbols = useSignal<SymbolSpec[]>([]);
  const feed = useSignal<Feed | null>(null);
  useEffect(() => {
    const opened = new Feed(terminal.id, terminal.account);
    feed.value = opened;
    ok(hub.GET('/api/v1/terminals/{terminal}/symbols', { params: { path: { terminal: terminal.id } } })).then(
      (list) => (symbols.value = list.data),
      () => undefined,
    );
    return () => opened.close();
  }, [terminal.session?.id]);
  const query = where.value.searchParams;
  const symbol = query.get('symbol') ?? symbols.value[0]?.name ?? '';
  const timeframe = query.get('timeframe') ?? 'M5';
  const choose = (change: Record<string, string>) => {
    const next = new URLSearchParams({ symbol, timeframe, ...change });
    go(`${location.pathname}?${next}`, true);
  };
  const spec = symbols.value.find((one) => one.name === symbol);
  if (!feed.value) return null;
  return (
    <div class="stack live">
      <AccountCard feed={feed.value} terminal={terminal} />
      <div class="terminal-grid">
        <ChartCard
          key={`${symbol} ${timeframe}`}
          feed={feed.value}
          terminal={terminal}
          symbol={symbol}
          spec={spec}
          symbols={symbols.value}
          timeframe={timeframe}
          choose={choose}
        />
        {(may('trade:write') || may('trade:reduce')) && spec && (
          <Ticket key={symbol} feed={feed.value} terminal={terminal} spec={spec} />
        )}
      </div>
      <PositionsCard feed={feed.value} terminal={terminal} symbols={symbols.value} />
      <OrdersCard feed={feed.value} terminal={terminal} symbols={symbols.value} />
      <div class="cards halves">
        <EquityCard feed={feed.value} terminal={terminal} />
        <LatencyCard terminal={terminal} />
      </div>
    </div>
  );
}
