// What people call what the audit knows by its id.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import { tokens } from '../../live/store';
import { may, operates, person, session } from '../../lib/session';

export type Names = ReadonlyMap<string, string>;
const callers = signal<Names>(new Map());
person.subscribe(() => (callers.value = new Map()));

/** Keys and users by their id, for whoever may see them, and whoever is signed in. */
export function useCallers(): Names {
  useEffect(() => {
    const learn = <T extends { id: string }>(call: Promise<{ data: T[] }>, name: (row: T) => string) =>
      call.then(
        ({ data }) => (callers.value = new Map([...callers.value, ...data.map((row): [string, string] => [row.id, name(row)])])),
        // A page that cannot have the names shows ids.
        () => undefined,
      );
    if (may('admin')) void learn(ok(hub.GET('/api/v1/keys')), (key) => key.name || `${key.prefix}…`);
    if (operates.value) void learn(ok(hub.GET('/api/v1/users')), (user) => user.name || user.login);
  }, []);
  const me = session.value?.user;
  return me ? new Map([...callers.value, [me.id, me.name || me.login]]) : callers.value;
}

/** Tokens are known to every page. */
export const tokenName = (id: string): string => tokens.value?.find((token) => token.id === id)?.name || '';

/** Who acted, as a record of the hub's audit has them. */
export function actorName(id: string, names: Names): string {
  if (id === '') return 'A stranger';
  if (id === 'hub') return 'The hub';
  if (id === 'holder') return 'Whoever showed the secret';
  if (id === 'others') return 'Others, counted together';
  return names.get(id) ?? `${id.slice(0, 8)}…${id.slice(-4)}`;
}
