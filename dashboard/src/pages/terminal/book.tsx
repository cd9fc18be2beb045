import { useSignal } from '@preact/signals';
import { hub } from '../../api/client';
import type { Order, Position, SymbolSpec, Terminal } from '../../api/types';
import { amount, price, signed, tone } from '../../lib/money';
import { may } from '../../lib/session';
import { now, skew, span } from '../../lib/time';
import { Ago } from '../../ui/ago';
import { Ask } from '../../ui/ask';
import { Icon } from '../../ui/icon';
import { Menu, type Item } from '../../ui/menu';
import { trade } from './act';
import type { Feed, Known } from './feed';

interface Props {
  feed: Feed;
  terminal: Terminal;
  symbols: SymbolSpec[];
}
const Head = ({ names }: { names: [string, boolean?][] }) => (
  <thead role="rowgroup">
    <tr role="row">
      {names.map(([name, num]) => (
        <th key={name} role="columnheader" scope="col" class={num ? 'num' : ''}>
          {name}
        </th>
      ))}
      <th role="columnheader" scope="col">
        <span class="visually-hidden">Actions</span>
      </th>
    </tr>
  </thead>
);
const level = (value: number, digits: number) => (value ? price(value, digits) : '–');

/** Says so when what is shown is old. */
function Old({ known }: { known: Known<unknown> | undefined }) {
  const age = known ? now.value - skew.value - known.at : 0;
  return age > 10_000 ? <span class="badge plain warn">{span(age)} old</span> : null;
}

type Open = { what: 'close' | 'stops'; position: Position } | { what: 'all' } | null;

