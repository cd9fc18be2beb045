import { useEffect } from 'preact/hooks';
import type { Terminal as Row } from '../api/types';
import { loadTerminals, terminals, terminalsLoaded, tokens } from '../live/store';
import { go, Link, where } from '../lib/router';
import { now, span } from '../lib/time';
import { accountName, troubles } from '../lib/tokens';
import { Money, StateBadge } from '../ui/badge';
import { Empty, Loading } from '../ui/empty';
import { Icon } from '../ui/icon';
import { meant } from './terminal/chosen';
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

/** One number at two brokers: nobody guesses whose money is meant. */
const Several = ({ rows }: { rows: Row[] }) => (
  <>
    <h1 tabIndex={-1}>Terminal</h1>
    <Empty icon="help" title={`Which account ${rows[0]!.account.login}?`}>
      <p>More than one broker has an account of this number. Choose one:</p>
      {rows.map((row) => (
        <Link key={row.id} class="button" href={`/terminal/${row.id}`}>
          {row.account.server} <Money mode={row.trade_mode_name} />
        </Link>
      ))}
    </Empty>
  </>
);

/** One terminal: prices, what it holds, and what can be done with it. */
export default function Terminal() {
  useEffect(() => void loadTerminals(), []);
  const id = where.value.pathname.split('/')[2];
  const found = meant([...terminals.value.values()], id);
  const chosen = found[0];
  const open = found.length === 1 && chosen?.id === id;
  // Chosen once, and then in the address: no other account comes under the hand when one goes or comes.
  useEffect(() => {
    if (terminalsLoaded.value && found.length === 1 && !open) go(`/terminal/${chosen!.id}${where.value.search}`, true);
  });
  if (!terminalsLoaded.value || (found.length === 1 && !open))
    return (
      <>
        <h1 tabIndex={-1}>Terminal</h1>
        <Loading />
      </>
    );
  if (!chosen) return <Nothing id={id} />;
  if (!open) return <Several rows={found} />;
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
      <View key={chosen.id + accountName(chosen.account)} terminal={chosen} />
    </>
  );
}
