import { useState } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { Token } from '../../api/types';
import { loadTokens, terminals } from '../../live/store';
import { accountName } from '../../lib/tokens';
import { Confirm } from '../../ui/confirm';
import { toast } from '../../ui/toast';
import { ShownOnce } from './shown-once';

interface Props {
  token: Token;
  onClose: () => void;
}
const nameOf = (token: Token) => token.name || `${token.prefix}…`;

/** Frees the token from its account. */
export function Disconnect({ token, onClose }: Props) {
  const [history, setHistory] = useState<'keep' | 'delete'>('keep');
  const [typed, setTyped] = useState('');
  const login = String(token.account?.login ?? '');
  const action = async () => {
    await hub.POST('/api/v1/tokens/{id}/disconnect', { params: { path: { id: token.id } }, body: { history } });
    await loadTokens();
    toast(`${nameOf(token)} is free for another account`);
  };
  return (
    <Confirm
      title={`Disconnect ${accountName(token.account)}?`}
      verb="Disconnect"
      doing="Disconnecting…"
      danger={history === 'delete'}
      ready={history === 'keep' || typed === login}
      action={action}
      onClose={onClose}
    >
      <p>The terminal is cut off, and the token “{nameOf(token)}” turns Pending: the next account that uses it gets it.</p>
      <fieldset>
        <legend>What has been recorded of this account</legend>
        <label class="check">
          <input type="radio" name="history" checked={history === 'keep'} onChange={() => setHistory('keep')} />{' '}
          <span>
            <strong>Keep history</strong>
            <span class="hint">Its trades stay in Audit.</span>
          </span>
        </label>
        <label class="check">
          <input type="radio" name="history" checked={history === 'delete'} onChange={() => setHistory('delete')} />{' '}
          <span>
            <strong>Delete all</strong>
            <span class="hint">Every record of this account is destroyed. This cannot be undone.</span>
          </span>
        </label>
      </fieldset>
      {history === 'delete' && (
        <label class="field">
          Type the account number {login} to delete everything
          <input
            inputMode="numeric"
            autocomplete="off"
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value.trim())}
          />
        </label>
      )}
    </Confirm>
  );
}

/** Ends a token for good. */
export function Revoke({ token, onClose }: Props) {
  const online = terminals.value.get(token.id)?.state === 'connected';
  const action = async () => {
    await hub.DELETE('/api/v1/tokens/{id}', { params: { path: { id: token.id } } });
    await loadTokens();
    toast(`${nameOf(token)} is revoked`);
  };
  return (
    <Confirm title={`Revoke ${nameOf(token)}?`} verb="Revoke token" doing="Revoking…" danger action={action} onClose={onClose}>
      <p>The Expert Advisor stops at once and shows “Error 401”. It cannot be undone: the terminal will need a new token.</p>
      {token.account && (
        <p>
          {online ? 'It is connected now. ' : ''}Positions and orders of account {accountName(token.account)} stay as they are at
          the broker; bots can no longer reach them.
        </p>
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
    <Confirm title={`Rename ${nameOf(token)}`} verb="Rename" doing="Renaming…" action={action} onClose={onClose}>
      <label class="field">
        Name
        <input maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
    </Confirm>
  );
}

/** A new token with the same lock; the old one goes on for a while. */
export function Replace({ token, onClose }: Props) {
  const [overlap, setOverlap] = useState(86_400);
  const [minted, setMinted] = useState<Token>();
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  const action = async () => {
    setMinted(
      await ok(hub.POST('/api/v1/tokens/{id}/rotate', { params: { path: { id: token.id } }, body: { overlap_s: overlap } })),
    );
    await loadTokens();
  };
  return (
    <Confirm
      title={`Replace ${nameOf(token)}`}
      verb="Make the new token"
      doing="Making it…"
      action={action}
      onClose={onClose}
      onDone={() => undefined}
    >
      <p>You get a new token for the same account. The old one is accepted until you have put the new one into the terminal:</p>
      <label class="field">
        The old one ends
        <select value={overlap} onChange={(event) => setOverlap(Number(event.currentTarget.value))}>
          <option value={0}>now</option>
          <option value={3600}>in 1 hour</option>
          <option value={86_400}>in 24 hours</option>
          <option value={604_800}>in 7 days</option>
        </select>
      </label>
    </Confirm>
  );
}
