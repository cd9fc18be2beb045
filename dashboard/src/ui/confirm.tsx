import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { sentence } from '../api/client';
import { useHeld } from './held';
import { Modal } from './modal';
import { Alert } from './wrong';

interface Props {
  /** Names the thing. */
  title: string;
  /** Repeats the verb: "Revoke token". */
  verb: string;
  /** "Revoking…" */
  doing: string;
  danger?: boolean;
  wide?: boolean;
  /** Cannot be pressed until then. */
  ready?: boolean;
  children: ComponentChildren;
  /** The hub's word decides: nothing is shown as done before it. */
  action: () => Promise<unknown>;
  onClose: () => void;
  /** After success, where that is something else than closing. */
  onDone?: () => void;
}

/** Asks before something is done that cannot be undone; the focus is on Cancel. */
export function Confirm({ title, verb, doing, danger, wide, ready = true, children, action, onClose, onDone = onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  useHeld(busy);
  const go = async () => {
    setBusy(true);
    setFailure('');
    try {
      await action();
      onDone();
    } catch (error) {
      setFailure(sentence(error));
      setBusy(false);
    }
  };
  return (
    <Modal
      wide={wide}
      title={title}
      onCancel={busy ? undefined : onClose}
      footer={
        <>
          <button type="button" autofocus disabled={busy} onClick={onClose}>
            Cancel
          </button>
          <button type="button" class={danger ? 'danger filled' : 'primary'} disabled={busy || !ready} onClick={go}>
            {busy ? doing : verb}
          </button>
        </>
      }
    >
      {children}
      <Alert what={failure} />
    </Modal>
  );
}
