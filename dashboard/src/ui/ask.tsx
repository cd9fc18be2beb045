import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useHeld } from './held';
import { Icon } from './icon';
import { Modal } from './modal';
import { toast } from './toast';

/** How a call that trades ended, in words. */
export interface Told {
  done: boolean;
  unknown: boolean;
  text: string;
  /** The hub took the same order a moment ago and sent nothing this time: whoever means it may say so. */
  again?: boolean;
}

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

/** Asks before a trade, and stays open until its outcome is known in words, or tells it beside the page if it is gone; "unknown" is not "failed". */
export function Ask({ title, verb, children, ready = true, danger, action, anyway, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Told>();
  const there = useRef(true);
  useEffect(
    () => () => {
      there.current = false;
    },
    [],
  );
  useHeld(busy);
  const go = async (what: () => Promise<Told>) => {
    setBusy(true);
    const told = await what().catch((error): Told => ({ done: false, unknown: true, text: String(error) }));
    if (!there.current) return toast(`${title} ${told.text}`, told.done ? undefined : 300_000);
    setTold(told);
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
