import { type Signal, useSignal } from '@preact/signals';
import { terminals } from '../../live/store';
import { amount, signed, tone } from '../../lib/money';
import { Link } from '../../lib/router';
import { now } from '../../lib/time';
import { Empty } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Copyable } from '../../ui/secret';
import { type Column, Num } from '../../ui/table';
import { AccountChoice, Bar, Choice, clock, filters, Text } from './bar';
import { Deleted } from './deleted';
import { address, KINDS, matches, query } from './filters';
import { Facts } from '../../ui/facts';
import { Line, Records, resting, When } from './list';
import { type Pages, usePages, useTold } from './pages';
import { costs, gain, happened, lots, moved, ORIGINS, places, totals, type Trade } from './words';

const NAMES: Column[] = [
  ['Time', 'c-when'],
  ['Account', 'c-account'],
  ['What'],
  ['Lots', 'num'],
  ['Price', 'num c-price'],
  ['Costs', 'num'],
  ['Gain', 'num c-price'],
  ['By', 'c-by'],
];
/** A deal is its ticket; an order or a position has a row for each state. */
const idOf = (row: Trade) =>
  `${row.account?.login}-${row.account?.server}-${row.kind}-${row.ticket}-${row.kind === 'deal' ? '' : `${row.at}-${row.state_name ?? ''}-${row.sl}-${row.tp}-${row.price_open}-${row.volume_current}`}`;

const terminalOf = (row: Trade) =>
  [...terminals.value.values()].find(
    ({ account }) => account && account.login === row.account?.login && account.server === row.account.server,
  );

/** The broker's own clock, where the row has it. */
const brokerTime = (row: Trade): number | null | undefined =>
  row.kind === 'deal'
    ? row.broker_time
    : row.kind === 'position'
      ? row.broker_time_update
      : row.broker_time_done || row.broker_time_setup;

function About({ row }: { row: Trade }) {
  const terminal = terminalOf(row);
  return (
    <>
      <Copyable label={`Number of the ${row.kind}`} text={String(row.ticket)} />
      <div class="cards halves">
        <Facts
          of={[
            ['Happened', <When at={row.at} broker={brokerTime(row)} line ms />],
            [
              'Seen by the hub',
              <>
                <When at={row.seen_at} line ms /> ({row.source === 'pushed' ? 'told at once' : 'found in the history later'})
              </>,
            ],
            [
              'Position',
              !!row.position_id && (
                <Link href={address('trades', { position: String(row.position_id) })}>all of #{row.position_id}</Link>
              ),
            ],
            [
              'Order',
              !!row.order && <Link href={address('trades', { order: String(row.order) })}>#{row.order} and its deals</Link>,
            ],
            [
              'Chart',
              !!row.symbol && terminal && (
                <Link href={`/terminal/${terminal.id}?symbol=${encodeURIComponent(row.symbol)}`}>
                  {row.symbol} at the terminal
                </Link>
              ),
            ],
          ]}
        />
        <Facts
          of={[
            ['Profit', row.kind === 'deal' && moved(row) === undefined && signed(row.profit ?? 0)],
            ['Commission', !!row.commission && signed(row.commission)],
            ['Swap', !!row.swap && signed(row.swap)],
            ['Fee', !!row.fee && signed(row.fee)],
            ['Stop loss', !!row.sl && String(row.sl)],
            ['Take profit', !!row.tp && String(row.tp)],
            ['Caused by', ORIGINS[row.origin] ?? row.origin],
            [
              'Command',
              row.command && <Link href={address('commands', { id: row.command })}>what was asked for, and how it went</Link>,
            ],
            ['Reason', row.reason_name?.replaceAll('_', ' ')],
            ['Comment', row.comment],
          ]}
        />
      </div>
      <details>
        <summary>As the hub keeps it</summary>
        <pre>{JSON.stringify(row, null, 1)}</pre>
      </details>
    </>
  );
}

