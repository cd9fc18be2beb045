import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { SymbolSpec, Terminal } from '../../api/types';
import { price } from '../../lib/money';
import { now } from '../../lib/time';
import { may } from '../../lib/session';
import { Ask } from '../../ui/ask';
import { trade } from './act';
import { useTick, type Feed } from './feed';
import { LotsField, money, PriceField, StopWords, Whose } from './fields';
import { standing } from './prices';
import { fits, points } from './sizing';

type Kind = 'market' | 'limit' | 'stop' | 'stop_limit';
type Side = 'buy' | 'sell';
const NAMES: Record<Kind, string> = { market: 'Market', limit: 'Limit', stop: 'Stop', stop_limit: 'Stop limit' };

/** An order as it would be sent. */
interface Wanted {
  symbol: string;
  side: Side;
  type: Kind;
  volume: number;
  price?: number;
  stop_limit_price?: number;
  sl?: number;
  tp?: number;
}

/** A trade ticket; nothing is sent before a dialog has said in words what it is. */
export function Ticket({ feed, terminal, spec }: { feed: Feed; terminal: Terminal; spec: SymbolSpec }) {
  const kind = useSignal<Kind>('market');
  const volume = useSignal(String(spec.volume_min));
  const at = useSignal('');
  const limit = useSignal('');
  const sl = useSignal('');
  const tp = useSignal('');
  const asked = useSignal<Wanted | null>(null);
  const tick = useTick(feed, spec.name).value;
  if (!may('trade:write'))
    return (
      <section class="card" aria-label="Trade ticket">
        <h2>Trade</h2>
        <p class="muted">You may close positions and cancel orders, and not open any.</p>
      </section>
    );

  const pending = kind.value !== 'market';
  const lots = Number(volume.value);
  const sized = fits(lots, spec);
  const priced = !pending || (Number(at.value) > 0 && (kind.value !== 'stop_limit' || Number(limit.value) > 0));
  const numbers = [sl, tp].every(({ value }) => value === '' || Number(value) > 0);
  const online = terminal.state === 'connected';
  const mode = spec.trade_mode_name;
  const shut = (side: Side) =>
    mode === 'disabled' || mode === 'closeonly' || mode === (side === 'buy' ? 'shortonly' : 'longonly');
  const away = (value: string) => {
    const from = pending ? Number(at.value) : tick?.value.bid;
    return Number(value) > 0 && from ? `${points(from, Number(value), spec.digits)} points away` : undefined;
  };
  const wanted = (side: Side): Wanted => ({
    symbol: spec.name,
    side,
    type: kind.value,
    volume: lots,
    ...(pending ? { price: Number(at.value) } : {}),
    ...(kind.value === 'stop_limit' ? { stop_limit_price: Number(limit.value) } : {}),
    ...(sl.value ? { sl: Number(sl.value) } : {}),
    ...(tp.value ? { tp: Number(tp.value) } : {}),
  });
  const button = (side: Side) => {
    const shown = tick && !pending ? price(side === 'buy' ? tick.value.ask : tick.value.bid, spec.digits) : '';
    return (
      <button
        type="button"
        class={side}
        disabled={!sized || !priced || !numbers || !online || shut(side)}
        onClick={() => (asked.value = wanted(side))}
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
          From {spec.volume_min} to {spec.volume_max} in steps of {spec.volume_step}
        </p>
      )}
      {pending && <PriceField label={kind.value === 'stop_limit' ? 'Stop price' : 'Price'} value={at} />}
      {kind.value === 'stop_limit' && <PriceField label="Limit price" value={limit} />}
      <div class="pair">
        <PriceField label="Stop loss" value={sl} hint={away(sl.value)} />
        <PriceField label="Take profit" value={tp} hint={away(tp.value)} />
      </div>
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
        <Confirmation feed={feed} terminal={terminal} spec={spec} order={asked.value} onClose={() => (asked.value = null)} />
      )}
    </section>
  );
}

interface ConfirmationProps {
  feed: Feed;
  terminal: Terminal;
  spec: SymbolSpec;
  order: Wanted;
  onClose: () => void;
}

/** Says in words what will be sent, to which account, and what it may cost. */
function Confirmation({ feed, terminal, spec, order, onClose }: ConfirmationProps) {
  const { side, volume, type } = order;
  const tick = useTick(feed, spec.name).value;
  const margin = useSignal<string | undefined>(undefined);
  const path = { terminal: terminal.id };
  const verb = side === 'buy' ? 'Buy' : 'Sell';
  useEffect(() => {
    const body = { symbol: spec.name, side, volume, ...(order.price ? { price: order.price } : {}) };
    ok(hub.POST('/api/v1/terminals/{terminal}/calc/margin', { params: { path }, body })).then(
      (answer) => (margin.value = `about ${money(answer.margin, answer.currency)}`),
      () => (margin.value = 'not known'),
    );
  }, []);
  const send = (more: object = {}) =>
    trade((header) => hub.POST('/api/v1/terminals/{terminal}/orders', { params: { path, header }, body: { ...order, ...more } }));
  const now_ = tick && (side === 'buy' ? tick.value.ask : tick.value.bid);
  const from = type === 'market' ? now_ : type === 'stop_limit' ? order.stop_limit_price : order.price;
  const said = standing(tick, terminal, spec, now.value);
  const known = feed.account.value?.value;
  const free = known?.margin_free;
  return (
    <Ask
      title={`${verb} ${volume} ${spec.name}?`}
      verb={`${verb} ${volume} lots`}
      danger={side === 'sell'}
      action={() => send()}
      anyway={() => send({ allow_duplicate: true })}
      onClose={(told) => {
        onClose();
        if (told?.done) void feed.read();
      }}
    >
      <p>
        A {NAMES[type].toLowerCase()} order on <Whose terminal={terminal} />
        {type === 'market' ? `, at about ${now_ ? price(now_, spec.digits) : 'the market'}` : ` at ${order.price}`}
        {type === 'stop_limit' && `, then a limit order at ${order.stop_limit_price}`}.
      </p>
      {type === 'market' && said.length > 0 && <p class="note warn">{said.join('. ')}.</p>}
      <dl class="facts">
        {from !== undefined && (
          <StopWords
            side={side}
            from={from}
            sl={order.sl ?? 0}
            tp={order.tp ?? 0}
            lots={volume}
            spec={spec}
            currency={known?.currency ?? terminal.currency ?? ''}
          />
        )}
        <div>
          <dt>Margin</dt>
          <dd>
            {margin.value ?? '…'}
            {free !== undefined && ` of ${money(free, known!.currency, known!.currency_digits)} free`}
          </dd>
        </div>
      </dl>
      {!order.sl && <p class="note warn">Without a stop loss.</p>}
    </Ask>
  );
}
