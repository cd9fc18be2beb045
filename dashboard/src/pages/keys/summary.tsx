import type { ComponentChildren } from 'preact';
import type { Plans } from '../../api/types';
import { terminals } from '../../live/store';
import { inWords } from '../../lib/permissions';
import { capital, grants } from '../../lib/plans';
import { now, stamp } from '../../lib/time';
import { Icon } from '../../ui/icon';
import { accountsOf, end, money, type Draft } from './draft';

/** What the key will be, in words, before it is made. */
export function Summary({ draft, plans }: { draft: Draft; plans: Plans | undefined }) {
  const accounts = accountsOf(terminals.value.values());
  const { risk, text } = money(draft, accounts);
  const named = (values: string[]) =>
    values.map((value) => accounts.find((one) => one.value === value)?.text ?? value).join(', ');
  const plan = plans?.data.find((row) => row.plan === (draft.plan || plans.ceiling));
  const until = end(draft, now.value);
  const rows: [string, ComponentChildren][] = [
    ['It may', inWords(draft.permissions).map((line) => <div key={line}>{line}</div>)],
    ['On accounts', draft.accounts ? named(draft.accounts) : 'all of yours, also those that come later'],
    ['On symbols', draft.symbols ? draft.symbols.join(', ') : 'all'],
    ['From', draft.ips ? draft.ips.join(', ') : 'any address'],
    [
      'Until',
      until ? `${stamp(Date.parse(until), 'local').slice(0, 16)} local time, ${draft.ends} days from now` : 'you revoke it',
    ],
  ];
  if (plan) rows.push(['How much', `${capital(plan.plan)}: ${grants(plan)}`]);
  if (draft.terminal) rows.push(['By default on', named([draft.terminal])]);
  return (
    <>
      <p class={`note money ${risk ? 'warn' : 'good'}`}>
        <Icon name={risk ? 'warning' : 'check'} /> {text}
      </p>
      <dl class="summary">{rows.map(([name, what]) => [<dt key={name}>{name}</dt>, <dd key={`${name}:`}>{what}</dd>])}</dl>
    </>
  );
}
