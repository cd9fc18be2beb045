// The records of the public API, by the page's short names.
import type { components } from './schema';

type Schemas = components['schemas'];
export type Account = Schemas['Account'];
export type AccountFigures = Schemas['AccountFigures'];
export type ApiKey = Schemas['Key'];
export type Bar = Schemas['Bar'];
export type Bars = Schemas['Bars'];
export type Closing = Schemas['Closing'];
export type Command = Schemas['Command'];
export type Deal = Schemas['Deal'];
export type Delivery = Schemas['Delivery'];
export type EquityBar = Schemas['EquityBar'];
export type ExternalTimeframe = Schemas['ExternalTimeframe'];
export type Hook = Schemas['Hook'];
export type HookDefaults = Schemas['HookDefaults'];
export type Indicator = Schemas['Indicator'];
export type KillLevel = Schemas['KillLevel'];
export type KillSwitch = Schemas['KillSwitch'];
export type Latency = Schemas['Latency'];
export type Login = Schemas['Login'];
export type NewHook = Schemas['NewHook'];
export type NewKey = Schemas['NewKey'];
export type Order = Schemas['Order'];
export type Permission = Schemas['Permission'];
export type Plan = Schemas['Plan'];
export type PlanRow = Schemas['PlanRow'];
export type Plans = Schemas['Plans'];
export type Position = Schemas['Position'];
export type Quote = Schemas['Quote'];
export type LatencyHop = Schemas['LatencyHop'];
export type LinkEvent = Schemas['LinkEvent'];
export type LinkPast = Schemas['Link'];
export type Refusal = Schemas['LastRefusal'];
export type ReceivedAlert = Schemas['ReceivedAlert'];
export type Role = Schemas['RoleName'];
export type Session = Schemas['CallerSession'];
export type SymbolSpec = Schemas['Symbol'];
export type Tenant = Schemas['Tenant'];
export type Terminal = Schemas['Terminal'];
/** A row of the list: a token, or what a viewer knows of one. */
export type Token = Omit<Schemas['Token'], 'expires_at'> & { expires_at: string | null };
export type TokenState = Schemas['TokenState'];
export type User = Schemas['User'];
export type Webhook = Schemas['Webhook'];
/** A list of any of them, a page of it. */
export interface List<T> {
  data: T[];
  next_cursor: string | null;
  as_of: string;
}
