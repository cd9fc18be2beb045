import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

interface Props {
  title: string;
  children: ComponentChildren;
  footer: ComponentChildren;
  /** What Escape does; without it the dialog cannot be left by a key press. */
  onCancel?: () => void;
  wide?: boolean;
}

/**
 * A native modal dialog. It gives the focus back to what opened it.
 * `closedby="none"` and a stopped Escape key, because Chromium closes a dialog at the third Escape whatever `cancel` says.
 */
export function Modal({ title, children, footer, onCancel, wide }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    onCancel?.();
  };
  return (
    <dialog
      ref={dialog}
      class={wide ? 'wide' : ''}
      aria-labelledby={heading}
      onKeyDown={onKeyDown}
      onCancel={(event) => event.preventDefault()}
      {...{ closedby: 'none' }}
    >
      <header>
        <h2 id={heading}>{title}</h2>
      </header>
      <div class="body stack">{children}</div>
      <footer>{footer}</footer>
    </dialog>
  );
}
