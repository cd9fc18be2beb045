import { act, cleanup, fireEvent, render, screen } from '@testing-library/preact';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hub, Unreachable } from '../src/api/client';
import { go, where } from '../src/lib/router';
import { asking, confirmed, session } from '../src/lib/session';
import { NewConnection } from '../src/pages/connections/create';
import { orLost } from '../src/ui/lost';
import { NewKey, RollKey } from '../src/pages/keys/dialogs';
import { Again } from '../src/ui/again';
import { Ask, type Told } from '../src/ui/ask';
import { Once } from '../src/ui/once';
import { Toasts } from '../src/ui/toast';

let answers: Record<string, () => unknown>;
const posts: string[] = [];
const failing = () => {
  throw new TypeError('Failed to fetch');
};

beforeEach(() => {
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.setAttribute('open', '');
  };
  posts.length = 0;
  vi.stubGlobal('fetch', async (request: Request) => {
    const call = `${request.method} ${new URL(request.url).pathname}`;
    if (request.method !== 'GET') posts.push(call);
    const body = await answers[call]!();
    return body instanceof Response ? body : new Response(JSON.stringify(body));
  });
});
afterEach(async () => {
  await act(cleanup);
  vi.unstubAllGlobals();
});

/** Whether somebody who goes back leaves the page. */
const leaves = () => {
  go('/terminal');
  history.replaceState(null, '', '/elsewhere');
  dispatchEvent(new PopStateEvent('popstate'));
  return where.value.pathname === '/elsewhere';
};
const unload = () => {
  const event = new Event('beforeunload', { cancelable: true });
  dispatchEvent(event);
  return !event.defaultPrevented;
};

test('nobody leaves by going back before the outcome of a trade is known', async () => {
  let end: (told: Told) => void = () => undefined;
  const action = () => new Promise<Told>((resolve) => (end = resolve));
  render(
    <Ask title="Close EURUSD?" verb="Close" action={action} onClose={() => undefined}>
      all
    </Ask>,
  );
  expect(leaves()).toBe(true);
  await act(() => void fireEvent.click(screen.getByText('Close')));
  await screen.findByText('Sending…');
  await vi.waitFor(() => expect(leaves()).toBe(false));
  expect(unload()).toBe(false);
  await act(() => end({ done: true, unknown: false, text: 'Done.' }));
  await screen.findByText('Done.');
  await vi.waitFor(() => expect(leaves()).toBe(true));
  expect(unload()).toBe(true);
});

test('the outcome of a trade is told beside the page when its dialog is gone', async () => {
  let end: (told: Told) => void = () => undefined;
  const action = () => new Promise<Told>((resolve) => (end = resolve));
  render(<Toasts />);
  const { unmount } = render(
    <Ask title="Close EURUSD?" verb="Close" action={action} onClose={() => undefined}>
      all
    </Ask>,
  );
  fireEvent.click(screen.getByText('Close'));
  await vi.waitFor(() => expect(unload()).toBe(false));
  await act(() => void unmount());
  await act(() => end({ done: true, unknown: false, text: 'Done: 0.1 lots.' }));
  expect(await screen.findByText('Close EURUSD? Done: 0.1 lots.')).toBeTruthy();
});

test('a secret that is shown once is not lost by going back', async () => {
  render(
    <Once title="Key" label="API key" secret="sk_1" about="Copy it." kept="I have stored the key" onClose={() => undefined} />,
  );
  await vi.waitFor(() => expect(leaves()).toBe(false));
  fireEvent.click(screen.getByRole('checkbox'));
  await vi.waitFor(() => expect(leaves()).toBe(true));
});

const key = (id: string, change = {}) => ({ id, name: '', prefix: id, state: 'active', last_used_at: null, ...change });

