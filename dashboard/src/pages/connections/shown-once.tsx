import { useEffect, useState } from 'preact/hooks';
import type { Token } from '../../api/types';
import { tokens } from '../../live/store';
import { accountName } from '../../lib/tokens';
import { Link } from '../../lib/router';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';
import { Copyable } from '../../ui/secret';

/** Where the Expert Advisor dials: the page's own address with the scheme of a WebSocket. */
export const terminalUrl = () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`;

/**
 * The token, once. It lives in this component's memory alone, and the dialog cannot be left by a key press before the token is stored.
 * Then it waits until the terminal is there: the live link is the proof that the set-up works.
 */
export function ShownOnce({ minted, onClose }: { minted: Token; onClose: () => void }) {
  const [stored, setStored] = useState(false);
  const live = tokens.value?.find((token) => token.id === minted.id);
  const connected = live?.state === 'connected';
  useEffect(() => {
    if (stored || connected) return;
    const hold = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', hold);
    return () => removeEventListener('beforeunload', hold);
  }, [stored, connected]);
  const free = stored || connected;
  return (
    <Modal
      wide
      title={`Token for ${minted.name || 'the new connection'}`}
      onCancel={free ? onClose : undefined}
      footer={
        <button type="button" class="primary" disabled={!free} onClick={onClose}>
          {connected ? 'Done' : 'Close'}
        </button>
      }
    >
      <p class="note warn row">
        <Icon name="warning" /> This is the only time that it is shown. Copy it now.
      </p>
      <Copyable label="API_TOKEN" text={minted.token ?? ''} onCopied={() => setStored(true)} />
      <Copyable label="BackendURL" text={terminalUrl()} />
      <ol class="steps">
        <li>
          MetaTrader 5: Tools &gt; Options &gt; Expert Advisors: allow <code>{location.hostname}</code>. MetaTrader 4: allow DLL
          imports.
        </li>
        <li>Drag MtBridge onto any chart, and paste both values into its inputs.</li>
        <li>Switch Algo Trading on.</li>
      </ol>
      <label class="check">
        <input type="checkbox" checked={stored} onChange={(event) => setStored(event.currentTarget.checked)} />{' '}
        <span>I have stored the token</span>
      </label>
      <div role="status" class={`note row ${connected ? 'good' : ''}`}>
        {connected ? (
          <>
            <Icon name="check" />{' '}
            <span>
              Connected: account {accountName(live.account)}. <Link href={`/terminal/${minted.id}`}>Look at it</Link>
            </span>
          </>
        ) : (
          <>
            <Icon name="clock" /> <span>Waiting for the terminal…</span>
          </>
        )}
      </div>
    </Modal>
  );
}
