// The public API as the page uses it: same origin, the session's cookie, JSON only.
import { signal } from '@preact/signals';

/** An answer that is no success, in the hub's words. */
export class Problem extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly body: Record<string, unknown>) {
    super(message);
  }
}

/** The hub did not answer at all: whether anything was changed is not known. */
export class Unreachable extends Error {}

/** Raised when the session is over; the frame then shows the login and keeps the path. */
export const signedOut = signal(0);

/** A sentence for people about anything that was thrown. */
export function sentence(error: unknown): string {
  if (error instanceof Problem && error.status === 429 && typeof error.body.retry_after === 'number') {
    return `${error.message} (try again in ${error.body.retry_after} s)`;
  }
  return error instanceof Error ? error.message : String(error);
}

interface Options { headers?: Record<string, string>; signal?: AbortSignal }

/** Calls the hub; answers the body as `T`, or throws `Problem` or `Unreachable`. */
export async function call<T>(method: string, path: string, body?: unknown, options: Options = {}): Promise<T> {
  const changes = method !== 'GET';
  const lost = () => new Unreachable(changes ? 'The hub does not answer. Whether anything was changed is not known: look before you try again.' : 'The hub does not answer.');
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(path, {
      method,
      credentials: 'same-origin',
      // JSON only, so that no form of another site can send it.
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal,
    });
    text = await answer.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw lost();
  }
  let json: unknown;
  try { json = text ? JSON.parse(text) : undefined; } catch { json = undefined; }
  if (answer.ok) return json as T;
  // A proxy's own page: the hub may have got the call and may have done what it asks.
  if (answer.status >= 500 && json === undefined) throw lost();
  const problem = (json ?? {}) as Record<string, unknown>;
  if (answer.status === 401 && !path.startsWith('/api/v1/session')) signedOut.value += 1;
  const words = problem.detail ?? problem.message ?? `The hub answered ${answer.status}.`;
  throw new Problem(answer.status, String(problem.code ?? problem.error ?? answer.status), String(words), problem);
}

export const get = <T,>(path: string, signal?: AbortSignal) => call<T>('GET', path, undefined, { signal });

/** A key that makes a call that trades happen once, however often it is sent. */
export const onceKey = () => crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
