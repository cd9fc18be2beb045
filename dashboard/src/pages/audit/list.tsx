import type { ComponentChildren } from 'preact';
import { go } from '../../lib/router';
import { stamp, zone, zoneName } from '../../lib/time';
import { Empty, Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { filters } from './bar';
import { address, type Tab } from './filters';
import type { Pages } from './pages';

/** A moment, to the second, in UTC or the reader's own time. */
export function When({ at }: { at: string }) {
  const how = zone.value === 'local' ? 'local' : 'utc';
  return (
    <time class="nowrap" dateTime={at} title={`${at} UTC`}>
      {stamp(Date.parse(at), how)}
    </time>
  );
}

interface Props<T> {
  tab: Tab;
  pages: Pages<T>;
  label: string;
  names: [name: string, num?: boolean][];
  row: (row: T) => ComponentChildren;
  empty: ComponentChildren;
}

/** A list of records, newest first: new ones wait above it, older ones come when they are asked for. */
export function Records<T>({ tab, pages, label, names, row, empty }: Props<T>) {
  const rows = pages.rows.value;
  const waiting = pages.waiting.value.size;
  const narrowed = Object.keys(filters(tab)).length > 0;
  return (
    <div class="stack">
      <div class="new-rows" role="status">
        {(waiting > 0 || pages.missed.value) && (
          <button type="button" class="primary" disabled={pages.busy.value} onClick={() => void pages.load()}>
            <Icon name="refresh" /> {waiting > 0 ? `${waiting} new` : 'There may be new ones'}
          </button>
        )}
      </div>
      {pages.failure.value && <Failed what={pages.failure.value} again={() => void pages.load()} />}
      {!rows && !pages.failure.value && <Loading />}
      {rows?.length === 0 &&
        (narrowed ? (
          <Empty icon="search" title="No match">
            <p>Nothing is like that.</p>
            <button type="button" onClick={() => go(address(tab, {}), true)}>
              Clear filters
            </button>
          </Empty>
        ) : (
          empty
        ))}
      {rows && rows.length > 0 && (
        <>
          <table class="table cards-on-phone live" role="table" aria-label={label} aria-busy={pages.busy.value}>
            <thead role="rowgroup">
              <tr role="row">
                {names.map(([name, num]) => (
                  <th key={name} role="columnheader" scope="col" class={num ? 'num' : ''}>
                    {name}
                    {name === 'Time' && (
                      <span class="visually-hidden">, {zoneName(zone.value === 'local' ? 'local' : 'utc')}</span>
                    )}
                  </th>
                ))}
                <th role="columnheader" scope="col">
                  <span class="visually-hidden">More</span>
                </th>
              </tr>
            </thead>
            <tbody role="rowgroup">{rows.map(row)}</tbody>
          </table>
          <div class="older">
            {pages.more.value ? (
              <button type="button" disabled={pages.busy.value} onClick={() => void pages.older()}>
                {pages.busy.value ? 'Reading…' : 'Older'}
              </button>
            ) : (
              <span class="small muted">{rows.length === 1 ? 'That is the only one.' : `That is all: ${rows.length}.`}</span>
            )}
          </div>
        </>
      )}
    </div>
  );
}

/** Opens and closes what else there is to a row. */
export function More({ open, label, id, toggle }: { open: boolean; label: string; id: string; toggle: () => void }) {
  return (
    <button type="button" class="ghost icon-only" aria-expanded={open} aria-controls={open ? id : undefined} onClick={toggle}>
      <Icon name={open ? 'down' : 'right'} label={label} />
    </button>
  );
}

/** The line under a row that was opened. */
export function Detail({ id, columns, children }: { id: string; columns: number; children: ComponentChildren }) {
  return (
    <tr role="row" class="detail" id={id}>
      <td role="cell" colSpan={columns} class="wide">
        <div class="stack">{children}</div>
      </td>
    </tr>
  );
}

/** Names and values of a record. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl>
      {of
        .filter(([, value]) => value !== '' && value !== null && value !== undefined)
        .map(([name, value]) => (
          <>
            <dt key={name}>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
    </dl>
  );
}
