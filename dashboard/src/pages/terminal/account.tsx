import type { Terminal } from '../../api/types';
import { amount, signed, tone } from '../../lib/money';
import { now, skew, span } from '../../lib/time';
import { Failed } from '../../ui/empty';
import type { Feed } from './feed';

/** Balance, equity and margin, with their age once they are old. */
export function AccountCard({ feed, terminal }: { feed: Feed; terminal: Terminal }) {
  const known = feed.account.value;
  if (!known)
    return feed.failure.value && terminal.state === 'connected' ? (
      <Failed what={feed.failure.value} again={() => void feed.read()} />
    ) : null;
  const { value } = known;
  const digits = value.currency_digits;
  const age = now.value - skew.value - known.at;
  const figures: [string, string, string][] = [
    ['Balance', amount(value.balance, digits), ''],
    ['Equity', amount(value.equity, digits), ''],
    ['Open profit', signed(value.profit, digits), tone(value.profit)],
    ['Free margin', amount(value.margin_free, digits), ''],
    ['Margin level', value.margin > 0 ? `${value.margin_level.toFixed(0)} %` : '–', ''],
  ];
  return (
    <section class="card" aria-label="Account">
      <dl class="figures">
        {figures.map(([name, text, color]) => (
          <div key={name}>
            <dt class="small muted">{name}</dt>
            <dd class={`figure ${color}`}>{text}</dd>
          </div>
        ))}
        <div>
          <dt class="small muted">Currency</dt>
          <dd class="figure">{value.currency}</dd>
        </div>
      </dl>
      {age > 10_000 && <span class="badge plain warn">{span(age)} old</span>}
    </section>
  );
}
