import { afterEach, expect, test, vi } from 'vitest';
import { copy } from '../src/lib/copy';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  document.body.replaceChildren();
});

function shown(): HTMLElement {
  const element = document.createElement('output');
  element.textContent = 'mtb_secret';
  document.body.append(element);
  return element;
}

function clipboard(value: unknown): void {
  Object.defineProperty(navigator, 'clipboard', { value, configurable: true });
}

test('over HTTPS the clipboard takes it', async () => {
  const writeText = vi.fn().mockResolvedValue(undefined);
  clipboard({ writeText });
  expect(await copy(shown())).toBe(true);
  expect(writeText).toHaveBeenCalledWith('mtb_secret');
});

test('over plain HTTP, where there is no clipboard, what is shown is selected and copied', async () => {
  clipboard(undefined);
  const execCommand = vi.fn().mockReturnValue(true);
  document.execCommand = execCommand;
  expect(await copy(shown())).toBe(true);
  expect(execCommand).toHaveBeenCalledWith('copy');
  expect(getSelection()?.toString()).toBe('mtb_secret');
});

test('a clipboard that refuses is not taken for one that copied', async () => {
  clipboard({ writeText: vi.fn().mockRejectedValue(new Error('NotAllowedError')) });
  document.execCommand = vi.fn().mockReturnValue(false);
  expect(await copy(shown())).toBe(false);
  expect(getSelection()?.toString(), 'it stays selected, so that Ctrl+C works').toBe('mtb_secret');
});
