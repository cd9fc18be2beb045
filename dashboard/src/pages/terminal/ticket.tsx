import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub } from '../../api/client';
import type { Quote, SymbolSpec, Terminal } from '../../api/types';
import { price } from '../../lib/money';
import { may } from '../../lib/session';
import { accountName } from '../../lib/tokens';
import { Ask } from '../../ui/ask';
import { trade } from './act';
import type { Feed } from './feed';

const KINDS = ['market', 'limit', 'stop'] as const;

/** A trade ticket; nothing is sent before a dialog has said in words what it is. */
export function Ticket({ feed, terminal, spec }: { feed: Feed; terminal: Terminal; spec: SymbolSpec }) {
  const kind = useSignal<(typeof KINDS)[number]>('market');
  const volume = useSignal(String(spec.volume_min));
  const at = useSignal('');
  const sl = useSignal('');
  const tp = useSignal('');
  const asked = useSignal<'buy' | 'sell' | null>(null);
  const quote = useSignal<Quote | undefined>(undefined);
  useEffect(() => feed.quote(spec.name, (value) => (quote.value = value)), [spec.name]);
  if (!may('trade:write'))
    return (
      <section class="card" aria-label="Trade ticket">
        <h2>Trade</h2>
        <p class="muted">You may close positions and cancel orders, and not open any.</p>
      </section>
    );

  const lots = Number(volume.value);
  const steps = Math.round((lots - spec.volume_min) / spec.volume_step);
  const fits =
    lots >= spec.volume_min && lots <= spec.volume_max && Math.abs(spec.volume_min + steps * spec.volume_step - lots) < 1e-9;
  const wanted = kind.value === 'market' || Number(at.value) > 0;
  const online = terminal.state === 'connected';
  const field = (label: string, value: typeof sl, hint?: string) => (
    <label class="field">
      {label}
      {hint && <span class="hint">{hint}</span>}
      <input
        inputMode="decimal"
        autocomplete="off"
        value={value.value}
        onInput={(event) => (value.value = event.currentTarget.value.trim().replace(',', '.'))}
      />
    </label>
  );
  const side = asked.value;
  const body = (side: 'buy' | 'sell') => ({
    symbol: spec.name,
    side,
    type: kind.value,
    volume: lots,
    ...(kind.value === 'market' ? {} : { price: Number(at.value) }),
    ...(sl.value ? { sl: Number(sl.value) } : {}),
    ...(tp.value ? { tp: Number(tp.value) } : {}),
  });
  const now = quote.value && price(side === 'buy' ? quote.value.ask : quote.value.bid, spec.digits);
  return (
    <section class="card ticket stack" aria-label="Trade ticket">
      <div class="row between">
        <h2>Trade {spec.name}</h2>
      </div>
      <div class="segmented" role="group" aria-label="Kind of order">
        {KINDS.map((one) => (
          <button type="button" key={one} aria-pressed={kind.value === one} onClick={() => (kind.value = one)}>
            {one[0]!.toUpperCase() + one.slice(1)}
          </button>
        ))}
      </div>
      {field('Volume in lots', volume)}
      {!fits && (
        <p class="error small">
          From {spec.volume_min} to {spec.volume_max} in steps of {spec.volume_step}
        </p>
      )}
      {kind.value !== 'market' && field('Price', at)}
      <div class="pair">
        {field('Stop loss', sl)}
        {field('Take profit', tp)}
      </div>
      <div class="sides">
        <button type="button" class="sell" disabled={!fits || !wanted || !online} onClick={() => (asked.value = 'sell')}>
          Sell {quote.value && kind.value === 'market' ? price(quote.value.bid, spec.digits) : ''}
        </button>
        <button type="button" class="buy" disabled={!fits || !wanted || !online} onClick={() => (asked.value = 'buy')}>
          Buy {quote.value && kind.value === 'market' ? price(quote.value.ask, spec.digits) : ''}
        </button>
      </div>
      {!online && <p class="small muted">The terminal is not connected.</p>}
      {side && (
        <Ask
          title={`${side === 'buy' ? 'Buy' : 'Sell'} ${lots} ${spec.name}?`}
          verb={`${side === 'buy' ? 'Buy' : 'Sell'} ${lots} lots`}
          danger={side === 'sell'}
          action={() =>
            trade((header) =>
              hub.POST('/api/v1/terminals/{terminal}/orders', {
                params: { path: { terminal: terminal.id }, header },
                body: body(side),
              }),
            )
          }
          onClose={(told) => {
            asked.value = null;
            if (told?.done) void feed.read();
          }}
        >
          <p>
            A {kind.value} order on{' '}
            <strong>
              {terminal.trade_mode_name === 'demo' ? 'demo' : 'REAL'} account {accountName(terminal.account)}
            </strong>
            {kind.value === 'market' ? `, at about ${now ?? 'the market'}` : ` at ${at.value}`}
            {sl.value && `, stop loss ${sl.value}`}
            {tp.value && `, take profit ${tp.value}`}.
          </p>
          {!sl.value && <p class="note warn">Without a stop loss.</p>}
        </Ask>
      )}
    </section>
  );
}
