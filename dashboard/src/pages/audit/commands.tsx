import { useSignal } from '@preact/signals';
import { Fragment } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Command, List } from '../../api/types';
import { subscribe } from '../../live/socket';
import { now } from '../../lib/time';
import { accountName } from '../../lib/tokens';
import { Empty } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Copyable } from '../../ui/secret';
import { AccountChoice, Bar, Choice, clock, filters, Text } from './bar';
import { matchesCommand, OUTCOMES, query } from './filters';
import { useKeyNames } from './keys';
import { Detail, Facts, More, Records, When } from './list';
import { usePages } from './pages';
import { action, latency, outcome, result, whose } from './words';

const NAMES: [string, boolean?][] = [['Time'], ['By'], ['Account'], ['Asked for'], ['What came of it'], ['Took', true]];

/** One command alone, or those of a call that made many. */
const rowsOf = (answer: unknown): Command[] => {
  const found = answer as Partial<List<Command>> & { commands?: Command[]; id?: string };
  return found.data ?? found.commands ?? [found as unknown as Command];
};

function Row({ row, by, open, toggle }: { row: Command; by: string; open: boolean; toggle: () => void }) {
  const { word, tone, icon, more } = outcome(row);
  const figures = result(row);
  return (
    <Fragment>
      <tr role="row">
        <td role="cell" class="small">
          <When at={row.created_at} />
        </td>
        <td role="cell" data-label="By">
          {by}
        </td>
        <td role="cell" class="wide">
          {accountName(row.account)}
        </td>
        <td role="cell" class="wide">
          <strong>{action(row)}</strong>
        </td>
        <td role="cell" class="wide outcome">
          <span class={`badge ${tone}`}>
            <Icon name={icon} /> {word}
          </span>{' '}
          {figures && <span>{figures}</span>}
          {more && <div class="small muted">{more}</div>}
        </td>
        <td role="cell" class="num nowrap" data-label={row.final ? 'Took' : undefined}>
          {latency(row)}
        </td>
        <td role="cell" class="actions">
          <More open={open} label={`${open ? 'Less' : 'More'} about ${action(row)}`} id={`more-${row.id}`} toggle={toggle} />
        </td>
      </tr>
      {open && (
        <Detail id={`more-${row.id}`} columns={NAMES.length + 1}>
          <Copyable label="Command" text={row.id} />
          <Facts
            of={[
              ['State', row.state.replaceAll('_', ' ')],
              ['Taken', <When at={row.created_at} />],
              ['Last change', <When at={row.updated_at} />],
              ['Own reference', row.client_order_id],
              ['One of', row.parent],
              ['Key', row.key],
            ]}
          />
          <div class="cards halves">
            <div>
              <h2 class="small">Request</h2>
              <pre>{JSON.stringify(row.request, null, 2)}</pre>
            </div>
            <div>
              <h2 class="small">Answer</h2>
              {row.result ? (
                <pre>{JSON.stringify(row.result, null, 2)}</pre>
              ) : (
                <p class="muted">{row.final ? 'The terminal answered nothing.' : 'None yet.'}</p>
              )}
            </div>
          </div>
        </Detail>
      )}
    </Fragment>
  );
}

/** What was asked for, and what became of it. */
export function Commands() {
  const chosen = filters('commands');
  const names = useKeyNames();
  const open = useSignal('');
  const pages = usePages<Command>(query('commands', chosen, now.value, clock()), rowsOf);
  useEffect(
    () =>
      subscribe(
        { topic: 'commands' },
        ({ type, data }) => {
          if (type !== 'event' || !data) return;
          const command = data as Command;
          const rows = pages.rows.value;
          const at = rows?.findIndex((row) => row.id === command.id) ?? -1;
          // One that is shown tells how it goes on; a new one waits, or the rows would move under the eye.
          if (rows && at >= 0) pages.rows.value = [...rows.slice(0, at), { ...rows[at]!, ...command }, ...rows.slice(at + 1)];
          else if (matchesCommand(filters('commands'), command, now.value, clock())) pages.wait(command.id);
        },
        () => (pages.missed.value = true),
      ),
    [pages],
  );
  return (
    <div class="stack">
      <Bar tab="commands" csvLimit={500} keyName={(id) => whose(id, names)}>
        <AccountChoice tab="commands" />
        <Text tab="commands" name="symbol" label="Symbol" placeholder="EURUSD" />
        <Choice
          tab="commands"
          name="outcome"
          label="Outcome"
          options={Object.entries(OUTCOMES).map(([id, { name }]) => [id, name])}
        />
        {names && (
          <Choice
            tab="commands"
            name="key"
            label="By"
            all="anybody"
            options={[...names].sort((a, b) => a[1].localeCompare(b[1]))}
          />
        )}
      </Bar>
      <Records
        tab="commands"
        pages={pages}
        label="Commands"
        names={NAMES}
        empty={
          <Empty icon="audit" title="Nothing was asked for yet">
            <p>Orders of bots, and of people at the Terminal page, show up here.</p>
          </Empty>
        }
        row={(row) => (
          <Row
            key={row.id}
            row={row}
            by={whose(row.key, names)}
            open={open.value === row.id}
            toggle={() => (open.value = open.value === row.id ? '' : row.id)}
          />
        )}
      />
    </div>
  );
}
