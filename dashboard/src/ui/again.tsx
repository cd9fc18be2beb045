import { useState } from 'preact/hooks';
import { hub, sentence } from '../api/client';
import { asking } from '../lib/session';
import { Icon } from './icon';
import { Modal } from './modal';
import { Password } from './password';

/** Asks for the password again before something that a stolen session must not do. */
export function Again() {
  const waiting = asking.value;
  const [password, setPassword] = useState('');
  const [failure, setFailure] = useState('');
  if (!waiting) return null;
  const cancel = () => waiting.reject(new Error('Nothing was changed: the password was not given.'));
  const submit = async (event: Event) => {
    event.preventDefault();
    setFailure('');
    try {
      await hub.POST('/api/v1/session/confirm', { body: { password } });
      setPassword('');
      waiting.resolve();
    } catch (error) {
      setFailure(sentence(error));
    }
  };
  return (
    <Modal
      title="Your password again"
      onCancel={cancel}
      footer={
        <>
          <button type="button" onClick={cancel}>
            Cancel
          </button>
          <button type="submit" form="again" class="primary">
            Go on
          </button>
        </>
      }
    >
      <p>This can move money or give access, so the hub wants to know that it is you.</p>
      <form id="again" onSubmit={submit}>
        <Password name="again-password" label="Password" autocomplete="current-password" onInput={setPassword} />
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
