/**
 * Puts the text of `shown` on the clipboard; false if the browser lets nobody do so, then it stays selected.
 * `navigator.clipboard` does not exist on plain HTTP off loopback, so the shown element itself is selected and copied.
 */
export async function copy(shown: HTMLElement): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(shown.textContent ?? '');
      return true;
    }
  } catch {
    // Refused: the older way may still work.
  }
  const range = document.createRange();
  range.selectNodeContents(shown);
  const selection = getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
  return document.execCommand?.('copy') ?? false;
}
