import './once.css';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Check } from './field';
import { useHeld } from './held';
import { Icon } from './icon';
import { Modal } from './modal';
import { Copyable } from './secret';

interface Props {
  title: string;
  /** What it is called, and the secret itself. */
  label: string;
  secret: string;
  /** What it is for, after the word that it is shown this once. */
  about: ComponentChildren;
  /** What one says when it is kept: "I have stored the key". */
  kept: string;
  children?: ComponentChildren;
  onClose: () => void;
}

/**
 * A secret that is shown this once. It lives in this component's memory alone, and the dialog cannot be left by a key press, a reload or going
 * back before it was copied or the box was ticked.
 */
export function Once({ title, label, secret, about, kept, children, onClose }: Props) {
  const [stored, setStored] = useState(false);
  useHeld(!stored);
  return (
    <Modal
      wide
      title={title}
      onCancel={stored ? onClose : undefined}
      footer={
        <button type="button" class="primary" disabled={!stored} onClick={onClose}>
          Done
        </button>
      }
    >
      <p class="note warn line">
        <Icon name="warning" />
        <span>This is the only time that it is shown. {about}</span>
      </p>
      <Copyable label={label} text={secret} onCopied={() => setStored(true)} />
      {children}
      <Check checked={stored} onTick={setStored}>
        {kept}
      </Check>
    </Modal>
  );
}
