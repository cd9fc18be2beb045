import { computed, signal } from '@preact/signals';
import type { Token } from '../../api/types';
import { go, where } from '../../lib/router';
import { now } from '../../lib/time';

/** The dialog that is open, and about what. */
export type Open = { what: 'new' } | { what: 'disconnect' | 'revoke' | 'rename' | 'replace'; token: Token } | null;
export const opened = signal<Open>(null);

/** The page's address with some of its parameters changed; an empty one is taken out. */
export function address(change: Record<string, string>): string {
  const query = new URLSearchParams(where.value.searchParams);
  for (const [name, value] of Object.entries(change)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  return text ? `/connections?${text}` : '/connections';
}

/** Another choice of rows begins at their first page. */
export const choose = (change: Record<string, string>): void => go(address({ page: '', ...change }), true);

/** The hub's time, moved once a minute: days that are left need no more, and a list is not drawn each second for them. */
export const minute = computed(() => Math.floor(now.value / 60_000) * 60_000);
