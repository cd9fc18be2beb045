import { useState } from 'preact/hooks';
import { hub, ok, sentence, Unreachable } from '../../api/client';
import type { Token } from '../../api/types';
import { loadTokens, tokens, tokensFailed } from '../../live/store';
import { Field } from '../../ui/field';
import { useHeld } from '../../ui/held';
import { Lost } from '../../ui/lost';
import { Modal } from '../../ui/modal';
import { Wrong } from '../../ui/wrong';
import { ShownOnce } from './shown-once';

/** Reads the list anew; what is not known for sure cannot be told apart from what a lost call has made. */
async function known(): Promise<Token[]> {
  await loadTokens();
  if (tokensFailed.value || !tokens.value) throw new Error(tokensFailed.value);
  return tokens.value;
}

/** Makes a token and shows it once. */
export function NewConnection({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const [lost, setLost] = useState<{ name: string; before: Set<string> }>();
  const [minted, setMinted] = useState<Token>();
  useHeld(busy && !minted);
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    setLost(undefined);
    const asked = name.trim();
    let before = new Set<string>();
    try {
      before = new Set((await known()).map((one) => one.id));
      setMinted(await ok(hub.POST('/api/v1/tokens', { body: { name: asked } })));
      void loadTokens();
    } catch (error) {
      if (error instanceof Unreachable) setLost({ name: asked, before });
      else setFailure(sentence(error));
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
        <Field
          label={
            <>
              Name <span class="muted">(optional)</span>
              <span class="hint">So that you know it again: “ICMarkets Demo”, “Pepperstone Live”, “VPS Account”</span>
            </>
          }
          autofocus
          maxLength={100}
          value={name}
          onText={setName}
        />
      </form>
      <div role="alert">
        {failure && <Wrong>{failure}</Wrong>}
        {lost && (
          <Lost
            what="token"
            find={async () =>
              (await known()).filter((one) => !lost.before.has(one.id) && one.state === 'pending' && one.name === lost.name)
            }
            revoke={(id) => hub.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } })}
          />
        )}
      </div>
    </Modal>
  );
}
