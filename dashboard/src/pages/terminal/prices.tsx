import { useSignal } from '@preact/signals';
import type { Terminal } from '../../api/types';
import { price } from '../../lib/money';
import { now, span } from '../../lib/time';
import { useTick, type Feed, type Tick } from './feed';
import type { Shown } from './remembered';

/** Silence after which a price is no longer taken for the present one. */
export const STALE_MS = 10_000;

const LIMITS: Record<string, string> = {
  disabled: 'Not traded',
  longonly: 'Buying only',
  shortonly: 'Selling only',
  closeonly: 'Closing only',
};

/** What is to be said of a price beside its figures: nothing while it is fresh. */
export function standing(tick: Tick | undefined, terminal: Terminal, spec: Shown | undefined, at: number): string[] {
  const found: string[] = [];
  const age = tick ? at - tick.at : 0;
  const old = !tick || age > STALE_MS;
  const since = tick && old ? `, last tick ${span(age)} ago` : '';
  if (terminal.state !== 'connected') found.push(`Terminal offline${since}`);
  else if (tick?.trouble) found.push(`No price: ${tick.trouble}${since}`);
  else if (old && terminal.presence?.market?.value === 'closed') found.push(`Market closed${since}`);
  else if (tick && old) found.push(`Stale: ${span(age)} without a tick`);
  const limit = LIMITS[spec?.trade_mode_name ?? ''];
  if (limit) found.push(limit);
  return found;
}

/** Bid, ask and spread, and how old they are once that matters. */
export function Prices({ feed, terminal, spec }: { feed: Feed; terminal: Terminal; spec: Shown }) {
  const none = useSignal('');
  const tick = useTick(feed, spec.name, none).value;
  const said = standing(tick, terminal, spec, now.value);
  const badges = said.map((text) => (
    <span key={text} class="badge plain warn">
      {text}
    </span>
  ));
  if (!tick)
    return (
      <span class="row">
        <span class="muted">{none.value ? `No price: ${none.value}` : 'No price yet'}</span> {badges}
      </span>
    );
  const { bid, ask } = tick.value;
  const spread = Math.round((ask - bid) * 10 ** spec.digits);
  const sign = tick.moved > 0 ? '▲' : tick.moved < 0 ? '▼' : '·';
  return (
    <span class={`row prices ${said.length ? 'is-old' : ''}`}>
      <span class="quote">
        <span class={`arrow ${tick.moved > 0 ? 'up' : tick.moved < 0 ? 'down' : ''}`} aria-hidden="true">
          {sign}
        </span>{' '}
        <span class="small muted">Bid</span> {price(bid, spec.digits)}
      </span>
      <span class="quote">
        <span class="small muted">Ask</span> {price(ask, spec.digits)}
      </span>
      <span class="small muted">
        Spread <span class="spread">{spread}</span> {spread === 1 ? 'point' : 'points'}
      </span>
      {badges}
    </span>
  );
}
