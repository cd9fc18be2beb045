/** Has the browser remember something; where it keeps nothing, it holds for this visit only. */
export function keep(name: string, text: string): void {
  try {
    localStorage.setItem(name, text);
  } catch {
    /* storage is off, or full */
  }
}
