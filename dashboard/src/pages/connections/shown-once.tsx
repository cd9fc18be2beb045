import { useEffect, useState } from 'preact/hooks';
import type { Token } from '../../api/types';
import { loadToken, tokens } from '../../live/store';
import { now } from '../../lib/time';
import { accountName, refusal, refusalWords } from '../../lib/tokens';
import { Link } from '../../lib/router';
import { Check } from '../../ui/field';
import { useHeld } from '../../ui/held';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';
import { Copyable } from '../../ui/secret';
import { Steps } from './steps';

/** Where the Expert Advisor dials: the page's own address with the scheme of a WebSocket. */
export const terminalUrl = () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`;

/** While one waits: that a terminal came is told at once, that one was refused is asked for. */
const ASK_MS = 3_000;

/** What became of the first terminal that used it. */
function Arrival({ live, minted }: { live: Token | undefined; minted: Token }) {
  const refused = live && live.state !== 'connected' ? refusal(live, now.value) : null;
  const connected = live?.state === 'connected';
  return (
    <div role="status" class={`note row line ${connected ? 'good' : refused ? 'bad' : ''}`}>
      {connected ? (
        <>
          <Icon name="check" />{' '}
          <span>
            Connected: account {accountName(live.account)}. <Link href={`/terminal/${minted.id}`}>Look at it</Link>
          </span>
        </>
      ) : refused ? (
        <>
          <Icon name="ban" /> <span>A terminal was refused: {refusalWords(refused, live!)}. Waiting for the right one…</span>
        </>
      ) : (
        <>
          <span class="pulse" aria-hidden="true" />{' '}
          <span>
            Waiting for the terminal…
            {minted.account && <span class="hint">It must be logged in to account {accountName(minted.account)}.</span>}
          </span>
        </>
      )}
    </div>
  );
}

/**
 * The token, once. It lives in this component's memory alone, and the dialog cannot be left by a key press before the token is stored.
 * Then it waits until the terminal is there: the live link is the proof that the set-up works.
 */
export function ShownOnce({ minted, onClose }: { minted: Token; onClose: () => void }) {
  const [stored, setStored] = useState(false);
  const live = tokens.value?.find((token) => token.id === minted.id);
  const connected = live?.state === 'connected';
  const free = stored || connected;
  useHeld(!free);
  useEffect(() => {
    if (connected) return;
    const ask = setInterval(() => void loadToken(minted.id).catch(() => undefined), ASK_MS);
    return () => clearInterval(ask);
  }, [connected]);
  const url = terminalUrl();
  return (
    <Modal
      wide
      title={`Token for ${minted.name || 'the new connection'}`}
      onCancel={free ? onClose : undefined}
      footer={
        <>
          {!free && <span class="small muted grow">Copy the token first, or say that you have stored it.</span>}
          <button type="button" class="primary" disabled={!free} onClick={onClose}>
            {connected ? 'Done' : 'Close'}
          </button>
        </>
      }
    >
      <p class="note warn row line">
        <Icon name="warning" />{' '}
        <span>This is the only time that the token is shown. Whoever has it can connect as this terminal.</span>
      </p>
      <div class="once stack">
        <Copyable label="API_TOKEN" text={minted.token ?? ''} onCopied={() => setStored(true)} />
        <Copyable label="BackendURL" text={url} />
      </div>
      <Steps url={url} />
      <Arrival live={live} minted={minted} />
      <Check checked={stored} onTick={setStored}>
        I have stored the token
      </Check>
    </Modal>
  );
}
