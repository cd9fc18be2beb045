import { useEffect } from 'preact/hooks';
import type { Terminal as Row } from '../api/types';
import { loadTerminals, terminals, terminalsLoaded, tokens } from '../live/store';
import { go, Link, where } from '../lib/router';
import { now, span } from '../lib/time';
import { accountName, troubles } from '../lib/tokens';
import { Money, StateBadge } from '../ui/badge';
import { Empty, Loading } from '../ui/empty';
import { Icon } from '../ui/icon';
import { Combo } from './terminal/combo';
import { View } from './terminal/view';

/** Its account's number is what people know it by. */
function Picker({ chosen }: { chosen: Row }) {
  const rows = [...terminals.value.values()].sort((a, b) => a.account.login - b.account.login);
  if (rows.length < 2) return null;
  return (
    <Combo
      label="Account"
      chosen={chosen.id}
      choices={rows.map((row) => ({
        id: row.id,
        name: String(row.account.login),
        about: [row.name, row.account.server, row.trade_mode_name === 'real' ? 'REAL' : row.trade_mode_name, row.state]
          .filter(Boolean)
          .join(' · '),
      }))}
      kept="accounts"
      choose={(id) => go(`/terminal/${id}`)}
    />
  );
}

/** Nothing to show yet, and what to do about it. */
function Nothing({ id }: { id: string | undefined }) {
  const token = id ? tokens.value?.find((one) => one.id === id) : undefined;
  const waits = token?.state === 'pending';
  const title = waits
    ? `${token.name || 'This connection'} waits for its terminal`
    : id
      ? 'There is no such terminal'
      : 'No terminal has connected yet';
  const words = waits
    ? 'Put its token into the Expert Advisor in MetaTrader. As soon as the terminal connects, its account, prices and positions show here by themselves.'
    : id
      ? 'Its token may have been revoked or disconnected, or it has no account yet.'
      : 'Make a connection first; its prices and positions then show here.';
  return (
    <>
      <h1 tabIndex={-1}>Terminal</h1>
      <Empty icon={waits ? 'key' : 'activity'} title={title}>
        <p>{words}</p>
        <Link class="button" href="/connections">
          <Icon name="plug" /> Connections
        </Link>
      </Empty>
    </>
  );
}

/** Since when it is away, and what of the page is old for it. */
function Away({ row }: { row: Row }) {
  if (row.state === 'connected') return null;
  const seen = row.last_seen_at ? Date.parse(row.last_seen_at) : undefined;
  return (
    <p class="note warn row away">
      <Icon name="info" />
      <span>
        {seen === undefined ? 'Not connected.' : `Not connected: last heard of ${span(now.value - seen)} ago.`} Bars come from the
        hub's memory; figures that are still shown are as old as that, and nothing can be sent.
      </span>
    </p>
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
  if (!chosen) return <Nothing id={id} />;
  const wrong = troubles(chosen);
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>{accountName(chosen.account)}</h1>
          <p class="row">
            <StateBadge state={chosen.state} /> <Money mode={chosen.trade_mode_name} />{' '}
            <span>{[chosen.platform?.toUpperCase(), chosen.company].filter(Boolean).join(' · ')}</span>
          </p>
        </div>
        <Picker chosen={chosen} />
      </div>
      {wrong.length > 0 && (
        <p class="note warn row">
          <Icon name="warning" /> {wrong.join('; ')}
        </p>
      )}
      <Away row={chosen} />
      <View key={chosen.id} terminal={chosen} />
    </>
  );
}
