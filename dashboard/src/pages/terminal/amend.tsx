// Changing what is open: each behind a question that says on which account, and each sent once.
import { useSignal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { hub } from '../../api/client';
import type { Order, Position, SymbolSpec, Terminal } from '../../api/types';
import { plain, price } from '../../lib/money';
import { Ask } from '../../ui/ask';
import { trade } from './act';
import { useTick, type Feed } from './feed';
import { gained, LotsField, PriceField, purseOf, StopWords, Whose } from './fields';
import { Old } from './rows';
import { read, stepped } from './sizing';
import { guard, SlippageWords, useSlippage } from './slippage';

interface Props {
  terminal: Terminal;
  spec: SymbolSpec | undefined;
  done: () => void;
}
const shown = (value: number) => (value ? plain(value) : '');

/** The position as it is now, if it still is. */
const present = (feed: Feed, { ticket }: Position) => feed.positions.value?.value.find((row) => row.ticket === ticket);
const Gone = () => (
  <p class="note warn" role="alert">
    This position is not open any more.
  </p>
);

/** Closes a position, or a part of it: as many lots as the button says, whatever became of it meanwhile. */
export function Close({ feed, terminal, position, spec, done }: Props & { feed: Feed; position: Position }) {
  // What the question is about; another volume is another question.
  const [asked, ask] = useState(position);
  const volume = useSignal(plain(asked.volume));
  const sent = useSignal(false);
  const slip = useSlippage(terminal.account.server, asked.symbol, spec);
  const tick = useTick(feed, asked.symbol).value?.value;
  const row = present(feed, asked);
  const { profit, swap, price_current, type_name } = row ?? asked;
  const gone = !row && !sent.value;
  const other = row && !sent.value && (row.volume !== asked.volume || row.type_name !== asked.type_name) ? row : undefined;
  const lots = read(volume.value);
  const rest = Number((asked.volume - lots).toFixed(8));
  const on = (value: number) => !spec || Math.abs(stepped(stepped(value, 1, spec), -1, spec) - value) < 1e-9;
  const sized = lots === asked.volume || (lots > 0 && rest > 0 && on(lots) && (!spec || rest >= spec.volume_min - 1e-9));
  const seen = (tick && (type_name === 'sell' ? tick.ask : tick.bid)) || price_current;
  const at = (value: number) => price(value, spec?.digits ?? 5);
  return (
    <Ask
      title={`Close ${asked.symbol}?`}
      verb={`Close ${sized ? plain(lots) : ''} lots`}
      danger
      ready={sized && slip.ready && !gone && !other}
      onClose={done}
      action={() => {
        sent.value = true;
        const body = { volume: lots, ...guard(slip.most, seen) };
        return trade((header) =>
          hub.POST('/api/v1/terminals/{terminal}/positions/{ticket}/close', {
            params: { path: { terminal: terminal.id, ticket: String(asked.ticket) }, header },
            body,
          }),
        );
      }}
    >
      <p>
        {asked.type_name} {plain(asked.volume)} {asked.symbol} since {at(asked.price_open)}, now at {at(seen)}:{' '}
        {gained(profit + swap, purseOf(feed, terminal))} with swap. At the market on <Whose terminal={terminal} />.{' '}
        <Old known={feed.positions.value} />
      </p>
      {gone && <Gone />}
      {other && (
        <p class="note warn" role="alert">
          It was {asked.type_name} {plain(asked.volume)} when this was asked, and is {other.type_name} {plain(other.volume)} lots
          now.{' '}
          <button
            type="button"
            onClick={() => {
              ask(other);
              volume.value = plain(other.volume);
            }}
          >
            Ask anew
          </button>
        </p>
      )}
      {spec && <LotsField label="Lots to close" value={volume} spec={spec} most={asked.volume} />}
      {!sized && spec && (
        <p class="error small">
          All of it, or a part in steps of {plain(spec.volume_step)} that leaves at least {plain(spec.volume_min)}.
        </p>
      )}
      {sized && rest > 0 && <p class="small muted">{plain(rest)} lots stay open.</p>}
      {slip.field}
      {slip.ready && <SlippageWords most={slip.most} seen={at(seen)} />}
    </Ask>
  );
}

type All = Omit<Props, 'spec'> & { feed: Feed; rows: Position[]; symbol?: string };

/** Closes all positions, or all of a symbol. */
export function CloseAll({ feed, terminal, rows, symbol, done }: All) {
  const meant = symbol ? rows.filter((row) => row.symbol === symbol) : rows;
  const total = meant.reduce((sum, row) => sum + row.profit + row.swap, 0);
  return (
    <Ask
      title={symbol ? `Close all of ${symbol}?` : 'Close all positions?'}
      verb={`Close ${meant.length}`}
      danger
      onClose={done}
      action={() =>
        trade((header) =>
          hub.POST('/api/v1/terminals/{terminal}/positions/close-all', {
            params: { path: { terminal: terminal.id }, header },
            body: symbol ? { symbol } : {},
          }),
        )
      }
    >
      <p>
        {meant.length === 1 ? 'The one position' : `All ${meant.length} positions`}
        {symbol && ` in ${symbol}`} on <Whose terminal={terminal} /> {meant.length === 1 ? 'is' : 'are'} closed at the market.
        Now: {gained(total, purseOf(feed, terminal))} with swap.
      </p>
    </Ask>
  );
}

/** An empty field takes the level away; one that was not touched keeps it. */
function changed(before: number, field: string): number | null | undefined {
  if (field === shown(before)) return undefined;
  return field ? read(field) : null;
}

/** New stops of a position. */
export function Stops({ feed, terminal, position, spec, done }: Props & { feed: Feed; position: Position }) {
  const row = present(feed, position);
  const { type_name, volume, price_open, price_current } = row ?? position;
  const sl = useSignal(shown(position.sl));
  const tp = useSignal(shown(position.tp));
  const change = { sl: changed(position.sl, sl.value), tp: changed(position.tp, tp.value) };
  const given = Object.values(change).filter((value) => value !== undefined);
  return (
    <Ask
      title={`Stops of ${position.symbol} #${position.ticket}`}
      verb="Change"
      ready={!!row && given.length > 0 && given.every((value) => value === null || value > 0)}
      onClose={done}
      action={() =>
        trade((header) =>
          hub.PATCH('/api/v1/terminals/{terminal}/positions/{ticket}', {
            params: { path: { terminal: terminal.id, ticket: String(position.ticket) }, header },
            body: change,
          }),
        )
      }
    >
      <p>
        {type_name} {plain(volume)} since {price(price_open, spec?.digits ?? 5)}, on <Whose terminal={terminal} />.{' '}
        <Old known={feed.positions.value} />
      </p>
      {!row && <Gone />}
      <div class="ticket pair">
        <PriceField label="Stop loss" value={sl} />
        <PriceField label="Take profit" value={tp} />
      </div>
      {spec && (
        <dl class="facts">
          <StopWords
            side={type_name === 'sell' ? 'sell' : 'buy'}
            from={price_current}
            sl={read(sl.value) || 0}
            tp={read(tp.value) || 0}
            lots={volume}
            spec={spec}
            purse={purseOf(feed, terminal)}
            more="from now on"
          />
        </dl>
      )}
      {change.sl === null && <p class="note warn">The stop loss is taken away.</p>}
    </Ask>
  );
}

/** New price or stops of an order that waits. */
export function Amend({ terminal, order, spec, done }: Props & { order: Order }) {
  const limited = order.price_stoplimit > 0;
  const at = useSignal(shown(order.price_open));
  const limit = useSignal(shown(order.price_stoplimit));
  const sl = useSignal(shown(order.sl));
  const tp = useSignal(shown(order.tp));
  const whole = (before: number, field: string) => (field === shown(before) ? undefined : read(field));
  const change = {
    price: whole(order.price_open, at.value),
    stop_limit_price: limited ? whole(order.price_stoplimit, limit.value) : undefined,
    sl: changed(order.sl, sl.value),
    tp: changed(order.tp, tp.value),
  };
  const given = Object.values(change).filter((value) => value !== undefined);
  return (
    <Ask
      title={`Change order #${order.ticket}`}
      verb="Change the order"
      ready={given.length > 0 && given.every((value) => value === null || value > 0)}
      onClose={done}
      action={() =>
        trade((header) =>
          hub.PATCH('/api/v1/terminals/{terminal}/orders/{ticket}', {
            params: { path: { terminal: terminal.id, ticket: String(order.ticket) }, header },
            body: change,
          }),
        )
      }
    >
      <p>
        {order.type_name?.replaceAll('_', ' ')} {order.volume_current} {order.symbol} at{' '}
        {price(order.price_open, spec?.digits ?? 5)}, on <Whose terminal={terminal} />.
      </p>
      <PriceField label={limited ? 'Stop price' : 'Price'} value={at} />
      {limited && <PriceField label="Limit price" value={limit} />}
      <div class="ticket pair">
        <PriceField label="Stop loss" value={sl} />
        <PriceField label="Take profit" value={tp} />
      </div>
      {change.sl === null && <p class="note warn">The stop loss is taken away.</p>}
    </Ask>
  );
}

/** Cancels an order that waits. */
export function Cancel({ terminal, order, spec, done }: Props & { order: Order }) {
  return (
    <Ask
      title={`Cancel order #${order.ticket}?`}
      verb="Cancel the order"
      danger
      onClose={done}
      action={() =>
        trade((header) =>
          hub.DELETE('/api/v1/terminals/{terminal}/orders/{ticket}', {
            params: { path: { terminal: terminal.id, ticket: String(order.ticket) }, header },
          }),
        )
      }
    >
      <p>
        {order.type_name?.replaceAll('_', ' ')} {order.volume_current} {order.symbol} at{' '}
        {price(order.price_open, spec?.digits ?? 5)}, on <Whose terminal={terminal} />.
      </p>
    </Ask>
  );
}
