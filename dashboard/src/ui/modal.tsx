import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

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
  // Not in `useEffect`: Preact ends that a moment after the dialog is gone, and the focus that comes back then takes away a key that
  // is pressed in the next field.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      // What is behind an open dialog takes no focus.
      shown?.close();
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
