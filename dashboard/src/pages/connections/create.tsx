import { useEffect, useState } from 'preact/hooks';
import { hub, ok, sentence, Unreachable } from '../../api/client';
import type { Token } from '../../api/types';
import { phase } from '../../live/socket';
import { loadTokens, tokens, tokensFailed } from '../../live/store';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';
import { ShownOnce } from './shown-once';

/**
 * The hub's answer did not arrive, and with it the token, if one was made. Tokens carry nothing by which a repeated call would be known, so
 * it is looked for: one that was not there before, of that name, with no terminal.
 */
function Lost({ name, before }: { name: string; before: Set<string> }) {
  const [looked, setLooked] = useState(false);
  const [failure, setFailure] = useState('');
  const live = phase.value === 'live';
  useEffect(() => {
    setLooked(false);
    void loadTokens().then(() => setLooked(tokensFailed.value === ''));
  }, [live]);
  const unseen = tokens.value?.filter((one) => !before.has(one.id) && one.state === 'pending' && one.name === name) ?? [];
  const revoke = async () => {
    setFailure('');
    try {
      for (const one of unseen) await hub.DELETE('/api/v1/tokens/{id}', { params: { path: { id: one.id } } });
      await loadTokens();
    } catch (error) {
      setFailure(sentence(error));
    }
  };
  if (!looked)
    return (
      <p class="error">
        <Icon name="alert" />{' '}
        <span>
          The hub’s answer was lost. A token may have been made that nobody was shown; that is looked up as soon as the hub
          answers.
        </span>
      </p>
    );
  if (unseen.length === 0)
    return (
      <p class="error">
        <Icon name="alert" /> <span>The hub’s answer was lost, and no token is left of it. Generate one again.</span>
      </p>
    );
  return (
    <>
      <p class="error">
        <Icon name="alert" />{' '}
        <span>
          The answer was lost, but a token was made: {unseen.map((one) => `${one.prefix}…`).join(', ')}. Nobody has seen it.
          Revoke it, then generate one again. {failure}
        </span>
      </p>
      <button type="button" class="danger" onClick={() => void revoke()}>
        Revoke the token that nobody has seen
      </button>
    </>
  );
}

/** Makes a token and shows it once. */
export function NewConnection({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const [lost, setLost] = useState<{ name: string; before: Set<string> }>();
  const [minted, setMinted] = useState<Token>();
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    setLost(undefined);
    const asked = name.trim();
    const before = new Set(tokens.value?.map((one) => one.id));
    try {
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
        {lost && <Lost {...lost} />}
      </div>
    </Modal>
  );
}