/** What is open, with its gain or loss; closing and moving stops behind a question. */
export function PositionsCard({ feed, terminal, symbols }: Props) {
  const open = useSignal<Open>(null);
  const known = feed.positions.value;
  const rows = known?.value ?? [];
  const digits = (symbol: string) => symbols.find((one) => one.name === symbol)?.digits ?? 5;
  const total = rows.reduce((sum, row) => sum + row.profit + row.swap, 0);
  const done = () => {
    open.value = null;
    void feed.read();
  };
  const items = (position: Position): Item[] => [
    ...(may('trade:reduce')
      ? [{ text: 'Close…', icon: 'x' as const, danger: true, run: () => (open.value = { what: 'close', position }) }]
      : []),
    ...(may('trade:write')
      ? [{ text: 'Stop loss and take profit…', icon: 'edit' as const, run: () => (open.value = { what: 'stops', position }) }]
      : []),
  ];
  return (
    <section class="stack" aria-label="Positions">
      <div class="row between">
        <h2>
          Positions {rows.length > 0 && <span class="muted">{rows.length}</span>} <Old known={known} />
        </h2>
        <span class="row">
          {rows.length > 0 && (
            <strong class={tone(total)}>
              {signed(total)} {feed.account.value?.value.currency}
            </strong>
          )}
          {rows.length > 0 && may('trade:reduce') && (
            <button type="button" class="danger" onClick={() => (open.value = { what: 'all' })}>
              Close all…
            </button>
          )}
        </span>
      </div>
      {known && rows.length === 0 && <p class="card muted">Nothing is open.</p>}
      {rows.length > 0 && (
        <table class="table cards-on-phone" role="table" aria-label="Positions">
          <Head
            names={[
              ['Symbol'],
              ['Side'],
              ['Volume', true],
              ['Opened at', true],
              ['Now', true],
              ['SL', true],
              ['TP', true],
              ['Profit', true],
              ['Since'],
            ]}
          />
          <tbody role="rowgroup">
            {rows.map((row) => (
              <tr role="row" key={row.ticket}>
                <td role="cell">
                  <strong>{row.symbol}</strong> <span class="small muted">#{row.ticket}</span>
                </td>
                <td role="cell">{row.type_name}</td>
                <td role="cell" class="num" data-label="Volume">
                  {row.volume}
                </td>
                <td role="cell" class="num" data-label="From">
                  {price(row.price_open, digits(row.symbol))}
                </td>
                <td role="cell" class="num" data-label="Now">
                  {price(row.price_current, digits(row.symbol))}
                </td>
                <td role="cell" class="num" data-label="SL">
                  {level(row.sl, digits(row.symbol))}
                </td>
                <td role="cell" class="num" data-label="TP">
                  {level(row.tp, digits(row.symbol))}
                </td>
                <td role="cell" class={`num ${tone(row.profit)}`}>
                  <strong>{signed(row.profit)}</strong>
                  {row.swap !== 0 && <span class="small muted"> swap {signed(row.swap)}</span>}
                </td>
                <td role="cell" class="small">
                  <Ago at={row.time} />
                </td>
                <td role="cell" class="actions">
                  {items(row).length > 0 && <Menu label={`More for position ${row.ticket}`} items={items(row)} />}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open.value?.what === 'close' && (
        <Close
          feed={feed}
          terminal={terminal}
          position={open.value.position}
          spec={symbols.find((one) => one.name === (open.value as { position: Position }).position.symbol)}
          done={done}
        />
      )}
      {open.value?.what === 'stops' && <Stops terminal={terminal} position={open.value.position} done={done} />}
      {open.value?.what === 'all' && (
        <Ask
          title="Close all positions?"
          verb={`Close ${rows.length}`}
          danger
          onClose={done}
          action={() =>
            trade((header) =>
              hub.POST('/api/v1/terminals/{terminal}/positions/close-all', {
                params: { path: { terminal: terminal.id }, header },
                body: {},
              }),
            )
          }
        >
          <p>
            {rows.length === 1 ? 'The one position' : `All ${rows.length} positions`} of account {terminal.account.login} are
            closed at the market. Together they stand at {signed(total)}.
          </p>
        </Ask>
      )}
    </section>
  );
}

function Close({
  terminal,
  position,
  spec,
  done,
}: {
  feed: Feed;
  terminal: Terminal;
  position: Position;
  spec?: SymbolSpec;
  done: () => void;
}) {
  const volume = useSignal(String(position.volume));
  const lots = Number(volume.value);
  const ready = lots > 0 && lots <= position.volume;
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
        {position.type_name} {position.volume} {position.symbol} since {position.price_open}, now {signed(position.profit)}.
      </p>
      <label class="field">
        Lots to close
        <span class="hint">
          Less than {position.volume} closes a part{spec && `, in steps of ${spec.volume_step}`}.
        </span>
        <input
          inputMode="decimal"
          value={volume.value}
          onInput={(event) => (volume.value = event.currentTarget.value.trim().replace(',', '.'))}
        />
      </label>
    </Ask>
  );
}

/** An empty field takes the level away; one that was not touched keeps it. */
function Stops({ terminal, position, done }: { terminal: Terminal; position: Position; done: () => void }) {
  const shown = (value: number) => (value ? String(value) : '');
  const sl = useSignal(shown(position.sl));
  const tp = useSignal(shown(position.tp));
  const change: { sl?: number | null; tp?: number | null } = {};
  if (sl.value !== shown(position.sl)) change.sl = sl.value ? Number(sl.value) : null;
  if (tp.value !== shown(position.tp)) change.tp = tp.value ? Number(tp.value) : null;
  const ready = Object.keys(change).length > 0 && Object.values(change).every((value) => value === null || value > 0);
  return (
    <Ask
      title={`Stops of ${position.symbol} #${position.ticket}`}
      verb="Change"
      ready={ready}
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
      <div class="ticket">
        <div class="pair">
          <label class="field">
            Stop loss
            <input
              inputMode="decimal"
              value={sl.value}
              onInput={(event) => (sl.value = event.currentTarget.value.trim().replace(',', '.'))}
            />
          </label>
          <label class="field">
            Take profit
            <input
              inputMode="decimal"
              value={tp.value}
              onInput={(event) => (tp.value = event.currentTarget.value.trim().replace(',', '.'))}
            />
          </label>
        </div>
      </div>
      {change.sl === null && <p class="note warn">The stop loss is taken away.</p>}
    </Ask>
  );
}

/** Orders that wait for their price. */
export function OrdersCard({ feed, terminal, symbols }: Props) {
  const asked = useSignal<Order | null>(null);
  const known = feed.orders.value;
  const rows = known?.value ?? [];
  // A question that is open stays until its answer was read, also when that took the last row away.
  if (rows.length === 0 && !asked.value) return null;
  const digits = (symbol: string) => symbols.find((one) => one.name === symbol)?.digits ?? 5;
  return (
    <section class="stack" aria-label="Pending orders">
      <h2>
        Pending orders <span class="muted">{rows.length}</span> <Old known={known} />
      </h2>
      <table class="table cards-on-phone" role="table" aria-label="Pending orders">
        <Head names={[['Symbol'], ['Kind'], ['Volume', true], ['Price', true], ['SL', true], ['TP', true], ['Since']]} />
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr role="row" key={row.ticket}>
              <td role="cell">
                <strong>{row.symbol}</strong> <span class="small muted">#{row.ticket}</span>
              </td>
              <td role="cell">{row.type_name?.replaceAll('_', ' ')}</td>
              <td role="cell" class="num" data-label="Volume">
                {amount(row.volume_current)}
              </td>
              <td role="cell" class="num" data-label="Price">
                {price(row.price_open, digits(row.symbol))}
              </td>
              <td role="cell" class="num" data-label="SL">
                {level(row.sl, digits(row.symbol))}
              </td>
              <td role="cell" class="num" data-label="TP">
                {level(row.tp, digits(row.symbol))}
              </td>
              <td role="cell" class="small">
                <Ago at={row.time_setup} />
              </td>
              <td role="cell" class="actions">
                {may('trade:reduce') && (
                  <button type="button" class="ghost danger" onClick={() => (asked.value = row)}>
                    <Icon name="x" /> Cancel…
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {asked.value && (
        <Ask
          title={`Cancel order #${asked.value.ticket}?`}
          verb="Cancel the order"
          danger
          onClose={() => {
            asked.value = null;
            void feed.read();
          }}
          action={() =>
            trade((header) =>
              hub.DELETE('/api/v1/terminals/{terminal}/orders/{ticket}', {
                params: { path: { terminal: terminal.id, ticket: String(asked.value!.ticket) }, header },
              }),
            )
          }
        >
          <p>
            {asked.value.type_name?.replaceAll('_', ' ')} {asked.value.volume_current} {asked.value.symbol} at{' '}
            {asked.value.price_open}.
          </p>
        </Ask>
      )}
    </section>
  );
}
