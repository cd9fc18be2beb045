import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { SymbolSpec, Terminal } from '../../api/types';
import { plain, price } from '../../lib/money';
import { now } from '../../lib/time';
import { may } from '../../lib/session';
import { Ask } from '../../ui/ask';
import { trade } from './act';
import { useTick, type Feed, type Tick } from './feed';
import { LotsField, money, PriceField, purseOf, StopWords, Whose } from './fields';
import { standing } from './prices';
import { fits, points, read } from './sizing';
import { guard, SlippageWords, useSlippage } from './slippage';

type Kind = 'market' | 'limit' | 'stop' | 'stop_limit';
type Side = 'buy' | 'sell';
const NAMES: Record<Kind, string> = { market: 'Market', limit: 'Limit', stop: 'Stop', stop_limit: 'Stop limit' };

/** An order as it would be sent. */
export interface Wanted {
  symbol: string;
  side: Side;
  type: Kind;
  volume: number;
  price?: number;
  stop_limit_price?: number;
  sl?: number;
  tp?: number;
  /** At the market: how far the price may be from the one that is seen when it is sent. */
  max_slippage_points?: number;
}

interface Props {
  feed: Feed;
  terminal: Terminal;
  spec: SymbolSpec;
  /** The order that is asked about: whoever shows the ticket keeps it until the answer is read. */
  asked: Signal<Wanted | null>;
}

/** A trade ticket; nothing is sent before a dialog has said in words what it is. */
export function Ticket({ feed, terminal, spec, asked }: Props) {
  const kind = useSignal<Kind>('market');
  const volume = useSignal(plain(spec.volume_min));
  const at = useSignal('');
  const limit = useSignal('');
  const sl = useSignal('');
  const tp = useSignal('');
  const slip = useSlippage(terminal.account.server, spec.name, spec);
  const tick = useTick(feed, spec.name).value;
  if (!may('trade:write'))
    return (
      <section class="card" aria-label="Trade ticket">
        <h2>Trade</h2>
        <p class="muted">You may close positions and cancel orders, and not open any.</p>
      </section>
    );

  const pending = kind.value !== 'market';
  const lots = read(volume.value);
  const sized = fits(lots, spec);
  const priced = !pending || (read(at.value) > 0 && (kind.value !== 'stop_limit' || read(limit.value) > 0));
  const numbers = [sl, tp].every(({ value }) => value === '' || read(value) > 0);
  const online = terminal.state === 'connected';
  const mode = spec.trade_mode_name;
  const shut = (side: Side) =>
    mode === 'disabled' || mode === 'closeonly' || mode === (side === 'buy' ? 'shortonly' : 'longonly');
  const away = (value: string) => {
    const from = pending ? read(at.value) : tick?.value.bid;
    return read(value) > 0 && from ? `${points(from, read(value), spec.digits)} points away` : undefined;
  };
  const wanted = (side: Side): Wanted => ({
    symbol: spec.name,
    side,
    type: kind.value,
    volume: lots,
    ...(pending ? { price: read(at.value) } : {}),
    ...(kind.value === 'stop_limit' ? { stop_limit_price: read(limit.value) } : {}),
    ...(sl.value ? { sl: read(sl.value) } : {}),
    ...(tp.value ? { tp: read(tp.value) } : {}),
    ...(pending ? {} : { max_slippage_points: slip.most }),
  });
  const button = (side: Side) => {
    const shown = tick && !pending ? price(side === 'buy' ? tick.value.ask : tick.value.bid, spec.digits) : '';
    return (
      <button
        type="button"
        class={side}
        disabled={!sized || !priced || !numbers || (!pending && !slip.ready) || !online || shut(side)}
        onClick={() => {
          slip.keep();
          asked.value = wanted(side);
        }}
      >
        {side === 'buy' ? 'Buy' : 'Sell'} {shown && <span class="at">{shown}</span>}
      </button>
    );
  };
  const kinds: Kind[] = terminal.platform === 'mt4' ? ['market', 'limit', 'stop'] : ['market', 'limit', 'stop', 'stop_limit'];
  return (
    <section class="card ticket stack" aria-label="Trade ticket">
      <div class="row between">
        <h2>Trade {spec.name}</h2>
        {terminal.trade_mode_name === 'real' && <span class="badge plain bad">REAL money</span>}
      </div>
      <div class="segmented" role="group" aria-label="Kind of order">
        {kinds.map((one) => (
          <button type="button" key={one} aria-pressed={kind.value === one} onClick={() => (kind.value = one)}>
            {NAMES[one]}
          </button>
        ))}
      </div>
      <LotsField label="Volume in lots" value={volume} spec={spec} />
      {!sized && (
        <p class="error small">
          From {plain(spec.volume_min)} to {plain(spec.volume_max)} in steps of {plain(spec.volume_step)}
        </p>
      )}
      {pending && <PriceField label={kind.value === 'stop_limit' ? 'Stop price' : 'Price'} value={at} />}
      {kind.value === 'stop_limit' && <PriceField label="Limit price" value={limit} />}
      <div class="pair">
        <PriceField label="Stop loss" value={sl} hint={away(sl.value)} />
        <PriceField label="Take profit" value={tp} hint={away(tp.value)} />
      </div>
      {!pending && slip.field}
      <div class="sides">
        {button('sell')}
        {button('buy')}
      </div>
      {!online && <p class="small muted">The terminal is not connected.</p>}
      {online && (shut('buy') || shut('sell')) && (
        <p class="small muted">
          The broker allows {standing(undefined, terminal, spec, now.value).at(-1)?.toLowerCase()} in {spec.name}.
        </p>
      )}
      {asked.value && (
        <Confirmation
          feed={feed}
          terminal={terminal}
          spec={spec}
          tick={tick}
          order={asked.value}
          onClose={() => (asked.value = null)}
        />
      )}
    </section>
  );
}

