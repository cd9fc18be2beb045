import { beforeEach, expect, test, vi } from 'vitest';
import { Problem } from '../src/api/client';
import type { Session, Terminal, Token } from '../src/api/types';
import { end, learnEnds, remaining } from '../src/lib/ending';
import { asking, confirmed, session, signIn, signOut } from '../src/lib/session';
import { loadTokens, switches, takeTerminal, terminals, tokens } from '../src/live/store';

const of = (id: string) => ({ user: { id }, permissions: ['admin'] }) as unknown as Session;
type Answer = [status: number, body: object] | 'lost' | Promise<[status: number, body: object]>;
let answers: Record<string, Answer>;

beforeEach(() => {
  answers = {};
  session.value = null;
  vi.stubGlobal('fetch', async (request: Request) => {
    const answer = await (answers[`${request.method} ${new URL(request.url).pathname}`] ?? 'lost');
    if (answer === 'lost') throw new TypeError('Failed to fetch');
    return new Response(JSON.stringify(answer[1]), { status: answer[0] });
  });
});

test('a sign-in of which no session comes says so', async () => {
  answers['POST /api/v1/session'] = [200, {}];
  await expect(signIn('me', 'secret')).rejects.toThrow('The hub does not answer.');
  answers['GET /api/v1/session'] = [401, { code: 'unauthorized' }];
  await expect(signIn('me', 'secret')).rejects.toThrow('the browser has not kept it');
  answers['GET /api/v1/session'] = [200, of('a')];
  await signIn('me', 'secret');
  expect(session.value?.user?.id).toBe('a');
});

test('whoever cannot be signed out stays, and is told', async () => {
  const { Toasts } = await import('../src/ui/toast');
  const { render } = await import('@testing-library/preact');
  const { h } = await import('preact');
  const { findByText } = render(h(Toasts, null));
  session.value = of('a');
  await signOut();
  expect(session.value?.user?.id).toBe('a');
  await findByText(/You may still be signed in: The hub does not answer/);
  answers['DELETE /api/v1/session'] = [401, { code: 'unauthorized' }];
  await signOut();
  expect(session.value, 'a session that had ended already').toBeNull();
});

test('nothing that one person saw is there for the next', async () => {
  session.value = of('a');
  tokens.value = [{ id: 't' } as Token];
  terminals.value = new Map([['t', { id: 't' } as Terminal]]);
  switches.value = [{ scope: 'hub' } as (typeof switches.value)[0]];
  takeTerminal({ id: 't' } as Terminal);
  session.value = of('b');
  expect([tokens.value, terminals.value.size, switches.value.length]).toEqual([undefined, 0, 0]);
});

test('a list that was asked for by the one before is not shown', async () => {
  session.value = of('a');
  let answer!: (answer: [number, object]) => void;
  answers['GET /api/v1/tokens'] = new Promise((resolve) => {
    answer = resolve;
  });
  const loaded = loadTokens();
  session.value = of('b');
  answer([200, { data: [{ id: 'of a' }], as_of: '2026-11-22T12:00:00Z' }]);
  await loaded;
  expect(tokens.value).toBeUndefined();
});

test('a call that waits for the password is not made under the session of another', async () => {
  session.value = of('a');
  const call = vi.fn(() => Promise.reject(new Problem(403, 'confirmation_required', '', {})));
  const waits = confirmed(call);
  await vi.waitFor(() => expect(asking.value).not.toBeNull());
  session.value = of('b');
  await expect(waits).rejects.toThrow('the session has ended');
  expect(asking.value).toBeNull();
  expect(call).toHaveBeenCalledOnce();

  const late = confirmed(() => {
    session.value = of('c');
    return call();
  });
  await expect(late).rejects.toThrow(Problem);
  expect(asking.value).toBeNull();
});

test('a session without a login has no end to tell', () => {
  learnEnds(of('a'), Date.now());
  expect([end.value, remaining.value]).toEqual([null, null]);
});
