import type { Terminal, Token } from '../api/types';

/** What needs attention comes first; then the living, then the rest; the newest first within each. */
const RANK: Record<Token['state'], number> = { offline: 0, expired: 1, pending: 2, connected: 3, revoked: 4 };

/** In the order of the list. */
export function ordered(tokens: Token[], terminals: Map<string, Terminal>): Token[] {
  const rank = (token: Token) =>
    token.state === 'connected' && troubles(terminals.get(token.id)).length ? -1 : RANK[token.state];
  return [...tokens].sort((a, b) => rank(a) - rank(b) || b.created_at.localeCompare(a.created_at));
}

/** What is wrong behind a link that stands: the link to the hub and the link to the broker are two facts. */
export function troubles(terminal: Terminal | undefined): string[] {
  if (terminal?.state !== 'connected' || !terminal.presence) return [];
  const { broker_link, terminal_trade_allowed, ea_trade_allowed, account_trade_allowed, latch } = terminal.presence;
  const found = [];
  if (broker_link?.value === false) found.push('no link to the broker');
  if (terminal_trade_allowed?.value === false) found.push('algo trading is off in the terminal');
  else if (ea_trade_allowed?.value === false) found.push('trading is off in the settings of the Expert Advisor');
  if (account_trade_allowed?.value === false) found.push('the account may not trade');
  if (latch?.value) found.push('trading is locked by the kill switch');
  return found;
}

/** Days until it expires; less than none once it has. */
export const daysLeft = (token: Token, now: number): number =>
  token.expires_at ? (Date.parse(token.expires_at) - now) / 86_400_000 : Infinity;

/** How loud the expiry is told: from 30 days, and from 7. */
export function expiry(token: Token, now: number): 'fine' | 'soon' | 'urgent' {
  const days = daysLeft(token, now);
  return days <= 7 ? 'urgent' : days <= 30 ? 'soon' : 'fine';
}

/** "1001 on Demo-Server" */
export const accountName = (account: { login: number; server: string } | null | undefined): string =>
  account ? `${account.login} on ${account.server}` : '';
