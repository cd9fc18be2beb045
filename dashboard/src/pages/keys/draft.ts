// What a key is to be, as the form holds it; what of it is sent, and what of it cannot be.
import type { ApiKey, NewKey, Permission, Plan, Terminal } from '../../api/types';
import { notNetwork, short } from '../../lib/network';
import { PRESETS, trades } from '../../lib/permissions';

/** Null lists: no limit. */
export interface Draft {
  name: string;
  permissions: Permission[];
  symbols: string[] | null;
  accounts: string[] | null;
  ips: string[] | null;
  /** Empty: the largest that there is. */
  plan: Plan | '';
  /** Days from now, `never`, or `keep` for the end that it has. */
  ends: string;
  /** What is meant where a call names no terminal; empty: the only one. */
  terminal: string;
  test: boolean;
}

/** Least first: what reads, for 90 days. */
export const fresh = (): Draft => ({
  name: '',
  permissions: PRESETS[0]!.permissions,
  symbols: null,
  accounts: null,
  ips: null,
  plan: '',
  ends: '90',
  terminal: '',
  test: false,
});

export const draftOf = (row: ApiKey): Draft => ({
  name: row.name,
  permissions: row.permissions,
  symbols: row.symbols,
  accounts: row.accounts,
  ips: row.ips?.map(short) ?? null,
  plan: row.plan,
  ends: 'keep',
  terminal: row.default_terminal ?? '',
  test: row.test,
});

const DAY = 86_400_000;
/** When it is to end; null: never; undefined: as it is. */
export const end = (draft: Draft, now: number): string | null | undefined =>
  draft.ends === 'keep' ? undefined : draft.ends === 'never' ? null : new Date(now + Number(draft.ends) * DAY).toISOString();

/** The body of the call that makes a key or, `whole` not, changes one. */
export function body(draft: Draft, whole: boolean): NewKey {
  const expires_at = end(draft, Date.now());
  return {
    name: draft.name.trim(),
    permissions: draft.permissions,
    symbols: draft.symbols,
    accounts: draft.accounts,
    ips: draft.ips,
    default_terminal: draft.terminal || null,
    ...(draft.plan ? { plan: draft.plan } : {}),
    ...(whole && draft.test ? { test: true } : {}),
    ...(expires_at === undefined || (whole && expires_at === null) ? {} : { expires_at }),
  };
}

export function problems(draft: Draft): string[] {
  const found = [];
  if (draft.permissions.length === 0) found.push('Choose at least one permission.');
  for (const [list, what] of [
    [draft.symbols, 'symbol'],
    [draft.accounts, 'account'],
    [draft.ips, 'address'],
  ] as const)
    if (list?.length === 0) found.push(`Name at least one ${what}, or choose all.`);
  for (const word of draft.ips ?? []) found.push(notNetwork(word) ?? '');
  if (draft.permissions.includes('admin')) {
    if (draft.symbols || draft.accounts) found.push('A key for some symbols or accounts cannot hold admin.');
    if (draft.test) found.push('A test key cannot hold admin.');
  }
  return found.filter(Boolean);
}

export interface KnownAccount {
  value: string;
  text: string;
  demo: boolean;
}

/** The accounts of the terminals, each once. */
export const accountsOf = (terminals: Iterable<Terminal>): KnownAccount[] => [
  ...new Map(
    [...terminals].map((row) => {
      const value = `${row.account.login}@${row.account.server}`;
      return [
        value,
        { value, text: `${row.account.login} · ${row.name || row.account.server}`, demo: row.trade_mode_name === 'demo' },
      ] as const;
    }),
  ).values(),
];

/** Whether it can move money, and whose. */
export function money(draft: Draft, accounts: KnownAccount[]): { risk: boolean; text: string } {
  if (!trades(draft.permissions)) return { risk: false, text: 'It cannot trade.' };
  if (draft.test) return { risk: false, text: 'It can trade, on demo accounts only.' };
  const named = draft.accounts?.map((value) => accounts.find((one) => one.value === value));
  if (named?.length && named.every((one) => one?.demo))
    return { risk: true, text: 'It can trade. The accounts that you chose are demo accounts today.' };
  return { risk: true, text: 'It can trade real money.' };
}
