// Symbols that were looked at, kept in the browser: a terminal that is away tells none, and the hub still has their bars.
import type { SymbolSpec } from '../../api/types';
import { keep } from '../../lib/kept';

/** What a chart needs to know of a symbol. */
export type Shown = Pick<SymbolSpec, 'name' | 'digits' | 'description'> & Partial<Pick<SymbolSpec, 'trade_mode_name'>>;

const KEPT = 8;
const key = (server: string) => `shown ${server}`;

export function remembered(server: string): Shown[] {
  try {
    const list = JSON.parse(localStorage.getItem(key(server)) ?? '[]') as Shown[];
    return list.filter((one) => typeof one.name === 'string' && Number.isInteger(one.digits));
  } catch {
    return [];
  }
}

export function remember(server: string, { name, digits, description }: Shown): void {
  const list = [{ name, digits, description }, ...remembered(server).filter((one) => one.name !== name)];
  keep(key(server), JSON.stringify(list.slice(0, KEPT)));
}
