import { computed, signal } from '@preact/signals';
import { hub, Problem, sentence, signedOut } from '../api/client';
import type { Permission, Session } from '../api/types';
import { toast } from '../ui/toast';
import { learnEnds } from './ending';

/** Who is signed in; null: nobody; undefined: not known yet. */
export const session = signal<Session | null | undefined>(undefined);
/** Whose session it is. What was learned or begun under one is nothing for the next: subscribe to forget it. */
export const person = computed(() => session.value?.user?.id);
/** A call waits for the password to be given again; the dialog in the frame answers it. */
export const asking = signal<{ resolve: () => void; reject: (error: unknown) => void } | null>(null);

/** Does what the hub wants the password for: when it says so, it is asked for, and the call made once more. */
export async function confirmed<T>(action: () => Promise<T>): Promise<T> {
  const who = person.peek();
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'confirmation_required' || person.peek() !== who) throw error;
    await new Promise<void>((resolve, reject) => (asking.value = { resolve, reject })).finally(() => (asking.value = null));
    return action();
  }
}

/** Why the hub could not be asked, if it could not. */
export const unreachable = signal('');

/** Whether the signed-in user may do what `permission` allows. */
export const may = (permission: Permission): boolean => {
  const held = session.value?.permissions ?? [];
  return held.includes('admin') || held.includes(permission) || (permission === 'trade:reduce' && held.includes('trade:write'));
};
/** A viewer sees and cannot act. */
export const acts = computed(() => may('admin'));
/** Whoever runs the hub: users, plans, the hub's own kill switch. */
export const operates = computed(() => session.value?.operator === true);

export async function whoAmI(): Promise<void> {
  try {
    const { data, response } = await hub.GET('/api/v1/session');
    learnEnds(data!, Date.parse(response.headers.get('date') ?? '') || Date.now());
    session.value = data!;
    unreachable.value = '';
  } catch (error) {
    if (error instanceof Problem && error.status === 401) {
      session.value = null;
      unreachable.value = '';
    } else unreachable.value = error instanceof Error ? error.message : String(error);
  }
}

export async function signIn(login: string, password: string): Promise<void> {
  await hub.POST('/api/v1/session', { body: { login, password } });
  await whoAmI();
  if (!session.value)
    throw new Error(
      unreachable.value || 'The hub has signed you in, and the browser has not kept it: it may keep no cookies for this address.',
    );
}

export async function signOut(): Promise<void> {
  try {
    await hub.DELETE('/api/v1/session');
    session.value = null;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) session.value = null;
    else toast(`You may still be signed in: ${sentence(error)}`);
  }
}

// A call that was refused for want of a session: the login is shown, and the path is kept.
signedOut.subscribe((times) => {
  if (times > 0) session.value = null;
});
person.subscribe(() => asking.peek()?.reject(new Error('Nothing was changed: the session has ended.')));
