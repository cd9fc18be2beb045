import { type Signal, useSignal } from '@preact/signals';
import { now } from '../../lib/time';
import { Empty } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Copyable } from '../../ui/secret';
import type { Column } from '../../ui/table';
import { Bar, Choice, clock, filters, Text } from './bar';
import { isDeletion } from './deleted';
import { query } from './filters';
import { capital } from '../../lib/plans';
import { Facts } from '../../ui/facts';
import { Line, Records, resting, When } from './list';
import { actorName, tokenName, useCallers, type Names } from './names';
import { usePages, useTold } from './pages';
import type { Change } from './words';

const NAMES: Column[] = [['Time', 'c-when'], ['Who', 'c-who'], ['What'], ['Outcome', 'c-result'], ['Detail']];
const KINDS: [string, string][] = [
  ['access', 'Refusals'],
  ['token', 'Tokens'],
  ['key', 'API keys'],
  ['user', 'Users'],
  ['session', 'Sign-ins'],
  ['kill_switch', 'Kill switch'],
  ['hook', 'TradingView'],
  ['webhook', 'Webhooks'],
  ['backup', 'Backups'],
];
const words = (text: string) => capital(text.replace(/[._]/g, ' '));

interface RowProps {
  row: Change;
  names: Names;
  open: Signal<string>;
}

function Row({ row, names, open }: RowProps) {
  const denied = row.outcome === 'denied';
  const deletion = isDeletion(row);
  const target = tokenName(row.target) || names.get(row.target) || row.target;
  return (
    <Line
      id={row.id}
      about={words(row.action)}
      open={open}
      columns={NAMES.length}
      more={
        <>
          {row.request_id && <Copyable label="Request, as in the log" text={row.request_id} />}
          <Facts
            of={[
              ['Happened', <When at={row.at} line ms />],
              ['First', row.since && <When at={row.since} line ms />],
              ['Who', row.actor],
              ['To what', row.target],
              ['Record', row.id],
              ['In the journal', `#${row.seq}`],
            ]}
          />
        </>
      }
    >
      <td role="cell" class="c-when">
        <When at={row.recorded_at} />
      </td>
      <td role="cell" class="c-who">
        {actorName(row.actor, names)} <span class="sub">{row.from}</span>
      </td>
      <td role="cell" class="c-what">
        <span>
          <strong>{words(row.action)}</strong> {row.count > 1 && <span class="badge plain">{row.count} times</span>}
        </span>{' '}
        <span class="sub">{target}</span>
      </td>
      <td role="cell" class="c-result">
        <span class={`badge ${denied ? 'bad' : deletion ? 'warn' : 'good'}`}>
          <Icon name={denied ? 'ban' : deletion ? 'bin' : 'check'} /> {denied ? 'Refused' : deletion ? 'Deleted' : 'Done'}
        </span>
      </td>
      <td role="cell" class="c-detail">
        {row.detail}
      </td>
    </Line>
  );
}

/** Who changed what, and who was not let: for whoever runs the hub. */
export function Changes() {
  const chosen = filters('changes');
  const names = useCallers();
  const open = useSignal('');
  const pages = usePages<Change>(query('changes', chosen, now.value, clock()), {
    idOf: (row) => row.id,
    resting: () => resting('changes', open.value),
  });
  // The hub tells that there are new ones, and not what they say.
  useTold(pages, 'audit', ({ data }) => {
    if ((data as { newest?: string } | null)?.newest !== pages.rows.value?.[0]?.id) pages.look();
  });
  const who = (id: string) => actorName(id, names);
  return (
    <div class="stack">
      <Bar
        tab="changes"
        pages={pages}
        words={['change', 'changes']}
        csvLimit={1000}
        named={(id, filter) =>
          filter === 'actor' ? who(id) : filter === 'action' ? (KINDS.find(([of]) => of === id)?.[1] ?? id) : id
        }
      >
        <Choice tab="changes" name="action" label="What" first options={KINDS} />
        <Choice
          tab="changes"
          name="outcome"
          label="Outcome"
          options={[
            ['done', 'Done'],
            ['denied', 'Refused'],
          ]}
        />
        <Choice
          tab="changes"
          name="actor"
          label="Who"
          all="anybody"
          options={[['hub', 'The hub'], ...[...names].sort((a, b) => a[1].localeCompare(b[1]))]}
        />
        <Text tab="changes" name="target" label="To what" placeholder="id, or a route" />
      </Bar>
      <Records
        tab="changes"
        pages={pages}
        label="Changes"
        names={NAMES}
        empty={
          <Empty icon="audit" title="Nothing was changed yet">
            <p>Tokens, keys, users and switches leave a line here.</p>
          </Empty>
        }
        row={(row) => <Row key={row.id} row={row} names={names} open={open} />}
      />
    </div>
  );
}
