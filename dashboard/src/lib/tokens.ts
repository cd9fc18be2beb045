import type { Refusal, Terminal, Token } from '../api/types';

/** What needs attention comes first; then the living, then the rest. */
const RANK: Record<Token['state'], number> = { offline: 0, expired: 1, pending: 2, connected: 3, revoked: 4 };
const DAY_MS = 86_400_000;

/** In the order of the list: by what needs attention, then the newest, and always the same way. */
export function ordered(tokens: Token[], terminals: Map<string, Terminal>, now: number): Token[] {
  const rank = (token: Token) =>
    token.state === 'offline' && !absent(token)
      ? RANK.pending
      : token.state === 'connected' && (troubles(terminals.get(token.id)).length || refusal(token, now))
        ? -1
        : RANK[token.state];
  const ranked = tokens.map((token) => ({ token, rank: rank(token) }));
  ranked.sort(
    (a, b) => a.rank - b.rank || b.token.created_at.localeCompare(a.token.created_at) || (a.token.id < b.token.id ? -1 : 1),
  );
  return ranked.map(({ token }) => token);
}

/** Made for an account by replacing another token, and never put into the terminal: `offline` to the hub. */
export const unused = (token: Token): boolean =>
  token.state === 'offline' && !token.last_seen_at && token.locked_at !== null && token.locked_at < token.created_at;

/** Whether a terminal is missed. Nobody waits for one whose token was replaced: it comes with the new one. */
export const absent = (token: Token): boolean => token.state === 'offline' && !token.successor && !unused(token);

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

/** A refusal that still says something: of the last day, and not what a later connection has proved to be mended. */
export function refusal(token: Token, now: number): Refusal | null {
  const last = token.last_refusal;
  if (!last || now - Date.parse(last.at) > DAY_MS) return null;
  // That another account has the token stays true, whoever connects.
  const mended = token.connected_at !== null && token.connected_at > last.at && last.code !== 'account_mismatch';
  return mended ? null : last;
}

/** "account 222 on X tried to use it from 203.0.113.7; it is locked to 111" */
export function refusalWords(last: Refusal, token: Pick<Token, 'account'>): string {
  const times = last.count > 1 ? ` (${last.count} times)` : '';
  if (last.code !== 'account_mismatch' || !last.account) {
    const who = last.account ? `account ${accountName(last.account)} ` : '';
    return `${last.message} (${who}from ${last.from})${times}`;
  }
  const locked = token.account;
  // The number alone, unless it is the same number at another broker.
  const own = locked && (locked.login === last.account.login ? accountName(locked) : String(locked.login));
  const lock = own ? `; it is locked to ${own}` : '';
  return `account ${accountName(last.account)} tried to use it from ${last.from}${lock}${times}`;
}

/** Days until it expires; less than none once it has. */
export const daysLeft = (token: Token, now: number): number =>
  token.expires_at ? (Date.parse(token.expires_at) - now) / DAY_MS : Infinity;

/** How loud the expiry is told: from 30 days, and from 7. */
export function expiry(token: Token, now: number): 'fine' | 'soon' | 'urgent' {
  const days = daysLeft(token, now);
  return days <= 7 ? 'urgent' : days <= 30 ? 'soon' : 'fine';
}

/** How many there are to be replaced soon. One that was replaced is none of them, nor one that is over. */
export function expiring(tokens: Token[], now: number): { soon: number; urgent: number } {
  const found = { soon: 0, urgent: 0 };
  for (const token of tokens) {
    if (token.successor || token.state === 'revoked' || token.state === 'expired') continue;
    const level = expiry(token, now);
    if (level !== 'fine') found[level]++;
  }
  return found;
}

/** Old tokens by the id of the one that took over, as long as the old one is still good. */
export const replaced = (tokens: Token[]): Map<string, Token> =>
  new Map(
    tokens
      .filter((token) => token.successor && token.state !== 'revoked' && token.state !== 'expired')
      .map((token) => [token.successor!, token]),
  );

/** Whether each word is somewhere in the name, the account or the broker; one that begins like a token is its beginning. */
export function matches(token: Token, terminal: Terminal | undefined, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const { login = '', server = '' } = token.account ?? {};
  const known = `${token.name} ${login} ${server} ${terminal?.company ?? ''}`.toLowerCase();
  return words.every((word) => known.includes(word) || (word.startsWith('mtb_') && token.prefix.toLowerCase().startsWith(word)));
}

/** "1001 on Demo-Server" */
export const accountName = (account: { login: number; server: string } | null | undefined): string =>
  account ? `${account.login} on ${account.server}` : '';

/** What people call it. */
export const tokenName = (token: Token): string =>
  token.name || (token.prefix ? `${token.prefix}…` : token.account ? `account ${token.account.login}` : 'no name');

/** "3.4 ms", "120 ms" */
export const millis = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}\u00a0ms`;
