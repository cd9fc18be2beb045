import { useSignal } from '@preact/signals';
import { Fragment } from 'preact';
import { useEffect } from 'preact/hooks';
import { subscribe } from '../../live/socket';
import { now } from '../../lib/time';
import { Empty } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Copyable } from '../../ui/secret';
import { Bar, Choice, clock, filters, Text } from './bar';
import { query } from './filters';
import { useKeyNames } from './keys';
import { Detail, Facts, More, Records, When } from './list';
import { usePages } from './pages';

interface Change {
  id: string;
  seq: number;
  at: string;
  since: string | null;
  count: number;
  actor: string;
  from: string;
  request_id: string;
  action: string;
  target: string;
  outcome: 'done' | 'denied';
  detail: string;
  recorded_at: string;
}

const NAMES: [string, boolean?][] = [['Time'], ['Who'], ['What'], ['Outcome'], ['Detail']];
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
const words = (text: string) => text.replace(/[._]/g, ' ');

function Row({ row, who, open, toggle }: { row: Change; who: string; open: boolean; toggle: () => void }) {
  const denied = row.outcome === 'denied';
  return (
    <Fragment>
      <tr role="row">
        <td role="cell" class="small">
          <When at={row.recorded_at} />
        </td>
        <td role="cell" class="wrap">
          {who}
          {row.from && <div class="small muted">from {row.from}</div>}
        </td>
        <td role="cell" class="wide wrap">
          <strong>{words(row.action)}</strong>
          {row.count > 1 && <span class="badge plain">{row.count} times</span>}
          <div class="small muted">{row.target}</div>
        </td>
        <td role="cell">
          <span class={`badge ${denied ? 'bad' : 'good'}`}>
            <Icon name={denied ? 'ban' : 'check'} /> {denied ? 'Refused' : 'Done'}
          </span>
        </td>
        <td role="cell" class="wide wrap">
          {row.detail}
        </td>
        <td role="cell" class="actions">
          <More
            open={open}
            label={`${open ? 'Less' : 'More'} about ${words(row.action)}`}
            id={`more-${row.id}`}
            toggle={toggle}
          />
        </td>
      </tr>
      {open && (
        <Detail id={`more-${row.id}`} columns={NAMES.length + 1}>
          {row.request_id && <Copyable label="Request, as in the log" text={row.request_id} />}
          <Facts
            of={[
              ['Happened', <When at={row.at} />],
              ['First', row.since && <When at={row.since} />],
              ['Who', row.actor],
              ['To what', row.target],
              ['Record', row.id],
              ['In the journal', `#${row.seq}`],
            ]}
          />
        </Detail>
      )}
    </Fragment>
  );
}

/** Who changed what, and who was not let: for whoever runs the hub. */
export function Changes() {
  const chosen = filters('changes');
  const names = useKeyNames();
  const open = useSignal('');
  const pages = usePages<Change>(query('changes', chosen, now.value, clock()));
  // There is no topic of this list; what these tell is in it.
  useEffect(() => {
    const ends = ['tokens', 'keys', 'kill_switches'].map((topic) =>
      subscribe(
        { topic },
        ({ type }) => {
          if (type === 'event') pages.missed.value = true;
        },
        () => (pages.missed.value = true),
      ),
    );
    return () => {
      for (const end of ends) end();
    };
  }, [pages]);
  const who = (id: string) => (id === 'hub' ? 'The hub' : id === '' ? 'A stranger' : (names?.get(id) ?? id));
  return (
    <div class="stack">
      <Bar tab="changes" csvLimit={1000} keyName={who}>
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
        <Text tab="changes" name="actor" label="Who" placeholder="id of a key or user" />
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
        row={(row) => (
          <Row
            key={row.id}
            row={row}
            who={who(row.actor)}
            open={open.value === row.id}
            toggle={() => (open.value = open.value === row.id ? '' : row.id)}
          />
        )}
      />
    </div>
  );
}
