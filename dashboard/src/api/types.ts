// The records of the public API that the page reads, by their names in the hub's OpenAPI document.

export type TokenState = 'pending' | 'connected' | 'offline' | 'revoked' | 'expired';
export interface Account { login: number; server: string }
export interface Token {
  id: string; name: string; prefix: string; state: TokenState; account: Account | null;
  created_at: string; expires_at: string | null; revoked_at: string | null; locked_at: string | null;
  connected_at: string | null; last_seen_at: string | null; last_disconnect: string | null;
  rtt_ms: number | null; successor: string | null; warning: string | null;
}
export interface MintedToken extends Token { token: string }
export interface Layer<T> { value: T; age_ms: number }
export interface Terminal {
  id: string; name: string; state: TokenState; account: Account; company: string; currency: string; leverage: number;
  platform: 'mt4' | 'mt5'; ea_version: string; build: number; trade_mode_name: 'demo' | 'contest' | 'real'; margin_mode_name: string;
  symbols: number; utc_offset_s: number | null; utc_source: string; last_seen_at: string | null;
  capabilities: Record<string, boolean>;
  presence: {
    socket: Layer<string> & { rtt_ms: number | null };
    broker_link?: Layer<boolean>; trade_allowed?: Layer<boolean>; terminal_trade_allowed?: Layer<boolean>;
    ea_trade_allowed?: Layer<boolean>; account_trade_allowed?: Layer<boolean>;
    market?: Layer<string>; latch?: Layer<number>; latch_reason?: Layer<string>; broker_ping_ms?: Layer<number>; ea_loop_ms?: Layer<number>;
  };
  session: { id: string; connected_at: string; remote: string } | null;
}
export interface List<T> { data: T[]; next_cursor: string | null; as_of: string }
export type Role = 'owner' | 'member' | 'viewer';
export interface User {
  id: string; login: string; name: string; role: Role; tenant: string; operator: boolean; state: 'active' | 'invited' | 'disabled';
  created_at: string; password_set_at: string | null; setup_expires_at: string | null; disabled_at: string | null;
}
export interface Session {
  user: User | null; key: string | null; tenant: string; operator: boolean; permissions: string[];
  session: { id: string; created_at: string; idle_expires_at: string; expires_at: string; confirmed_until: string | null } | null;
}
export interface ApiKey {
  id: string; name: string; prefix: string; state: 'active' | 'expired' | 'revoked'; test: boolean; permissions: string[];
  plan: 'free' | 'pro' | 'enterprise' | 'unlimited'; symbols: string[] | null; accounts: (string | number)[] | null; ips: string[] | null; default_terminal: string | null;
  created_at: string; expires_at: string | null; revoked_at: string | null; successor: string | null;
  limits: Record<string, unknown>; last_used_at: string | null; last_used_from: string | null;
  usage?: { requests: number; refused: number; running?: number; hours?: { from: string; requests: number; refused: number }[] };
}
export interface MintedKey extends ApiKey { key: string }
export interface KillSwitch { id: string; scope: string; level: number; level_name: "block" | "cancel" | "flatten"; reason: string; by: string; at: string }
export interface SymbolSpec { name: string; description: string; digits: number; point: number; volume_min: number; volume_max: number; volume_step: number; trade_mode: number; currency_profit: string }
export interface Quote { symbol: string; bid: number; ask: number; last: number; time: string; time_msc: number }
export interface Position {
  ticket: number; symbol: string; type_name: string; volume: number; price_open: number; price_current: number; sl: number; tp: number;
  profit: number; swap: number; magic: number; comment: string; time: string; time_msc: number;
}
export interface Order {
  ticket: number; symbol: string; type_name: string; volume_current: number; volume_initial: number; price_open: number; price_current: number;
  sl: number; tp: number; time_setup: string; comment: string; magic: number;
}
export interface Deal { ticket: number; symbol: string; type_name: string; entry_name: string; volume: number; price: number; profit: number; swap: number; commission: number; fee: number; time: string; time_msc: number; position_id: number }
export interface AccountFigures { login: number; server: string; currency: string; balance: number; equity: number; profit: number; margin: number; margin_free: number; margin_level: number; leverage: number; currency_digits: number; trade_mode_name: string }
export interface Command {
  id: string; state: string; final: boolean; account: Account; terminal: string; key?: string; request: Record<string, unknown> | null;
  result: { retcode: number; retcode_name: string; price?: number; volume?: number; order?: number; deal?: number; comment?: string } | null;
  reason: string | null; created_at: string; updated_at: string; client_order_id: string | null; parent?: string | null;
  adjudication?: { outcome: string; by: string; at: string; reason: string } | null;
}
export interface Indicator {
  indicator_id: string; indicator_name: string; symbol: string; timeframe: number; created_at: string; expires_at: string;
  points: { time: number; type: 'high' | 'low'; price: number; label?: string; color?: string; shape?: 'circle' | 'arrowUp' | 'arrowDown' | 'square'; size?: number }[];
  lines: { id: string; price: number; start_time: number; bars: number; label?: string; color?: string; style?: 'solid' | 'dashed' | 'dotted'; width?: 1 | 2 | 3 }[];
}
