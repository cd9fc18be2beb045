import { useSignal } from '@preact/signals';
import type { Position, SymbolSpec, Terminal } from '../../api/types';
import { plain, price, signed, tone } from '../../lib/money';
import { may } from '../../lib/session';
import { Ago } from '../../ui/ago';
import { Num, Table } from '../../ui/table';
import { Menu, type Item } from '../../ui/menu';
import { Close, CloseAll, Stops } from './amend';
import type { Feed } from './feed';
import { purseOf } from './fields';
import { digitsOf, level, Moving, Old, stable } from './rows';

interface Props {
  feed: Feed;
  terminal: Terminal;
  symbols: SymbolSpec[];
}
type Open = { what: 'close' | 'stops'; position: Position } | { what: 'all'; symbol?: string } | null;

/** What is open, with its gain or loss; closing and moving stops behind a question. */
export function PositionsCard({ feed, terminal, symbols }: Props) {
  const open = useSignal<Open>(null);
  const known = feed.positions.value;
  const rows = stable(known?.value ?? [], (row) => row.time_msc);
  const sum = (of: (row: Position) => number) => rows.reduce((total, row) => total + of(row), 0);
  const [profit, swap] = [sum((row) => row.profit), sum((row) => row.swap)];
  const { currency, digits: cents } = purseOf(feed, terminal);
  const acts = terminal.state === 'connected';
  const done = () => {
    open.value = null;
    void feed.read();
  };
  const items = (position: Position): Item[] => {
    const found: Item[] = [];
    if (may('trade:reduce')) {
      found.push({ text: 'Close…', icon: 'x', danger: true, run: () => (open.value = { what: 'close', position }) });
      const { symbol } = position;
      if (rows.some((row) => row.symbol === symbol && row !== position) && rows.some((row) => row.symbol !== symbol))
        found.push({
          text: `Close all of ${symbol}…`,
          icon: 'x',
          danger: true,
          run: () => (open.value = { what: 'all', symbol }),
        });
    }
    if (may('trade:write'))
      found.push({ text: 'Stop loss and take profit…', icon: 'edit', run: () => (open.value = { what: 'stops', position }) });
    return found;
  };
  const asked = open.value;
  const spec = asked && 'position' in asked ? symbols.find((one) => one.name === asked.position.symbol) : undefined;
  return (
    <section class="stack" aria-label="Positions">
      <div class="row between">
        <h2>
          Positions {rows.length > 0 && <span class="muted">{rows.length}</span>} <Old known={known} />
        </h2>
        {rows.length > 0 && acts && may('trade:reduce') && (
          <button type="button" class="danger" onClick={() => (open.value = { what: 'all' })}>
            Close all…
          </button>
        )}
      </div>
      {!known && <p class="card muted">{acts ? 'Reading…' : 'Not known: its terminal is not connected.'}</p>}
      {known && rows.length === 0 && <p class="card muted">Nothing is open.</p>}
      {rows.length > 0 && (
        <Table
          label="Positions"
          class="book"
          names={[
            ['Symbol'],
            ['Side'],
            ['Volume', 'num'],
            ['Opened at', 'num'],
            ['Now', 'num'],
            ['SL', 'num'],
            ['TP', 'num'],
            ['Swap', 'num'],
            ['Profit', 'num'],
            ['Since'],
          ]}
          foot={
            <tfoot role="rowgroup">
              <tr role="row">
                <th role="rowheader" scope="row">
                  Total
                </th>
                <td role="cell" />
                <Num label="Volume">{plain(Number(sum((row) => row.volume).toFixed(8)))}</Num>
                <td role="cell" colSpan={4} />
                <Num label="Swap">{signed(swap, cents)}</Num>
                <Num label="Profit with swap" class="profit">
                  <strong class={tone(profit + swap)}>{signed(profit + swap, cents)}</strong>{' '}
                  <span class="small muted">{currency}</span>
                </Num>
                <td role="cell" colSpan={2} class="small muted">
                  with swap
                </td>
              </tr>
            </tfoot>
          }
        >
          {rows.map((row) => {
            const digits = digitsOf(symbols, row.symbol);
            return (
              <tr role="row" key={row.ticket}>
                <td role="cell">
                  <strong>{row.symbol}</strong> <span class="small muted">#{row.ticket}</span>
                </td>
                <td role="cell">
                  <span class={`side ${row.type_name}`}>{row.type_name}</span>
                </td>
                <Num label="Volume">{plain(row.volume)}</Num>
                <Num label="From">{price(row.price_open, digits)}</Num>
                <Num label="Now">
                  <Moving value={row.price_current} text={price(row.price_current, digits)} />
                </Num>
                <Num label="SL">{level(row.sl, digits)}</Num>
                <Num label="TP">{level(row.tp, digits)}</Num>
                <Num label="Swap">{signed(row.swap, cents)}</Num>
                <Num label="Profit" class="profit">
                  <Moving value={row.profit} text={signed(row.profit, cents)} tone={tone(row.profit)} />
                </Num>
                <td role="cell" class="small">
                  <Ago at={row.time} />
                </td>
                <td role="cell" class="actions">
                  {acts && items(row).length > 0 && <Menu label={`More for position ${row.ticket}`} items={items(row)} />}
                </td>
              </tr>
            );
          })}
        </Table>
      )}
      {asked?.what === 'close' && <Close feed={feed} terminal={terminal} position={asked.position} spec={spec} done={done} />}
      {asked?.what === 'stops' && <Stops feed={feed} terminal={terminal} position={asked.position} spec={spec} done={done} />}
      {asked?.what === 'all' && <CloseAll feed={feed} terminal={terminal} rows={rows} symbol={asked.symbol} done={done} />}
    </section>
  );
}
