import { useSignal } from '@preact/signals';
import { Fragment } from 'preact';
import { useEffect } from 'preact/hooks';
import { subscribe } from '../../live/socket';
import { signed, tone } from '../../lib/money';
import { Link } from '../../lib/router';
import { now } from '../../lib/time';
import { accountName } from '../../lib/tokens';
import { Empty } from '../../ui/empty';
import { Copyable } from '../../ui/secret';
import { AccountChoice, Bar, Choice, clock, filters, Text } from './bar';
import { address, matches, query } from './filters';
import { Detail, Facts, More, Records, When } from './list';
import { usePages } from './pages';
import { gain, happened, lots, ORIGINS, type Trade } from './words';

const NAMES: [string, boolean?][] = [
  ['Time'],
  ['Account'],
  ['Symbol'],
  ['What'],
  ['Lots', true],
  ['Price', true],
  ['Gain', true],
  ['By'],
];
/** A deal is its ticket; an order or a position has a row for each state. */
const idOf = (row: Trade) =>
  `${row.account?.login}-${row.account?.server}-${row.kind}-${row.ticket}-${row.kind === 'deal' ? '' : `${row.at}-${row.state_name ?? ''}-${row.sl}-${row.tp}-${row.price_open}-${row.volume_current}`}`;

function Row({ row, open, toggle }: { row: Trade; open: boolean; toggle: () => void }) {
  const id = `more-${idOf(row)}`.replace(/\s/g, '');
  const price = row.kind === 'deal' ? row.price : row.kind === 'order' ? row.price_open : undefined;
  const brought = gain(row);
  return (
    <Fragment>
      <tr role="row">
        <td role="cell" class="small">
          <When at={row.at} />
        </td>
        <td role="cell" class="wide">
          {accountName(row.account)}
        </td>
        <td role="cell">
          <strong>{row.symbol}</strong>
        </td>
        <td role="cell" class="wide">
          {happened(row)}{' '}
          <span class="small muted nowrap">
            {row.kind} #{row.ticket}
          </span>
        </td>
        <td role="cell" class="num" data-label={lots(row) ? 'Lots' : undefined}>
          {lots(row) || ''}
        </td>
        <td role="cell" class="num" data-label={price ? 'Price' : undefined}>
          {price || ''}
        </td>
        <td role="cell" class={`num ${tone(brought ?? 0)}`} data-label={brought === undefined ? undefined : 'Gain'}>
          {brought === undefined ? '' : signed(brought)}
        </td>
        <td role="cell" class="small" data-label="By">
          {row.command ? (
            <Link href={address('commands', { id: row.command })}>a command</Link>
          ) : (
            (ORIGINS[row.origin] ?? row.origin)
          )}
        </td>
        <td role="cell" class="actions">
          <More open={open} label={`${open ? 'Less' : 'More'} about ${row.kind} ${row.ticket}`} id={id} toggle={toggle} />
        </td>
      </tr>
      {open && (
        <Detail id={id} columns={NAMES.length + 1}>
          <Copyable label={`Number of the ${row.kind}`} text={String(row.ticket)} />
          <Facts
            of={[
              [
                'Seen by the hub',
                <>
                  <When at={row.seen_at} /> ({row.source === 'pushed' ? 'told at once' : 'found in the history later'})
                </>,
              ],
              [
                'Position',
                row.position_id ? (
                  <Link href={address('trades', { position: String(row.position_id) })}>#{row.position_id}</Link>
                ) : null,
              ],
              ['Order', row.order ? <Link href={address('trades', { order: String(row.order) })}>#{row.order}</Link> : null],
              ['Comment', row.comment],
              ['Reason', row.reason_name],
              [
                'Profit, swap, commission, fee',
                row.kind === 'deal'
                  ? [row.profit, row.swap, row.commission, row.fee].map((value) => signed(value ?? 0) || '0').join(', ')
                  : null,
              ],
            ]}
          />
          <details>
            <summary>As the hub keeps it</summary>
            <pre>{JSON.stringify(row, null, 2)}</pre>
          </details>
        </Detail>
      )}
    </Fragment>
  );
}

/** What happened in the accounts, as far as the hub has seen it. */
export function Trades() {
  const chosen = filters('trades');
  const open = useSignal('');
  const pages = usePages<Trade>(query('trades', chosen, now.value, clock()));
  useEffect(
    () =>
      subscribe(
        { topic: 'deals' },
        (message) => {
          const { type, data } = message;
          if (type !== 'event' || !data) return;
          const account = (message as typeof message & { account?: Trade['account'] }).account;
          const row = { ...(data as Trade), ...(account ? { account } : {}) };
          const rows = pages.rows.value;
          const at = rows?.findIndex((one) => idOf(one) === idOf(row)) ?? -1;
          // A deal that is told again may have its commission now.
          if (rows && at >= 0) pages.rows.value = [...rows.slice(0, at), { ...rows[at]!, ...row }, ...rows.slice(at + 1)];
          else if (
            matches(
              filters('trades'),
              {
                account: row.account,
                symbol: row.symbol,
                at: Date.parse(row.at),
                kind: row.kind,
                order: row.order,
                position: row.position_id,
              },
              now.value,
              clock(),
            )
          )
            pages.wait(idOf(row));
        },
        () => (pages.missed.value = true),
      ),
    [pages],
  );
  return (
    <div class="stack">
      <Bar tab="trades" csvLimit={1000} keyName={(id) => id}>
        <AccountChoice tab="trades" />
        <Text tab="trades" name="symbol" label="Symbol" placeholder="EURUSD" />
        <Choice
          tab="trades"
          name="kind"
          label="Kind"
          options={[
            ['deal', 'Deals'],
            ['order', 'Orders'],
            ['position', 'Changes of stops'],
          ]}
        />
      </Bar>
      <Records
        tab="trades"
        pages={pages}
        label="Trades"
        names={NAMES}
        empty={
          <Empty icon="audit" title="No trade yet">
            <p>Deals and orders show up here as soon as a terminal tells of them, whoever made them.</p>
          </Empty>
        }
        row={(row) => {
          const id = idOf(row);
          return <Row key={id} row={row} open={open.value === id} toggle={() => (open.value = open.value === id ? '' : id)} />;
        }}
      />
    </div>
  );
}
