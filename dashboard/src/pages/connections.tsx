import { useEffect } from 'preact/hooks';
import type { Token, TokenState } from '../api/types';
import { loadTokens, terminals, tokens, tokensFailed } from '../live/store';
import { lazy } from '../lib/lazy';
import { go, Link, where } from '../lib/router';
import { acts } from '../lib/session';
import { expiring, matches, ordered, replaced } from '../lib/tokens';
import { Empty, Failed, Loading } from '../ui/empty';
import { Icon } from '../ui/icon';
import { type Column, Table } from '../ui/table';
import { Filter } from './connections/filter';
import { address, minute, opened } from './connections/open';
import { Row } from './connections/row';
import './connections/connections.css';

const Over = lazy(() => import('./connections/over'));

/** Rows at a time. */
const PAGE = 100;
/** Refusals and round trips are told by no stream, so the list is read anew now and then while somebody looks. */
const AGAIN_MS = 15_000;
const COLUMNS: Column[] = [['State'], ['Name'], ['Account'], ['Seen'], ['Latency', 'num'], ['Expires']];

const newConnection = () => (opened.value = { what: 'new' });

function New() {
  return (
    <button type="button" class="primary" data-new onClick={newConnection}>
      <Icon name="plus" /> New connection
    </button>
  );
}

function Expiring({ list }: { list: Token[] }) {
  const { soon, urgent } = expiring(list, minute.value);
  const all = soon + urgent;
  if (all === 0) return null;
  return (
    <p class={`note row line ${urgent ? 'bad' : 'warn'}`}>
      <Icon name="clock" />{' '}
      <span>
        {all === 1 ? 'One token expires' : `${all} tokens expire`} within 30 days
        {urgent > 0 && (all === urgent ? ', within 7 in fact' : `, ${urgent} of them within 7`)}. Replace gives a new one while
        the old one still works.
      </span>
    </p>
  );
}

/** Which rows are on the screen, read out when the filter or the page changes; below the list only the way to the others. */
function Pages({ page, pages, count, below }: { page: number; pages: number; count: number; below?: boolean }) {
  const to = (next: number) => {
    go(address({ page: next > 1 ? String(next) : '' }));
    document.querySelector('h1')?.scrollIntoView();
  };
  const first = (page - 1) * PAGE + 1;
  return (
    <div class="row between">
      <p class="small muted" role={below ? undefined : 'status'}>
        {count === 0
          ? 'No connection matches.'
          : pages > 1
            ? `${first} to ${Math.min(page * PAGE, count)} of ${count} connections`
            : `${count} ${count === 1 ? 'connection' : 'connections'}`}
      </p>
      {pages > 1 && (
        <nav class="row" aria-label={below ? 'Pages of the list, below it' : 'Pages of the list'}>
          <button type="button" disabled={page === 1} onClick={() => to(page - 1)}>
            <Icon name="left" /> Before
          </button>
          <button type="button" disabled={page === pages} onClick={() => to(page + 1)}>
            Next <Icon name="right" />
          </button>
        </nav>
      )}
    </div>
  );
}

function List({ list }: { list: Token[] }) {
  const query = where.value.searchParams;
  const [state, text] = [query.get('state') ?? '', query.get('q') ?? ''];
  const rows = terminals.value;
  const found = list.filter((token) => matches(token, rows.get(token.id), text));
  const counts = new Map<TokenState, number>();
  for (const token of found) counts.set(token.state, (counts.get(token.state) ?? 0) + 1);
  const shown = ordered(
    found.filter((token) => (state ? token.state === state : token.state !== 'revoked')),
    rows,
    minute.value,
  );
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  const page = Math.min(pages, Math.max(1, Number(query.get('page')) || 1));
  const old = replaced(list);
  return (
    <div class="stack live">
      <Filter counts={counts} />
      <Pages page={page} pages={pages} count={shown.length} />
      {shown.length > 0 ? (
        <Table label="Connections" class="connections" names={COLUMNS}>
          {shown.slice((page - 1) * PAGE, page * PAGE).map((token) => (
            <Row key={token.id} token={token} terminal={rows.get(token.id)} old={old.get(token.id)} />
          ))}
        </Table>
      ) : (
        <p class="muted">
          <Link href="/connections">Clear the filter</Link> to see all.
        </p>
      )}
      {pages > 1 && <Pages below page={page} pages={pages} count={shown.length} />}
    </div>
  );
}

/** Who is connected, and every token behind it. */
export default function Connections() {
  useEffect(() => {
    void loadTokens();
    // Revoking must not have to wait for a file of the page, nor fail for want of one.
    void import('./connections/over').catch(() => undefined);
    const again = setInterval(() => {
      if (document.visibilityState === 'visible') void loadTokens();
    }, AGAIN_MS);
    return () => {
      clearInterval(again);
      opened.value = null;
    };
  }, []);
  const list = tokens.value;
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>Connections</h1>
          <p>One token for each terminal. It locks itself to the first account that uses it.</p>
        </div>
        {acts.value && list && list.length > 0 && <New />}
      </div>
      {list && <Expiring list={list} />}
      {tokensFailed.value && <Failed what={tokensFailed.value} again={() => void loadTokens()} />}
      {list === undefined && !tokensFailed.value && <Loading />}
      {list?.length === 0 && (
        <Empty icon="plug" title="No terminal yet">
          <p>
            {acts.value
              ? 'Make a token, paste it into the Expert Advisor, and watch it connect here.'
              : 'Terminals stand here once an owner has connected them.'}
          </p>
          {acts.value && <New />}
        </Empty>
      )}
      {list && list.length > 0 && <List list={list} />}
      {(opened.value || where.value.searchParams.has('token')) && <Over />}
    </>
  );
}
