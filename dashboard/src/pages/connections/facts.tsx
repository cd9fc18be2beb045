import type { ComponentChildren } from 'preact';
import type { LinkPast, Terminal, Token } from '../../api/types';
import { EA_VERSION, outdated } from '../../lib/ea';
import { Ago } from '../../ui/ago';
import { Money } from '../../ui/badge';
import { Icon } from '../../ui/icon';
import { Expires } from './row';

const PLATFORMS: Record<string, string> = { mt4: 'MetaTrader 4', mt5: 'MetaTrader 5' };
const platformName = (platform: string) => PLATFORMS[platform.toLowerCase()] ?? platform;

function Version({ version }: { version: string }) {
  return (
    <>
      {version} {outdated(version) && <span class="badge plain warn">outdated: {EA_VERSION} is out</span>}
    </>
  );
}

/** What is known of the terminal; of one that is away what it said when it was last there. */
export function Facts({ token, terminal, past }: { token: Token; terminal?: Terminal; past?: LinkPast }) {
  const last = past?.events.find((event) => event.kind === 'connected');
  const platform = terminal?.platform ?? last?.platform;
  const build = terminal?.build ?? last?.build;
  const version = terminal?.ea_version ?? last?.ea_version;
  const from = terminal?.session?.remote ?? last?.from;
  const facts: [string, ComponentChildren][] = [
    [
      'Account',
      token.account && (
        <>
          {token.account.login} <Money mode={terminal?.trade_mode_name} />
        </>
      ),
    ],
    ['Server', token.account?.server],
    ['Broker', terminal?.company],
    ['Platform', platform && `${platformName(platform)}${build ? `, build ${build}` : ''}`],
    ['Expert Advisor', version && <Version version={version} />],
    ['Address', from],
    ['Reconnects in 24 h', past?.reconnects_24h],
    ['Token', token.prefix && <code>{token.prefix}…</code>],
    ['Made', token.created_at && <Ago at={token.created_at} />],
    ['Locked to the account', token.locked_at && <Ago at={token.locked_at} />],
    [
      'Expires',
      token.expires_at && token.state !== 'revoked' && (
        <>
          <Expires token={token} /> <span class="small muted nowrap">{token.expires_at.slice(0, 10)}</span>
        </>
      ),
    ],
  ];
  return (
    <dl class="traits">
      {facts
        .filter(([, what]) => what || what === 0)
        .map(([name, what]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{what}</dd>
          </div>
        ))}
    </dl>
  );
}

/** What the terminal may do, layer by layer; unknown is not "no". */
export function Permissions({ terminal }: { terminal: Terminal }) {
  const presence = terminal.presence;
  if (terminal.state !== 'connected' || !presence) return null;
  const latch = presence.latch?.value;
  const rows: [string, boolean | null | undefined, string, string][] = [
    ['Link to the broker', presence.broker_link?.value, 'there', 'gone'],
    ['Algo trading in the terminal', presence.terminal_trade_allowed?.value, 'on', 'off'],
    ['Trading by the Expert Advisor', presence.ea_trade_allowed?.value, 'allowed', 'not allowed'],
    ['Trading on the account', presence.account_trade_allowed?.value, 'allowed', 'not allowed'],
    ['Kill switch in the terminal', latch == null ? latch : latch === 0, 'off', 'on'],
  ];
  return (
    <section>
      <h3>What it may do</h3>
      <ul class="may">
        {rows.map(([what, good, yes, no]) => (
          <li key={what} class={good === false ? 'error' : ''}>
            <Icon name={good == null ? 'help' : good ? 'check' : 'x'} /> <span class="grow">{what}</span>
            <strong>{good == null ? 'not known yet' : good ? yes : no}</strong>
          </li>
        ))}
      </ul>
    </section>
  );
}
