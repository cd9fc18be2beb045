import { useEffect } from 'preact/hooks';
import type { Terminal as Row } from '../api/types';
import { loadTerminals, terminals, terminalsLoaded } from '../live/store';
import { go, Link, where } from '../lib/router';
import { accountName, troubles } from '../lib/tokens';
import { Money, StateBadge } from '../ui/badge';
import { Empty, Loading } from '../ui/empty';
import { Icon } from '../ui/icon';
import { View } from './terminal/view';

/** Its account's number is what people know it by. */
function Picker({ chosen }: { chosen: Row }) {
  const rows = [...terminals.value.values()].sort((a, b) => a.account.login - b.account.login);
  if (rows.length < 2) return null;
  return (
    <label class="nowrap">
      <span class="visually-hidden">Terminal</span>
      <select value={chosen.id} onChange={(event) => go(`/terminal/${event.currentTarget.value}`)}>
        {rows.map((row) => (
          <option key={row.id} value={row.id}>
            {row.account.login} · {row.name || row.account.server} ({row.state})
          </option>
        ))}
      </select>
    </label>
  );
}

/** One terminal: prices, what it holds, and what can be done with it. */
export default function Terminal() {
  useEffect(() => void loadTerminals(), []);
  const id = where.value.pathname.split('/')[2];
  const rows = terminals.value;
  if (!terminalsLoaded.value)
    return (
      <>
        <h1 tabIndex={-1}>Terminal</h1>
        <Loading />
      </>
    );
  const first = [...rows.values()].find((row) => row.state === 'connected') ?? [...rows.values()][0];
  const chosen = id ? (rows.get(id) ?? [...rows.values()].find((row) => String(row.account.login) === id)) : first;
  if (!chosen) {
    return (
      <>
        <h1 tabIndex={-1}>Terminal</h1>
        <Empty icon="activity" title={id ? 'There is no such terminal' : 'No terminal has connected yet'}>
          <p>
            {id
              ? 'Its token may have been revoked or disconnected.'
              : 'Make a connection first; its prices and positions then show here.'}
          </p>
          <Link class="button" href="/connections">
            <Icon name="plug" /> Connections
          </Link>
        </Empty>
      </>
    );
  }
  const wrong = troubles(chosen);
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>{accountName(chosen.account)}</h1>
          <p class="row">
            <StateBadge state={chosen.state} /> <Money mode={chosen.trade_mode_name} />{' '}
            <span>
              {chosen.platform?.toUpperCase()} · {chosen.company}
            </span>
          </p>
        </div>
        <Picker chosen={chosen} />
      </div>
      {wrong.length > 0 && (
        <p class="note warn row">
          <Icon name="warning" /> {wrong.join('; ')}
        </p>
      )}
      {chosen.state !== 'connected' && (
        <p class="note row">
          <Icon name="info" /> It is not connected: bars come from the hub's memory, and positions cannot be read.
        </p>
      )}
      <View key={chosen.id} terminal={chosen} />
    </>
  );
}
