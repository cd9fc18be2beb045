import { act, cleanup, fireEvent, render, screen } from '@testing-library/preact';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Confirm } from '../src/ui/confirm';
import { Modal } from '../src/ui/modal';

beforeEach(() => {
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.setAttribute('open', '');
  };
});
// What is cleaned up late would take the focus from the next test.
afterEach(() => act(cleanup));

const dialog = () => document.querySelector('dialog')!;

test('without a way out no key press closes a dialog', () => {
  render(
    <Modal title="Shown once" footer={null}>
      secret
    </Modal>,
  );
  for (let press = 0; press < 4; press += 1) {
    const key = new KeyboardEvent('keydown', { key: 'Escape', bubbles: true, cancelable: true });
    dialog().dispatchEvent(key);
    expect(key.defaultPrevented).toBe(true);
  }
  const cancel = new Event('cancel', { cancelable: true });
  dialog().dispatchEvent(cancel);
  expect(cancel.defaultPrevented).toBe(true);
  expect(dialog().hasAttribute('open')).toBe(true);
  expect(dialog().getAttribute('closedby')).toBe('none');
});

test('Escape does what Cancel does, and nothing behind the dialog hears of it', () => {
  const cancel = vi.fn();
  const behind = vi.fn();
  document.addEventListener('keydown', behind);
  render(
    <Modal title="Rename" onCancel={cancel} footer={null}>
      name
    </Modal>,
  );
  fireEvent.keyDown(dialog(), { key: 'Escape' });
  expect(cancel).toHaveBeenCalledOnce();
  expect(behind).not.toHaveBeenCalled();
  fireEvent.keyDown(dialog(), { key: 'a' });
  expect(behind).toHaveBeenCalledOnce();
  document.removeEventListener('keydown', behind);
});

test('a dialog is named by its title, and gives the focus back', async () => {
  const opener = document.createElement('button');
  document.body.append(opener);
  opener.focus();
  const { unmount } = render(
    <Modal title="Revoke desk?" footer={<button type="button">Inside</button>}>
      text
    </Modal>,
  );
  expect(document.getElementById(dialog().getAttribute('aria-labelledby')!)?.textContent).toBe('Revoke desk?');
  screen.getByText('Inside').focus();
  await act(() => {
    unmount();
  });
  expect(document.activeElement).toBe(opener);
  opener.remove();
});

test('nothing is shown as done before the hub has said so, and a refusal stands beside the button', async () => {
  let refuse: (error: Error) => void = () => undefined;
  const close = vi.fn();
  const action = () => new Promise<void>((_, reject) => (refuse = reject));
  render(
    <Confirm title="Revoke?" verb="Revoke token" doing="Revoking…" onClose={close} action={action}>
      gone
    </Confirm>,
  );
  fireEvent.click(screen.getByText('Revoke token'));
  const busy = await screen.findByText('Revoking…');
  expect((busy as HTMLButtonElement).disabled).toBe(true);
  fireEvent.keyDown(dialog(), { key: 'Escape' });
  expect(close, 'not while nobody knows what came of it').not.toHaveBeenCalled();
  refuse(new Error('the token is gone'));
  expect((await screen.findByText('the token is gone')).closest('[role=alert]')).not.toBeNull();
  expect(close).not.toHaveBeenCalled();
});