test('a key that was made and whose answer was lost is named and can be revoked, and no other', async () => {
  let keys = [key('sk_old')];
  answers = {
    'GET /api/v1/plans': () => ({ data: [] }),
    'GET /api/v1/keys': () => ({ data: keys }),
    'POST /api/v1/keys': () => {
      keys = [...keys, key('sk_new'), key('sk_used', { last_used_at: '2026-01-01T00:00:00Z' }), key('sk_other', { name: 'x' })];
      return failing();
    },
    'DELETE /api/v1/keys/sk_new': () => {
      keys = keys.filter(({ id }) => id !== 'sk_new');
      return new Response(null, { status: 204 });
    },
  };
  render(<NewKey onClose={() => undefined} />);
  fireEvent.click(screen.getByText('Continue'));
  fireEvent.click(await screen.findByText('Make the key'));
  expect((await screen.findByText(/a key was made/)).textContent).toContain('a key was made: sk_new…. Nobody');
  fireEvent.click(screen.getByText('Revoke the key that nobody has seen'));
  await screen.findByText(/no key is left of it/);
  expect(posts).toEqual(['POST /api/v1/keys', 'DELETE /api/v1/keys/sk_new']);
});

test('a token is made only where it could be told apart, were its answer lost', async () => {
  session.value = { permissions: ['admin'] } as never;
  answers = { 'GET /api/v1/tokens': failing };
  render(<NewConnection onClose={() => undefined} />);
  fireEvent.click(screen.getByText('Generate token'));
  await screen.findByText(/The hub does not answer/);
  expect(posts).toEqual([]);
});

test('a key whose new secret was lost is not rolled again by a second press', async () => {
  answers = { 'POST /api/v1/keys/key_1/rotate': failing };
  render(<RollKey row={key('key_1', { name: 'bot' }) as never} onClose={() => undefined} />);
  fireEvent.click(screen.getByText('Make the new key'));
  await screen.findByText(/nobody has seen it/);
  expect((screen.getByText('Make the new key') as HTMLButtonElement).disabled).toBe(true);
});

test('a secret that took the place of another is told as lost only where no answer came', () => {
  expect(() => orLost('Look.')(new Unreachable('away'))).toThrow('The answer was lost. Look.');
  expect(() => orLost('Look.')(new Error('no'))).toThrow('no');
});

test('the password is asked for once at a time, and nothing of it stays after Cancel', async () => {
  let refuse: () => void = () => undefined;
  const wrong = () => new Response(JSON.stringify({ code: 'password_wrong', message: 'Not yours.' }), { status: 403 });
  answers = {
    'DELETE /api/v1/keys/k': () =>
      new Response(JSON.stringify({ code: 'confirmation_required', message: 'Again.' }), { status: 403 }),
    'POST /api/v1/session/confirm': () => new Promise<Response>((resolve) => (refuse = () => resolve(wrong()))),
  };
  render(<Again />);
  const ask = () =>
    confirmed(() => hub.DELETE('/api/v1/keys/{id}', { params: { path: { id: 'k' } } })).catch((error: Error) => error.message);
  const first = ask();
  const field = (await screen.findByLabelText('Password')) as HTMLInputElement;
  fireEvent.input(field, { target: { value: 'secret' } });
  fireEvent.submit(field.form!);
  expect(((await screen.findByText('Asking…')) as HTMLButtonElement).disabled).toBe(true);
  await act(() => refuse());
  await screen.findByText('Not yours.');
  fireEvent.click(screen.getByText('Cancel'));
  expect(await first).toMatch(/Nothing was changed/);
  const second = ask();
  expect(((await screen.findByLabelText('Password')) as HTMLInputElement).value).toBe('');
  expect(screen.queryByText('Not yours.')).toBeNull();
  await vi.waitFor(() => expect(document.querySelector('dialog[open]')).not.toBeNull());
  await act(cleanup);
  expect(await second, 'a session that ends takes the question with it').toMatch(/Nothing was changed/);
  expect(asking.value).toBeNull();
});
