import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { Command, List } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { Link } from '../../lib/router';
import { may } from '../../lib/session';
import { now } from '../../lib/time';
import { accountName } from '../../lib/tokens';
import { Empty } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Copyable } from '../../ui/secret';
import type { Column } from '../../ui/table';
import { AccountChoice, Bar, Choice, clock, filters, Text } from './bar';
import { Decide } from './decide';
import { address, matchesCommand, OUTCOMES, query } from './filters';
import { Facts } from '../../ui/facts';
import { Line, Records, resting, When } from './list';
import { actorName, useCallers } from './names';
import { usePages, useTold } from './pages';
import { action, besides, latency, outcome, result, set, sort, stages, tickets, whose, type Maker } from './words';

const NAMES: Column[] = [
  ['Time', 'c-when'],
  ['By', 'c-by'],
  ['Account', 'c-account'],
  ['Asked for'],
  ['What came of it', 'c-result'],
  ['Took', 'c-took num'],
];
type Called = (id: string) => string;

/** One command alone, or those of a call that made many. */
const rowsOf = (answer: unknown): Command[] => {
  const found = answer as Partial<List<Command>> & { commands?: Command[]; id?: string };
  return found.data ?? found.commands ?? [found as unknown as Command];
};

/** What a command went through, with the time between. */
function Timeline({ row }: { row: Command }) {
  const all = stages(row);
  if (all.length === 0) return null;
  return (
    <ol class="timeline" aria-label="What it went through">
      {all.map(({ state, at, word, reason, after }, index) => (
        <li key={`${at} ${state}`} class={index === all.length - 1 ? outcome(row).tone || 'last' : ''}>
          <span class="timeline-when">
            <When at={at} line ms />
            {after && <span class="muted nowrap"> +{after}</span>}
          </span>
          <span>
            {word}
            {reason && <span class="sub">{reason}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}

function About({ row, called, decide }: { row: Command; called: Called; decide: () => void }) {
  const { more } = outcome(row, called);
  return (
    <>
      {row.state === 'unknown' && (
        <div class="note warn row">
          <Icon name="help" />
          <span class="grow">
            Nobody knows yet whether it was executed; the hub goes on asking. Look into the terminal before you send it again.
          </span>
          {may('admin') && (
            <button type="button" onClick={decide}>
              Decide what became of it…
            </button>
          )}
        </div>
      )}
      {row.state !== 'unknown' && more && <p class="said">{more}</p>}
      <div class="cards halves">
        <Timeline row={row} />
        <div class="stack">
          <Copyable label="Command, as in the log" text={row.id} />
          <Facts
            of={[
              ['Own reference', row.client_order_id],
              ['One of', row.parent && <Link href={address('commands', { id: row.parent })}>{row.parent}</Link>],
              [
                'Deals',
                !!row.result?.order && (
                  <Link href={address('trades', { order: String(row.result.order) })}>
                    order #{row.result.order} in the trades
                  </Link>
                ),
              ],
              ['By', `${whose(row.by)}, ${row.by.id}`],
              ['Account', accountName(row.account)],
              ['Asked under', row.key],
              ['Address', <Link href={address('commands', { id: row.id })}>this command alone</Link>],
            ]}
          />
        </div>
      </div>
      <div class="cards halves">
        <div>
          <h2 class="small">Request</h2>
          <pre>{JSON.stringify(set(row.request), null, 1)}</pre>
        </div>
        <div>
          <h2 class="small">Answer</h2>
          {row.result ? (
            <pre>{JSON.stringify(row.result, null, 1)}</pre>
          ) : (
            <p class="muted">{row.final ? 'The terminal answered nothing.' : 'None yet.'}</p>
          )}
        </div>
      </div>
    </>
  );
}

interface RowProps {
  row: Command;
  called: Called;
  open: Signal<string>;
  decide: () => void;
}

function Row({ row, called, open, decide }: RowProps) {
  const { word, tone, icon, more } = outcome(row, called);
  const figures = result(row);
  return (
    <Line
      id={row.id}
      about={action(row)}
      open={open}
      columns={NAMES.length}
      more={<About row={row} called={called} decide={decide} />}
    >
      <td role="cell" class="c-when">
        <When at={row.created_at} />
      </td>
      <td role="cell" class="c-by">
        {whose(row.by)} <span class="sub">{sort(row.by)}</span>
      </td>
      <td role="cell" class="c-account">
        {row.account?.login} <span class="sub">{row.account?.server}</span>
      </td>
      <td role="cell" class="c-what">
        <strong>{action(row)}</strong> <span class="sub">{besides(row)}</span>
      </td>
      <td role="cell" class="c-result">
        <span class="row tight">
          <span class={`badge ${tone}`}>
            <Icon name={icon} /> {word}
          </span>{' '}
          {figures && <span>{figures}</span>}
        </span>
        <span class="sub">{(tone === 'good' && row.state !== 'adjudicated' && tickets(row)) || more}</span>
      </td>
      <td role="cell" class="c-took num nowrap">
        {latency(row)}
      </td>
    </Line>
  );
}

/** Who made the commands that the caller sees: the names for the filter, and for whoever decided one. */
const readMakers = (): Promise<Maker[]> =>
  ok(hub.GET('/api/v1/commands/makers', { params: { query: { terminal: '*' } } })).then(({ data }) => data);

/** What was asked for, and what became of it. */
export function Commands() {
  const chosen = filters('commands');
  const makers = useLoaded(readMakers).value.value ?? [];
  const open = useSignal(chosen.id ?? '');
  const deciding = useSignal<Command | undefined>(undefined);
  const callers = useCallers();
  const called: Called = (id) => {
    const maker = makers.find((one) => one.id === id);
    return maker ? whose(maker) : actorName(id, callers);
  };
  const pages = usePages<Command>(query('commands', chosen, now.value, clock()), {
    idOf: (row) => row.id,
    rowsOf,
    resting: () => resting('commands', open.value),
  });
  // An address of one command shows the whole of it.
  useEffect(() => {
    if (chosen.id) open.value = chosen.id;
  }, [chosen.id]);
  useTold(pages, 'commands', ({ type, data }) => {
    if (type !== 'event' || !data) return;
    const command = data as Command;
    pages.take(command, matchesCommand(filters('commands'), command, now.value, clock()));
  });
  return (
    <div class="stack">
      <Bar
        tab="commands"
        pages={pages}
        words={['command', 'commands']}
        csvLimit={500}
        named={(id, filter) => (filter === 'by' ? called(id) : id)}
      >
        <AccountChoice tab="commands" />
        <Choice
          tab="commands"
          name="by"
          label="By"
          all="anybody"
          options={makers.map((one): [string, string] => [one.id, `${whose(one)}${one.kind === 'hub' ? '' : ` (${sort(one)})`}`])}
        />
        <Text tab="commands" name="symbol" label="Symbol" placeholder="EURUSD" />
        <Choice
          tab="commands"
          name="outcome"
          label="Outcome"
          options={Object.entries(OUTCOMES).map(([id, { name }]) => [id, name])}
        />
      </Bar>
      <Records
        tab="commands"
        pages={pages}
        label="Commands"
        names={NAMES}
        empty={
          <Empty icon="audit" title="Nothing was asked for yet">
            <p>Orders of bots, and of people at the Terminal page, show up here.</p>
            <Link class="button" href="/terminal">
              <Icon name="activity" /> To the terminal
            </Link>
          </Empty>
        }
        row={(row) => <Row key={row.id} row={row} called={called} open={open} decide={() => (deciding.value = row)} />}
      />
      {deciding.value && (
        <Decide
          row={deciding.value}
          onClose={() => (deciding.value = undefined)}
          onDone={(row: Command) => pages.take(row, false)}
        />
      )}
    </div>
  );
}
