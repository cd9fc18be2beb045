import { useState } from 'preact/hooks';
import { hub, ok, sentence, Unreachable } from '../../api/client';
import type { Token } from '../../api/types';
import { loadTokens } from '../../live/store';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';
import { ShownOnce } from './shown-once';

/** Makes a token and shows it once. */
export function NewConnection({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const [minted, setMinted] = useState<Token>();
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    try {
      setMinted(await ok(hub.POST('/api/v1/tokens', { body: { name: name.trim() } })));
      void loadTokens();
    } catch (error) {
      setFailure(
        error instanceof Unreachable
          ? 'The hub does not answer. A token may have been made that nobody was shown: if one without a terminal appears in the list, revoke it.'
          : sentence(error),
      );
      setBusy(false);
    }
  };
  return (
    <Modal
      title="New connection"
      onCancel={busy ? undefined : onClose}
      footer={
        <>
          <button type="button" disabled={busy} onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form="new-connection" class="primary" disabled={busy}>
            {busy ? 'Generating…' : 'Generate token'}
          </button>
        </>
      }
    >
      <form id="new-connection" onSubmit={submit}>
        <label class="field">
          Name <span class="muted">(optional)</span>
          <span class="hint">So that you know it again: “ICMarkets Demo”, “Pepperstone Live”, “VPS Account”</span>
          <input autofocus maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
      </form>
      <div role="alert">
        {failure && (
          <p class="error">
            <Icon name="alert" /> <span>{failure}</span>
          </p>
        )}
      </div>
    </Modal>
  );
}
