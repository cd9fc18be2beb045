import { useEffect } from 'preact/hooks';
import { signal } from '@preact/signals';
import { hub, ok } from '../../api/client';
import { may } from '../../lib/session';

/** Keys by their id, for whoever may see them; undefined until they were read. */
export const keyNames = signal<Map<string, string> | undefined>(undefined);

/** Reads the names of the keys; a page that cannot have them shows ids. */
export function useKeyNames(): Map<string, string> | undefined {
  useEffect(() => {
    if (may('admin'))
      ok(hub.GET('/api/v1/keys')).then(
        ({ data }) => (keyNames.value = new Map(data.map((key) => [key.id, key.name || `${key.prefix}…`]))),
        () => undefined,
      );
    else keyNames.value = undefined;
  }, []);
  return keyNames.value;
}
