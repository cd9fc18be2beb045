import { useSignal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { get, hub, ok } from '../../api/client';
import type { AccountFigures, List, Position, Token } from '../../api/types';
import { loadTokens, terminals } from '../../live/store';
import { signed } from '../../lib/money';
import { confirmed } from '../../lib/session';
import { accountName, tokenName } from '../../lib/tokens';
import { Confirm } from '../../ui/confirm';
import { Field, OneOf } from '../../ui/field';
import { Icon } from '../../ui/icon';
import { orLost } from '../../ui/lost';
import { Overlap } from '../../ui/overlap';
import { toast } from '../../ui/toast';
import { ShownOnce } from './shown-once';

interface Props {
  token: Token;
  onClose: () => void;
}

/** Rows that are counted at most: a long history is not fetched for its length. */
const COUNTED = 500;
const count = async (path: string, one: string, many: string) => {
  const page = await get<List<unknown>>(`${path}&limit=${COUNTED}`);
  const rows = page.data.length;
  return `${page.next_cursor ? 'more than ' : ''}${rows} ${rows === 1 ? one : many}`;
};

/** How much "Delete all" would take. */
function Records({ token }: { token: Token }) {
  const [words, setWords] = useState('Counting what there is…');
  useEffect(() => {
    const account = encodeURIComponent(`${token.account!.login}@${token.account!.server}`);
    Promise.all([
      count(`/api/v1/audit/trades?account=${account}`, 'row', 'rows'),
      count(`/api/v1/commands?terminal=${account}`, 'command', 'commands'),
    ]).then(
      ([trades, commands]) => setWords(`It has ${trades} of trade history and ${commands}.`),
      () => setWords('How much there is cannot be counted now.'),
    );
  }, [token.id]);
  return (
    <p class="note bad" role="status">
      {words} Its stored bars go, too. All of it is destroyed at once, and this can’t be undone.
    </p>
  );
}

/** Frees the token from its account. */
export function Disconnect({ token, onClose }: Props) {
  const [history, setHistory] = useState<'keep' | 'delete'>('keep');
  const [typed, setTyped] = useState('');
  // The account as it was when the dialog was opened: afterwards the token has none.
  const [account] = useState(token.account);
  const login = String(account?.login ?? '');
  const action = async () => {
    await confirmed(() => hub.POST('/api/v1/tokens/{id}/disconnect', { params: { path: { id: token.id } }, body: { history } }));
    await loadTokens();
    toast(`${tokenName(token)} is Pending: free for the next account`);
  };
  return (
    <Confirm
      title={`Disconnect ${accountName(account)}?`}
      verb={history === 'delete' ? 'Disconnect and delete all' : 'Disconnect'}
      doing="Disconnecting…"
      danger={history === 'delete'}
      ready={history === 'keep' || typed === login}
      action={action}
      onClose={onClose}
    >
      <p>
        The terminal is cut off, and its Expert Advisor stops until it is attached anew. The token “{tokenName(token)}” turns
        Pending: the next account that uses it gets it. What is open at the broker stays open.
      </p>
      <OneOf
        legend="Its recorded history"
        name="history"
        value={history}
        options={[
          ['keep', 'Keep history', 'Its trades and commands stay in Audit.'],
          ['delete', 'Delete all', 'Every record of this account is destroyed.'],
        ]}
        onPick={setHistory}
      />
      {history === 'delete' && account && (
        <>
          <Records token={{ ...token, account }} />
          <Field
            label={`Type the account number ${login} to delete everything`}
            inputMode="numeric"
            autocomplete="off"
            value={typed}
            onText={(text) => setTyped(text.trim())}
          />
        </>
      )}
    </Confirm>
  );
}

/** What is open on the account now: asked for, and nobody waits for it. */
function OpenNow({ token }: { token: Token }) {
  const [words, setWords] = useState('Looking whether positions are open…');
  const [alarm, setAlarm] = useState(false);
  useEffect(() => {
    const ended = new AbortController();
    const ask = <T,>(what: string) => get<T>(`/api/v1/terminals/${token.id}/${what}`, ended.signal);
    Promise.all([ask<List<Position>>('positions'), ask<AccountFigures>('account').catch(() => undefined)]).then(
      ([{ data }, account]) => {
        const sum = data.reduce((total, one) => total + one.profit + one.swap, 0);
        const worth = `${signed(sum, account?.currency_digits)} ${account?.currency ?? ''}`.trim();
        setAlarm(data.length > 0);
        setWords(
          data.length === 0
            ? 'No position is open on it now.'
            : `${data.length === 1 ? 'One position is' : `${data.length} positions are`} open on it now, at ${worth} with swap. No bot can close ${data.length === 1 ? 'it' : 'them'} after this.`,
        );
      },
      () => {
        if (!ended.signal.aborted) setWords('Whether positions are open could not be asked.');
      },
    );
    return () => ended.abort();
  }, [token.id]);
  return (
    <p class={`note row line ${alarm ? 'warn' : ''}`} role="status">
      <Icon name={alarm ? 'warning' : 'info'} /> <span>{words}</span>
    </p>
  );
}

/** Ends a token for good. */
export function Revoke({ token, onClose }: Props) {
  // As it was when the dialog was opened.
  const [online] = useState(terminals.value.get(token.id)?.state === 'connected');
  const action = async () => {
    await hub.DELETE('/api/v1/tokens/{id}', { params: { path: { id: token.id } } });
    await loadTokens();
    toast(`${tokenName(token)} is revoked`);
  };
  return (
    <Confirm title={`Revoke ${tokenName(token)}?`} verb="Revoke token" doing="Revoking…" danger action={action} onClose={onClose}>
      <p>The EA stops at once with error 401. This can’t be undone: the terminal will need a new token.</p>
      {token.account ? (
        <>
          {online && <OpenNow token={token} />}
          <p>
            {online ? '' : 'Its terminal is not connected, so what is open on the account is not known. '}Positions and orders of
            account {accountName(token.account)} stay as they are at the broker. Its recorded history stays, too.
          </p>
        </>
      ) : (
        <p>No terminal has used it yet.</p>
      )}
    </Confirm>
  );
}

/** Another name. */
export function Rename({ token, onClose }: Props) {
  const [name, setName] = useState(token.name);
  const action = async () => {
    await hub.PATCH('/api/v1/tokens/{id}', { params: { path: { id: token.id } }, body: { name: name.trim() } });
    await loadTokens();
  };
  return (
    <Confirm title={`Rename ${tokenName(token)}`} verb="Rename" doing="Renaming…" action={action} onClose={onClose}>
      <Field label="Name" maxLength={100} value={name} onText={setName} />
    </Confirm>
  );
}

/** A new token with the same lock; the old one goes on for a while. */
export function Replace({ token, onClose }: Props) {
  const overlap = useSignal(86_400);
  const [minted, setMinted] = useState<Token>();
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  const action = async () => {
    try {
      setMinted(
        await confirmed(() =>
          ok(hub.POST('/api/v1/tokens/{id}/rotate', { params: { path: { id: token.id } }, body: { overlap_s: overlap.value } })),
        ),
      );
    } catch (error) {
      void loadTokens();
      orLost(
        'If the list shows this token as “old”, a new one was made that nobody has seen: replace that new one, with its end “now”.',
      )(error);
    }
    await loadTokens();
  };
  return (
    <Confirm
      title={`Replace ${tokenName(token)}`}
      verb="Make the new token"
      doing="Making it…"
      action={action}
      onClose={onClose}
      onDone={() => undefined}
    >
      <p>
        You get a new token of the same name
        {token.account && `, for account ${accountName(token.account)} and no other`}, good for a year. The old one is accepted
        until you have put the new one into the terminal:
      </p>
      <Overlap label="The old one ends" value={overlap} />
      {overlap.value === 0 && (
        <p class="note warn row line">
          <Icon name="warning" /> <span>The terminal is cut off at once, and stays so until it has the new token.</span>
        </p>
      )}
    </Confirm>
  );
}
