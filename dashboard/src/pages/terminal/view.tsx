import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { SymbolSpec, Terminal } from '../../api/types';
import { go, where } from '../../lib/router';
import { may } from '../../lib/session';
import { Failed } from '../../ui/empty';
import { AccountCard } from './account';
import { ChartCard, TIMEFRAMES } from './chart';
import { EquityCard } from './equity';
import { Feed } from './feed';
import { LatencyCard } from './latency';
import { OrdersCard } from './orders';
import { PositionsCard } from './positions';
import { remember, remembered, type Shown } from './remembered';
import './terminal.css';
import { Ticket, type Wanted } from './ticket';

/** Everything of one terminal. The symbol and the timeframe are in the address. */
export function View({ terminal }: { terminal: Terminal }) {
  const symbols = useSignal<SymbolSpec[] | undefined>(undefined);
  const failure = useSignal('');
  const feed = useSignal<Feed | null>(null);
  const order = useSignal<Wanted | null>(null);
  const traded = useRef<SymbolSpec | undefined>(undefined);
  useEffect(() => {
    const opened = new Feed(terminal.id, terminal.account);
    feed.value = opened;
    return () => opened.close();
  }, []);
  const load = async () => {
    const params = { path: { terminal: terminal.id } };
    try {
      symbols.value = (await ok(hub.GET('/api/v1/terminals/{terminal}/symbols', { params }))).data;
      failure.value = '';
    } catch (error) {
      failure.value = sentence(error);
    }
  };
  // What was known stays in sight while the terminal is away.
  useEffect(() => {
    if (terminal.state === 'connected') void feed.value?.read();
    if (terminal.state === 'connected' || !symbols.peek()) void load();
  }, [terminal.session?.id, terminal.state]);
  const known = symbols.value ?? [];
  const { server } = terminal.account;
  const choices: Shown[] = symbols.value ?? remembered(server);
  const query = where.value.searchParams;
  const shown = choices.find((one) => one.name === query.get('symbol')) ?? choices[0];
  const spec = known.find((one) => one.name === shown?.name);
  const asked = query.get('timeframe') ?? '';
  const timeframe = TIMEFRAMES.some(([name]) => name === asked) ? asked : 'M5';
  useEffect(() => {
    if (spec) remember(server, spec);
  }, [spec?.name]);
  // An order that is asked about stays, also when the symbol is not in the list for a moment.
  if (!order.value || spec?.name === traded.current?.name) traded.current = spec;
  const ticket = traded.current;
  if (!feed.value) return null;
  const choose = (change: Record<string, string>) => {
    const next = new URLSearchParams({ symbol: shown?.name ?? '', timeframe, ...change });
    go(`${location.pathname}?${next}`, true);
  };
  return (
    <div class="stack live">
      <AccountCard feed={feed.value} terminal={terminal} />
      {failure.value && terminal.state === 'connected' && <Failed what={failure.value} again={() => void load()} />}
      <div class={`terminal-grid ${may('trade:write') || may('trade:reduce') ? '' : 'alone'}`}>
        {shown ? (
          <ChartCard feed={feed.value} terminal={terminal} spec={shown} symbols={choices} timeframe={timeframe} choose={choose} />
        ) : (
          <section class="card muted chart-waits" aria-label="Chart">
            {symbols.value
              ? 'The terminal shows no symbol in its Market Watch.'
              : terminal.state === 'connected'
                ? 'Reading its symbols…'
                : 'Its symbols are not known while it is not connected.'}
          </section>
        )}
        {(may('trade:write') || may('trade:reduce')) && ticket && (
          <Ticket key={ticket.name} feed={feed.value} terminal={terminal} spec={ticket} asked={order} />
        )}
      </div>
      <PositionsCard feed={feed.value} terminal={terminal} symbols={known} />
      <OrdersCard feed={feed.value} terminal={terminal} symbols={known} />
      <div class="cards halves">
        <EquityCard feed={feed.value} terminal={terminal} />
        <LatencyCard terminal={terminal} />
      </div>
    </div>
  );
}
