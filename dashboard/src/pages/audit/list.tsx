import type { Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { go } from '../../lib/router';
import { stamp, zone, zoneName } from '../../lib/time';
import { Empty, Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { type Column, Head } from '../../ui/table';
import { clock, filters } from './bar';
import { address, type Tab } from './filters';
import type { Pages } from './pages';

/** A moment on two lines of a row, or on one of a text; `broker` is the broker's own clock, where it is known. */
export function When({ at, broker, line, ms }: { at: string; broker?: number | null; line?: boolean; ms?: boolean }) {
  const moment = Date.parse(at);
  const own = zone.value === 'broker' && typeof broker === 'number' && broker > 0;
  const text = own ? stamp(broker * 1000, 'utc') : stamp(moment, clock());
  const time = `${text.slice(11)}${ms ? `.${String(moment % 1000).padStart(3, '0')}` : ''}`;
  return (
    <time class={line ? '' : 'when'} dateTime={at} title={`${at.replace('T', ' ').replace('Z', '')} UTC`}>
      {line ? (
        `${text.slice(0, 10)} ${time}`
      ) : (
        <>
          <span class="nowrap">{time}</span> <span class="sub nowrap">{text.slice(0, 10)}</span>
        </>
      )}
      {zone.value === 'broker' && !own && line && ' UTC'}
    </time>
  );
}

interface Props<T> {
  tab: Tab;
  pages: Pages<T>;
  label: string;
  names: Column[];
  /** Where the times of this list are the broker's when that is chosen. */
  brokers?: boolean;
  row: (row: T) => ComponentChildren;
  empty: ComponentChildren;
  /** What is true of all rows together, once all are there. */
  sum?: ComponentChildren;
}

/** Above the list: how many have come since it was read. */
function New<T>({ pages }: { pages: Pages<T> }) {
  const waiting = pages.waiting.value.size;
  return (
    <div class="new-rows" role="status">
      {(waiting > 0 || pages.missed.value) && (
        <button
          type="button"
          class="primary"
          disabled={pages.busy.value}
          onClick={() => {
            scrollTo({ top: 0 });
            void pages.load();
          }}
        >
          <Icon name="refresh" /> {waiting > 0 ? `${waiting} new` : 'There may be new ones'}
        </button>
      )}
    </div>
  );
}

/** Below it: older ones, as long as there are. */
function Older<T>({ pages, count }: { pages: Pages<T>; count: number }) {
  return (
    <div class="stack">
      {pages.failedOlder.value && <Failed what={pages.failedOlder.value} again={() => void pages.older()} />}
      <div class="older">
        {pages.more.value ? (
          <button type="button" disabled={pages.busy.value} onClick={() => void pages.older()}>
            {pages.busy.value ? 'Reading…' : 'Show older'}
          </button>
        ) : (
          count > 1 && <span class="small muted">That is all.</span>
        )}
      </div>
    </div>
  );
}

/** A list of records, newest first. */
export function Records<T>({ tab, pages, label, names, brokers, row, empty, sum }: Props<T>) {
  const rows = pages.rows.value;
  const settled = pages.settled.value;
  const written = zoneName(zone.value === 'broker' && brokers ? 'broker' : clock()).replace(' time', '');
  const narrowed = Object.keys(filters(tab)).length > 0;
  return (
    <div class="stack">
      <New pages={pages} />
      {pages.failure.value && <Failed what={pages.failure.value} again={() => void pages.load()} />}
      {!rows && !pages.failure.value && <Loading />}
      {settled &&
        rows?.length === 0 &&
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
      {rows && rows.length > 0 && (settled || !pages.failure.value) && (
        <div class={settled ? 'stack' : 'stack is-before'}>
          <table
            class={`table cards-on-phone live records of-${tab}`}
            role="table"
            aria-label={label}
            aria-busy={pages.busy.value || !settled}
          >
            <Head
              names={names}
              last="More"
              lastClass="c-more"
              beside={(name) => name === 'Time' && <span class="zone">{written}</span>}
            />
            <tbody role="rowgroup">{rows.map(row)}</tbody>
          </table>
          {settled && sum}
          {settled && <Older pages={pages} count={rows.length} />}
        </div>
      )}
    </div>
  );
}

interface LineProps {
  id: string;
  /** What the row is about, said by the button that opens it. */
  about: string;
  /** Which row is open. */
  open: Signal<string>;
  columns: number;
  more: ComponentChildren;
  children: ComponentChildren;
}

/** A row, and under it what else there is to it once it was opened. */
export function Line({ id, about, open, columns, more, children }: LineProps) {
  const shown = open.value === id;
  const place = `more-${id}`.replace(/\s/g, '');
  return (
    <>
      <tr role="row" class={shown ? 'is-open' : ''}>
        {children}
        <td role="cell" class="c-more actions">
          <button
            type="button"
            class="ghost icon-only"
            aria-expanded={shown}
            aria-controls={shown ? place : undefined}
            onClick={() => (open.value = shown ? '' : id)}
          >
            <Icon name={shown ? 'down' : 'right'} label={`${shown ? 'Less' : 'More'} about ${about}`} />
          </button>
        </td>
      </tr>
      {shown && (
        <tr role="row" class="detail" id={place}>
          <td role="cell" colSpan={columns + 1} class="wide">
            <div class="stack">{more}</div>
          </td>
        </tr>
      )}
    </>
  );
}

/** Whether new rows may come in above: nothing is filtered, opened, scrolled or under the mouse or the focus. */
export const resting = (tab: Tab, open: string): boolean =>
  open === '' &&
  Object.keys(filters(tab)).length === 0 &&
  scrollY < 60 &&
  !document.querySelector('.records:hover, .records:focus-within, dialog[open]');
