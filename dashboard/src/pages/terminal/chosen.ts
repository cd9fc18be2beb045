import type { Terminal } from '../../api/types';

/**
 * The terminal that an address means: an id, or an account's number; without either the first that is connected.
 * Several where brokers have the same number: somebody must choose.
 */
export function meant(rows: Terminal[], id: string | undefined): Terminal[] {
  const one = id ? rows.find((row) => row.id === id) : (rows.find((row) => row.state === 'connected') ?? rows[0]);
  return one ? [one] : rows.filter((row) => String(row.account.login) === id);
}
