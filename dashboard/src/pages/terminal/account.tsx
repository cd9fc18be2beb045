import type { Terminal } from '../../api/types';
import { amount, signed, tone } from '../../lib/money';
import { Failed } from '../../ui/empty';
import type { Feed } from './feed';
import { Old } from './rows';

/** Balance, equity and margin, with their age once they are not kept up to date. */
export function AccountCard({ feed, terminal }: { feed: Feed; terminal: Terminal }) {
  const known = feed.account.value;
  const failed = terminal.state === 'connected' && feed.failure.value && (
    <Failed what={feed.failure.value} again={() => void feed.read()} />
  );
  if (!known) {
    if (terminal.state !== 'connected')
      return (
        <section class="card muted" aria-label="Account">
          Balance, positions and orders are read from the terminal: they show once it is connected again.
        </section>
      );
    return (
      failed || (
        <section class="card account-waits" aria-label="Account" aria-busy="true">
          <div class="skeleton" />
        </section>
      )
    );
  }
  const { value } = known;
  const digits = value.currency_digits;
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
      <Old known={known} />
      {failed}
    </section>
  );
}
