import { computed, signal } from '@preact/signals';
import { hub, Problem, signedOut } from '../api/client';
import type { Permission, Session } from '../api/types';
import { learnEnds } from './ending';

/** Who is signed in; null: nobody; undefined: not known yet. */
export const session = signal<Session | null | undefined>(undefined);
/** A call waits for the password to be given again; the dialog in the frame answers it. */
export const asking = signal<{ resolve: () => void; reject: (error: unknown) => void } | null>(null);

/** Does what the hub wants the password for: when it says so, it is asked for, and the call made once more. */
export async function confirmed<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'confirmation_required') throw error;
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
    if (error instanceof Problem && error.status === 401) session.value = null;
    else unreachable.value = error instanceof Error ? error.message : String(error);
  }
}

export async function signIn(login: string, password: string): Promise<void> {
  await hub.POST('/api/v1/session', { body: { login, password } });
  await whoAmI();
}

export async function signOut(): Promise<void> {
  await hub.DELETE('/api/v1/session');
  session.value = null;
}

// A call that was refused for want of a session: the login is shown, and the path is kept.
signedOut.subscribe((times) => {
  if (times > 0) session.value = null;
});
