// Changing what is open: each behind a question that says on which account, and each sent once.
import { useSignal } from '@preact/signals';
import { hub } from '../../api/client';
import type { Order, Position, SymbolSpec, Terminal } from '../../api/types';
import { price, signed } from '../../lib/money';
import { Ask } from '../../ui/ask';
import { trade } from './act';
import { LotsField, PriceField, StopWords, Whose } from './fields';
import { stepped } from './sizing';

interface Props {
  terminal: Terminal;
  spec: SymbolSpec | undefined;
  done: () => void;
}
const shown = (value: number) => (value ? String(value) : '');

/** Closes a position, or a part of it. */
export function Close({ terminal, position, spec, done }: Props & { position: Position }) {
  const volume = useSignal(String(position.volume));
  const lots = Number(volume.value);
  const rest = Number((position.volume - lots).toFixed(8));
  const on = (value: number) => !spec || Math.abs(stepped(stepped(value, 1, spec), -1, spec) - value) < 1e-9;
  const ready = lots === position.volume || (lots > 0 && rest > 0 && on(lots) && (!spec || rest >= spec.volume_min - 1e-9));
  return (
    <Ask
      title={`Close ${position.symbol}?`}
      verb={`Close ${ready ? lots : ''} lots`}
      danger
      ready={ready}
      onClose={done}
      action={() =>
        trade((header) =>
          hub.POST('/api/v1/terminals/{terminal}/positions/{ticket}/close', {
            params: { path: { terminal: terminal.id, ticket: String(position.ticket) }, header },
            body: lots === position.volume ? {} : { volume: lots },
          }),
        )
      }
    >
      <p>
        {position.type_name} {position.volume} {position.symbol} since {price(position.price_open, spec?.digits ?? 5)}, now{' '}
        {signed(position.profit)}, at the market on <Whose terminal={terminal} />.
      </p>
      {spec && <LotsField label="Lots to close" value={volume} spec={spec} most={position.volume} />}
      {!ready && spec && (
        <p class="error small">
          All of it, or a part in steps of {spec.volume_step} that leaves at least {spec.volume_min}.
        </p>
      )}
      {ready && rest > 0 && <p class="small muted">{rest} lots stay open.</p>}
    </Ask>
  );
}

/** Closes all positions, or all of a symbol. */
export function CloseAll({ terminal, rows, symbol, done }: Omit<Props, 'spec'> & { rows: Position[]; symbol?: string }) {
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
        Now: {signed(total)}.
      </p>
    </Ask>
  );
}

/** An empty field takes the level away; one that was not touched keeps it. */
function changed(before: number, field: string): number | null | undefined {
  if (field === shown(before)) return undefined;
  return field ? Number(field) : null;
}

/** New stops of a position. */
export function Stops({ terminal, position, spec, currency, done }: Props & { position: Position; currency: string }) {
  const sl = useSignal(shown(position.sl));
  const tp = useSignal(shown(position.tp));
  const change = { sl: changed(position.sl, sl.value), tp: changed(position.tp, tp.value) };
  const given = Object.values(change).filter((value) => value !== undefined);
  return (
    <Ask
      title={`Stops of ${position.symbol} #${position.ticket}`}
      verb="Change"
      ready={given.length > 0 && given.every((value) => value === null || value > 0)}
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
        {position.type_name} {position.volume} since {price(position.price_open, spec?.digits ?? 5)}, on{' '}
        <Whose terminal={terminal} />.
      </p>
      <div class="ticket pair">
        <PriceField label="Stop loss" value={sl} />
        <PriceField label="Take profit" value={tp} />
      </div>
      {spec && (
        <dl class="facts">
          <StopWords
            side={position.type_name === 'sell' ? 'sell' : 'buy'}
            from={position.price_current}
            sl={Number(sl.value) || 0}
            tp={Number(tp.value) || 0}
            lots={position.volume}
            spec={spec}
            currency={`${currency} from now on`}
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
  const whole = (before: number, field: string) => (field === shown(before) ? undefined : Number(field));
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
