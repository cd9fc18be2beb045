import './audit/audit.css';
import { Link, where } from '../lib/router';
import { operates } from '../lib/session';
import { Changes } from './audit/changes';
import { Commands } from './audit/commands';
import { Trades } from './audit/trades';

/** What happened, each list at an address of its own; its filters are the rest of the address. */
export default function Audit() {
  const tabs = [
    {
      path: '/audit',
      name: 'Trades',
      about: 'Every deal and order that the hub has seen, whoever made it.',
      Part: Trades,
      show: true,
    },
    {
      path: '/audit/commands',
      name: 'Commands',
      about: 'What bots and people asked for, and what became of it.',
      Part: Commands,
      show: true,
    },
    {
      path: '/audit/changes',
      name: 'Changes',
      about: 'Who changed what in this hub, and who was not let.',
      Part: Changes,
      show: operates.value,
    },
  ].filter((tab) => tab.show);
  const tab = tabs.find((one) => one.path === where.value.pathname) ?? tabs[0]!;
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>Audit</h1>
          <p>{tab.about}</p>
        </div>
      </div>
      <nav class="chips subnav" aria-label="Audit">
        {tabs.map((one) => (
          <Link key={one.path} class="chip" href={one.path} aria-current={one === tab ? 'page' : undefined}>
            {one.name}
          </Link>
        ))}
      </nav>
      <tab.Part key={tab.path} />
    </>
  );
}
