// The public API as the page uses it: same origin, the session's cookie, JSON only. Paths, bodies and answers are those of the hub's OpenAPI
// document: `schema.d.ts` is made from it before every build.
import { signal } from '@preact/signals';
import createClient from 'openapi-fetch';
import type { paths } from './schema';

/** An answer that is no success, in the hub's words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: Record<string, unknown>,
  ) {
    super(message);
  }
}

/** No answer of the hub came, or none that says what became of the call: whether anything was changed is not known. */
export class Unreachable extends Error {}

/** Raised when the session is over; the frame then shows the login and keeps the path. */
export const signedOut = signal(0);

/** When the hub last answered a call under the session, which puts the end of an unused one off; by the browser's clock. */
export const answered = signal(Date.now());

/** A sentence for people about anything that was thrown. */
export function sentence(error: unknown): string {
  if (error instanceof Problem && error.status === 429 && typeof error.body.retry_after === 'number') {
    return `${error.message} (try again in ${error.body.retry_after} s)`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** The longest that an answer is waited for: that to a trade waits for 10 s itself, and for what the terminal is asked before. */
const ANSWER_MS = 30_000;
/** The codes of a 5xx by which the hub says itself that nothing was done; any other may be a proxy's, after the hub took the call. */
const NOTHING_DONE = ['store_unavailable', 'store_busy', 'login_busy', 'too_many_connections', 'not_supported'];

/** Asks the hub; throws `Unreachable` when no whole answer came in time, and `Problem` when it is no success. */
async function reach(request: Request): Promise<Response> {
  const changes = request.method !== 'GET';
  const lost = (what = 'The hub does not answer.') =>
    new Unreachable(changes ? `${what} Whether anything was changed is not known: look before you try again.` : what);
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(ANSWER_MS)]) });
    text = await answer.text();
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw lost();
  }
  if (answer.ok) answered.value = Date.now();
  if (answer.ok) return new Response(text || null, { status: answer.status, headers: answer.headers });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    /* not the hub's */
  }
  const problem = (json ?? {}) as Record<string, unknown>;
  const code = String(problem.code ?? problem.error ?? answer.status);
  const words = String(problem.detail ?? problem.message ?? `The hub answered ${answer.status}.`);
  if (answer.status >= 500) {
    if (json === undefined) throw lost();
    if (changes && !NOTHING_DONE.includes(code)) throw lost(words);
  }
  if (answer.status === 401 && !new URL(request.url).pathname.startsWith('/api/v1/session')) signedOut.value += 1;
  throw new Problem(answer.status, code, words, problem);
}

/** The hub's API; a call throws `Problem` or `Unreachable`. */
export const hub = createClient<paths>({
  baseUrl: location.origin,
  credentials: 'same-origin',
  headers: { accept: 'application/json' },
  fetch: reach,
});

/** What a call of `hub` answers: `await ok(hub.GET('/api/v1/tokens'))`. */
export async function ok<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

/** An answer at an address that is put together elsewhere, filters and all. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const request = new Request(new URL(path, location.origin), {
    credentials: 'same-origin',
    headers: { accept: 'application/json' },
    signal,
  });
  return (await (await reach(request)).json()) as T;
}

/** A key that makes a call that trades happen once, however often it is sent. */
export const onceKey = () =>
  crypto.randomUUID?.() ??
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
