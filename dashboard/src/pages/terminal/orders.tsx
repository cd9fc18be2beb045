import { useSignal } from '@preact/signals';
import type { Order, SymbolSpec, Terminal } from '../../api/types';
import { plain, price } from '../../lib/money';
import { may } from '../../lib/session';
import { Ago } from '../../ui/ago';
import { Num, Table } from '../../ui/table';
import { Icon } from '../../ui/icon';
import { Amend, Cancel } from './amend';
import type { Feed } from './feed';
import { digitsOf, level, Moving, Old, stable } from './rows';

/** Orders that wait for their price. */
export function OrdersCard({ feed, terminal, symbols }: { feed: Feed; terminal: Terminal; symbols: SymbolSpec[] }) {
  const open = useSignal<{ what: 'cancel' | 'amend'; order: Order } | null>(null);
  const known = feed.orders.value;
  const rows = stable(known?.value ?? [], (row) => row.time_setup_msc);
  const asked = open.value;
  // A question that is open stays until its answer was read, also when that took the last row away.
  if (rows.length === 0 && !asked) return null;
  const acts = terminal.state === 'connected';
  const spec = symbols.find((one) => one.name === asked?.order.symbol);
  const done = () => {
    open.value = null;
    void feed.read();
  };
  return (
    <section class="stack" aria-label="Pending orders">
      <h2>
        Pending orders <span class="muted">{rows.length}</span> <Old known={known} />
      </h2>
      <Table
        label="Pending orders"
        class="book"
        names={[
          ['Symbol'],
          ['Kind'],
          ['Volume', 'num'],
          ['Price', 'num'],
          ['Now', 'num'],
          ['SL', 'num'],
          ['TP', 'num'],
          ['Since'],
        ]}
      >
        {rows.map((row) => {
          const digits = digitsOf(symbols, row.symbol);
          return (
            <tr role="row" key={row.ticket}>
              <td role="cell">
                <strong>{row.symbol}</strong> <span class="small muted">#{row.ticket}</span>
              </td>
              <td role="cell">{row.type_name?.replaceAll('_', ' ')}</td>
              <Num label="Volume">{plain(row.volume_current)}</Num>
              <Num label="Price">
                {price(row.price_open, digits)}
                {row.price_stoplimit > 0 && <span class="small muted"> then {price(row.price_stoplimit, digits)}</span>}
              </Num>
              <Num label="Now">
                <Moving value={row.price_current} text={price(row.price_current, digits)} />
              </Num>
              <Num label="SL">{level(row.sl, digits)}</Num>
              <Num label="TP">{level(row.tp, digits)}</Num>
              <td role="cell" class="small">
                <Ago at={row.time_setup} />
              </td>
              <td role="cell" class="actions">
                {acts && may('trade:write') && (
                  <button type="button" class="ghost" onClick={() => (open.value = { what: 'amend', order: row })}>
                    <Icon name="edit" /> Change…
                  </button>
                )}
                {acts && may('trade:reduce') && (
                  <button type="button" class="ghost danger" onClick={() => (open.value = { what: 'cancel', order: row })}>
                    <Icon name="x" /> Cancel…
                  </button>
                )}
              </td>
            </tr>
          );
        })}
      </Table>
      {asked?.what === 'cancel' && <Cancel terminal={terminal} order={asked.order} spec={spec} done={done} />}
      {asked?.what === 'amend' && <Amend terminal={terminal} order={asked.order} spec={spec} done={done} />}
    </section>
  );
}