function Row({ row, digits, open }: { row: Trade; digits: number; open: Signal<string> }) {
  const price = row.kind === 'deal' ? row.price : row.kind === 'order' ? row.price_open : undefined;
  const brought = gain(row);
  const cost = costs(row);
  const sum = moved(row);
  return (
    <Line id={idOf(row)} about={`${row.kind} ${row.ticket}`} open={open} columns={NAMES.length} more={<About row={row} />}>
      <td role="cell" class="c-when">
        <When at={row.at} broker={brokerTime(row)} />
      </td>
      <td role="cell" class="c-account">
        {row.account?.login} <span class="sub">{row.account?.server}</span>
      </td>
      <td role="cell" class="c-what">
        <span>
          <strong>{row.symbol}</strong> {happened(row)}
          {sum !== undefined && <strong> {amount(Math.abs(sum))}</strong>}
        </span>{' '}
        <span class="sub">
          {row.kind} #{row.ticket}
          {row.kind !== 'position' && !!row.position_id && (
            <>
              {' '}
              of <Link href={address('trades', { position: String(row.position_id) })}>position #{row.position_id}</Link>
            </>
          )}
        </span>
      </td>
      <Num label={lots(row) ? 'Lots' : undefined}>{lots(row) || ''}</Num>
      <Num label={price ? 'Price' : undefined}>{price ? price.toFixed(Math.max(digits, places(price))) : ''}</Num>
      <Num label={cost ? 'Costs' : undefined}>{cost ? signed(cost) : ''}</Num>
      <td role="cell" class={`num ${tone(brought ?? 0)}`} data-label={brought === undefined ? undefined : 'Gain'}>
        {brought === undefined ? '' : signed(brought)}
      </td>
      <td role="cell" class="c-by small" data-label="By">
        {row.command ? (
          <Link href={address('commands', { id: row.command })}>a command</Link>
        ) : (
          (ORIGINS[row.origin] ?? row.origin)
        )}
      </td>
    </Line>
  );
}

/** All that is filtered in one line: only when all of it is there, and of one account. */
function Sum({ pages }: { pages: Pages<Trade> }) {
  const rows = pages.rows.value ?? [];
  const found = pages.more.value ? undefined : totals(rows);
  if (!found) return null;
  const currency = terminalOf(rows[0]!)?.currency ?? '';
  return (
    <p class="sum small" role="note" aria-label="All of these together">
      <span>
        {found.deals} {found.deals === 1 ? 'deal' : 'deals'}, {amount(found.lots)} lots
      </span>
      {found.cost !== 0 && <span>Costs {signed(found.cost)}</span>}
      <span>
        Gain <strong class={tone(found.gain)}>{signed(found.gain)}</strong> {currency}
      </span>
      {found.moved !== 0 && <span class="muted">without {signed(found.moved)} that was paid in or out</span>}
    </p>
  );
}

/** What happened in the accounts, as far as the hub has seen it. */
export function Trades() {
  const chosen = filters('trades');
  const open = useSignal('');
  const path = query('trades', chosen, now.value, clock());
  const pages = usePages<Trade>(path, { idOf, resting: () => resting('trades', open.value) });
  useTold(pages, 'deals', (message) => {
    const { type, data } = message;
    if (type !== 'event' || !data) return;
    const account = (message as typeof message & { account?: Trade['account'] }).account;
    const row = { ...(data as Trade), ...(account ? { account } : {}) };
    const of = { account: row.account, symbol: row.symbol, at: Date.parse(row.at) };
    const numbers = { kind: row.kind, order: row.order, position: row.position_id };
    // A deal that is told again may have its commission now.
    pages.take(row, matches(filters('trades'), { ...of, ...numbers }, now.value, clock()));
  });
  // As many decimal places for a symbol as any of its prices here has.
  const digits = new Map<string, number>();
  for (const row of pages.rows.value ?? [])
    digits.set(row.symbol ?? '', Math.max(digits.get(row.symbol ?? '') ?? 0, places(row.price ?? row.price_open ?? 0)));
  return (
    <div class="stack">
      <Bar tab="trades" pages={pages} words={chosen.kind === 'deal' ? ['deal', 'deals'] : ['row', 'rows']} csvLimit={1000}>
        <AccountChoice tab="trades" />
        <Text tab="trades" name="symbol" label="Symbol" placeholder="EURUSD" />
        <Choice tab="trades" name="kind" label="Kind" options={Object.entries(KINDS)} />
      </Bar>
      <Records
        tab="trades"
        pages={pages}
        label="Trades"
        names={NAMES}
        brokers
        sum={<Sum pages={pages} />}
        empty={
          <Empty icon="audit" title="No trade yet">
            <p>Deals and orders show up here as soon as a terminal tells of them, whoever made them.</p>
            <Link class="button" href="/connections">
              <Icon name="plug" /> To the connections
            </Link>
          </Empty>
        }
        row={(row) => <Row key={idOf(row)} row={row} digits={digits.get(row.symbol ?? '') ?? 0} open={open} />}
      />
      <Deleted chosen={chosen} />
    </div>
  );
}
