import './settings/settings.css';
import { switches } from '../live/store';
import { Link, where } from '../lib/router';
import { acts, session } from '../lib/session';
import { Hooks } from './settings/hooks';
import { KillSwitches } from './settings/kill';
import { Mine } from './settings/mine';
import { Plans } from './settings/plans';
import { Users } from './settings/users';
import { Webhooks } from './settings/webhooks';

/** What can be set, each at an address of its own. */
export default function Settings() {
  const owner = session.value?.user?.role === 'owner';
  const parts = [
    { path: '/settings', name: 'You', show: true, Part: Mine },
    { path: '/settings/kill-switch', name: 'Kill switch', show: true, Part: KillSwitches },
    { path: '/settings/users', name: 'Users', show: owner, Part: Users },
    { path: '/settings/plans', name: 'Plans', show: true, Part: Plans },
    { path: '/settings/hooks', name: 'TradingView', show: acts.value, Part: Hooks },
    { path: '/settings/webhooks', name: 'Webhooks', show: acts.value, Part: Webhooks },
  ].filter((part) => part.show);
  const part = parts.find((one) => one.path === where.value.pathname) ?? parts[0]!;
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Settings</h1>
      </div>
      <nav class="chips subnav settings-nav" aria-label="Settings">
        {parts.map((one) => (
          <Link key={one.path} class="chip" href={one.path} aria-current={one === part ? 'page' : undefined}>
            {one.name} {one.Part === KillSwitches && switches.value.length > 0 && <span class="badge plain bad">on</span>}
          </Link>
        ))}
      </nav>
      <part.Part key={part.path} />
    </>
  );
}
