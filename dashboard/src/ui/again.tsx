import { useLayoutEffect, useState } from 'preact/hooks';
import { hub, sentence } from '../api/client';
import { asking } from '../lib/session';
import { Modal } from './modal';
import { Password } from './password';
import { Alert } from './wrong';

/** Asks for the password again before something that a stolen session must not do. */
export function Again() {
  return asking.value && <Asked waiting={asking.value} />;
}

/** What was typed is gone with it. */
function Asked({ waiting }: { waiting: NonNullable<typeof asking.value> }) {
  const [password, setPassword] = useState('');
  const [failure, setFailure] = useState('');
  const [busy, setBusy] = useState(false);
  const cancel = () => waiting.reject(new Error('Nothing was changed: the password was not given.'));
  // Also when the session ends meanwhile, even before the dialog is painted: what was asked for is not done behind the next login.
  useLayoutEffect(() => cancel, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setFailure('');
    setBusy(true);
    try {
      await hub.POST('/api/v1/session/confirm', { body: { password } });
      waiting.resolve();
    } catch (error) {
      setFailure(sentence(error));
      setBusy(false);
    }
  };
  return (
    <Modal
      title="Your password again"
      onCancel={busy ? undefined : cancel}
      footer={
        <>
          <button type="button" disabled={busy} onClick={cancel}>
            Cancel
          </button>
          <button type="submit" form="again" class="primary" disabled={busy}>
            {busy ? 'Asking…' : 'Go on'}
          </button>
        </>
      }
    >
      <p>This can move money or give access, so the hub wants to know that it is you.</p>
      <form id="again" onSubmit={submit}>
        <Password name="again-password" label="Password" autocomplete="current-password" onInput={setPassword} />
      </form>
      <Alert what={failure} />
    </Modal>
  );
}