interface ConfirmationProps {
  feed: Feed;
  terminal: Terminal;
  spec: SymbolSpec;
  tick: Tick | undefined;
  order: Wanted;
  onClose: () => void;
}

/** Says in words what will be sent, to which account, and what it may cost. */
function Confirmation({ feed, terminal, spec, tick, order, onClose }: ConfirmationProps) {
  const { side, volume, type } = order;
  const purse = purseOf(feed, terminal);
  const seen = useRef<number | undefined>(undefined);
  const margin = useSignal<string | undefined>(undefined);
  const path = { terminal: terminal.id };
  const verb = side === 'buy' ? 'Buy' : 'Sell';
  useEffect(() => {
    const body = { symbol: spec.name, side, volume, ...(order.price ? { price: order.price } : {}) };
    ok(hub.POST('/api/v1/terminals/{terminal}/calc/margin', { params: { path }, body })).then(
      (answer) => (margin.value = `about ${money(answer.margin, { currency: answer.currency, digits: purse.digits })}`),
      () => (margin.value = 'not known'),
    );
  }, []);
  const market = type === 'market';
  // Sent again it holds the price that was on the screen when it was confirmed.
  const send = (more: object = {}) => {
    const body = { ...order, ...(market ? guard(order.max_slippage_points, seen.current) : {}), ...more };
    return trade((header) => hub.POST('/api/v1/terminals/{terminal}/orders', { params: { path, header }, body }));
  };
  const now_ = tick && (side === 'buy' ? tick.value.ask : tick.value.bid);
  const from = market ? now_ : type === 'stop_limit' ? order.stop_limit_price : order.price;
  const said = standing(tick, terminal, spec, now.value);
  const free = feed.account.value?.value.margin_free;
  return (
    <Ask
      title={`${verb} ${plain(volume)} ${spec.name}?`}
      verb={`${verb} ${plain(volume)} lots`}
      danger={side === 'sell'}
      ready={!market || order.max_slippage_points === undefined || now_ !== undefined}
      action={() => {
        seen.current = now_;
        return send();
      }}
      anyway={() => send({ allow_duplicate: true })}
      onClose={(told) => {
        onClose();
        if (told?.done) void feed.read();
      }}
    >
      <p>
        A {NAMES[type].toLowerCase()} order on <Whose terminal={terminal} />
        {market ? `, at about ${now_ ? price(now_, spec.digits) : 'the market'}` : ` at ${order.price}`}
        {type === 'stop_limit' && `, then a limit order at ${order.stop_limit_price}`}.
      </p>
      {market && said.length > 0 && <p class="note warn">{said.join('. ')}.</p>}
      {market && <SlippageWords most={order.max_slippage_points} seen={now_ ? price(now_, spec.digits) : undefined} />}
      <dl class="facts">
        {from !== undefined && (
          <StopWords side={side} from={from} sl={order.sl ?? 0} tp={order.tp ?? 0} lots={volume} spec={spec} purse={purse} />
        )}
        <div>
          <dt>Margin</dt>
          <dd>
            {margin.value ?? '…'}
            {free !== undefined && ` of ${money(free, purse)} free`}
          </dd>
        </div>
      </dl>
      {!order.sl && <p class="note warn">Without a stop loss.</p>}
    </Ask>
  );
}
