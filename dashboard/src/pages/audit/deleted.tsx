import { get } from '../../api/client';
import type { List } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { operates } from '../../lib/session';
import { now } from '../../lib/time';
import { Icon } from '../../ui/icon';
import { clock } from './bar';
import { query, type Filters } from './filters';
import { When } from './list';
import { actorName, tokenName, useCallers } from './names';
import type { Change } from './words';

/** What the hub's audit says of a disconnect that deleted. */
export const isDeletion = (row: Change): boolean => row.action === 'token.disconnect' && row.detail.startsWith('history deleted');

/**
 * Where history was deleted: that it is not there is told, or the list would look whole. The audit names no account; so only whoever may read the audit sees it, and only where no account or symbol is chosen.
 */
export function Deleted({ chosen }: { chosen: Filters }) {
  const { account, symbol, kind, order, position, ...times } = chosen;
  const shown = operates.value && !(account || symbol || kind || order || position);
  const path = query('changes', { ...times, action: 'token.disconnect', outcome: 'done' }, now.value, clock());
  const { value } = useLoaded(
    () => (shown ? get<List<Change>>(`${path}&limit=1000`).then(({ data }) => data.filter(isDeletion)) : Promise.resolve([])),
    shown,
    path,
  );
  const names = useCallers();
  if (!shown || !value.value?.length) return null;
  return (
    <section class="deleted" aria-label="Deleted history">
      <ul>
        {value.value.map((row) => (
          <li key={row.id}>
            <Icon name="bin" />
            <span>
              <When at={row.at} line /> History deleted by <strong>{actorName(row.actor, names)}</strong>: all that was recorded
              of the account of {tokenName(row.target) || row.target}
              {row.detail.slice('history deleted'.length)}.
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
