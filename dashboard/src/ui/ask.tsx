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
  /** Sends once more what the hub took for a doubling. */
  anyway?: () => Promise<Told>;
  onClose: (told?: Told) => void;
}

/** Asks before a trade, and stays open until its outcome is known in words; "unknown" is not "failed". */
export function Ask({ title, verb, children, ready = true, danger, action, anyway, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Told>();
  const go = async (what: () => Promise<Told>) => {
    setBusy(true);
    setTold(await what().catch((error): Told => ({ done: false, unknown: true, text: String(error) })));
    setBusy(false);
  };
  return (
    <Modal
      title={title}
      onCancel={busy ? undefined : () => onClose(told)}
      footer={
        told ? (
          <>
            {told.again && anyway && (
              <button type="button" class="danger" disabled={busy} onClick={() => go(anyway)}>
                {busy ? 'Sending…' : 'Send it again anyway'}
              </button>
            )}
            <button type="button" class="primary" disabled={busy} ref={(close) => close?.focus()} onClick={() => onClose(told)}>
              Close
            </button>
          </>
        ) : (
          <>
            <button type="button" autofocus disabled={busy} onClick={() => onClose()}>
              Cancel
            </button>
            <button
              type="button"
              class={danger ? 'danger filled' : 'primary'}
              disabled={busy || !ready}
              onClick={() => go(action)}
            >
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
