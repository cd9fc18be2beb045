import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Told } from '../pages/terminal/act';
import { Icon } from './icon';
import { Modal } from './modal';

interface Props {
  title: string;
  verb: string;
  children: ComponentChildren;
  ready?: boolean;
  danger?: boolean;
  action: () => Promise<Told>;
  onClose: (told?: Told) => void;
}

/** Asks before a trade, and stays open until its outcome is known in words; "unknown" is not "failed". */
export function Ask({ title, verb, children, ready = true, danger, action, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Told>();
  const go = async () => {
    setBusy(true);
    setTold(await action().catch((error): Told => ({ done: false, unknown: true, text: String(error) })));
    setBusy(false);
  };
  return (
    <Modal
      title={title}
      onCancel={busy ? undefined : () => onClose(told)}
      footer={
        told ? (
          <button type="button" class="primary" onClick={() => onClose(told)}>
            Close
          </button>
        ) : (
          <>
            <button type="button" autofocus disabled={busy} onClick={() => onClose()}>
              Cancel
            </button>
            <button type="button" class={danger ? 'danger filled' : 'primary'} disabled={busy || !ready} onClick={go}>
              {busy ? 'Sending…' : verb}
            </button>
          </>
        )
      }
    >
      {!told && children}
      <div role="status">
        {told && (
          <p class={`note row ${told.done ? 'good' : told.unknown ? 'warn' : 'bad'}`}>
            <Icon name={told.done ? 'check' : told.unknown ? 'help' : 'alert'} /> <span>{told.text}</span>
          </p>
        )}
      </div>
    </Modal>
  );
}
