// A file with everything that the filters let through, and not with the first page alone.
import { Unreachable } from '../../api/client';
import { withParams } from './pages';

/** Above it one asks for less. */
export const ROWS_MAX = 200_000;

/** Reads all pages of a list as CSV; `told` hears how many rows it has so far. */
export async function readAll(path: string, limit: number, told: (rows: number) => void, signal?: AbortSignal): Promise<string> {
  const parts: string[] = [];
  let cursor: string | null = null;
  let rows = 0;
  do {
    const answer: Response = await fetch(
      withParams(path, { format: 'csv', limit: String(limit), ...(cursor ? { cursor } : {}) }),
      { credentials: 'same-origin', headers: { accept: 'text/csv' }, signal },
    ).catch((error: unknown) => {
      throw signal?.aborted ? error : new Unreachable('The hub does not answer; the file was not made.');
    });
    if (!answer.ok) throw new Error(`The hub answered ${answer.status}; the file was not made.`);
    const text = await answer.text();
    const head = text.indexOf('\n') + 1;
    parts.push(parts.length ? text.slice(head) : text);
    rows += records(text) - 1;
    told(rows);
    cursor = answer.headers.get('x-next-cursor');
  } while (cursor && rows < ROWS_MAX);
  if (cursor) throw new Error(`These are more than ${ROWS_MAX} rows: choose a shorter time.`);
  return parts.join('');
}

/** Records of a CSV text: a line break within quotes ends none. */
export function records(text: string): number {
  let quoted = false;
  let found = 0;
  for (const letter of text) {
    if (letter === '"') quoted = !quoted;
    else if (letter === '\n' && !quoted) found += 1;
  }
  return found;
}

/** Hands a text to the browser as a file. */
export function save(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
