import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { terminals } from '../../live/store';
import { go, where } from '../../lib/router';
import { zone } from '../../lib/time';
import { Icon } from '../../ui/icon';
import { Csv } from './file';
import { address, chips, RANGES, read, type Clock, type Filters, type Tab } from './filters';
import type { Pages } from './pages';

/** Accounts have different brokers' clocks, so days here are of UTC or of the reader. */
export const clock = (): Clock => (zone.value === 'local' ? 'local' : 'utc');

/** The filters of the address. */
export const filters = (tab: Tab): Filters => read(tab, where.value.searchParams);

/** Changes some of them; an empty one is taken away. */
export function change(tab: Tab, what: Filters): void {
  const next = { ...filters(tab), ...what };
  for (const [name, value] of Object.entries(next)) if (!value) delete next[name];
  if (what.from || what.to) delete next.range;
  if (what.range) {
    delete next.from;
    delete next.to;
  }
  go(address(tab, next), true);
}

export function Text({
  tab,
  name,
  label,
  first,
  placeholder,
}: {
  tab: Tab;
  name: string;
  label: string;
  first?: boolean;
  placeholder?: string;
}) {
  const value = filters(tab)[name] ?? '';
  return (
    <label class="field">
      {label}
      <input
        key={value}
        name={name}
        defaultValue={value}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        {...(first ? { 'data-filter': true } : {})}
        onChange={(event) => change(tab, { [name]: event.currentTarget.value.trim() })}
      />
    </label>
  );
}

export function Choice({
  tab,
  name,
  label,
  options,
  all = 'all',
  first,
}: {
  tab: Tab;
  name: string;
  label: string;
  options: [string, string][];
  all?: string;
  first?: boolean;
}) {
  const value = filters(tab)[name] ?? '';
  // What the address names stays chosen, also when nobody knows it.
  const shown = value && !options.some(([id]) => id === value) ? [...options, [value, value] as [string, string]] : options;
  return (
    <label class="field">
      {label}
      <select
        name={name}
        value={value}
        {...(first ? { 'data-filter': true } : {})}
        onChange={(event) => change(tab, { [name]: event.currentTarget.value })}
      >
        <option value="">{all}</option>
        {shown.map(([id, text]) => (
          <option key={id} value={id}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The accounts that have a terminal. */
export function AccountChoice({ tab }: { tab: Tab }) {
  const known = new Map<string, string>();
  for (const { account, name } of terminals.value.values())
    if (account)
      known.set(`${account.login}@${account.server}`, `${account.login} on ${account.server}${name ? ` (${name})` : ''}`);
  return <Choice tab={tab} name="account" label="Account" first options={[...known].sort((a, b) => a[1].localeCompare(b[1]))} />;
}

function Times({ tab }: { tab: Tab }) {
  const chosen = filters(tab);
  return (
    <>
      <label class="field">
        From{zone.value === 'broker' && ' (UTC)'}
        <input
          type="date"
          key={`from ${chosen.from ?? ''}`}
          name="from"
          defaultValue={chosen.from ?? ''}
          max={chosen.to}
          onChange={(event) => change(tab, { from: event.currentTarget.value })}
        />
      </label>
      <label class="field">
        Until{zone.value === 'broker' && ' (UTC)'}
        <input
          type="date"
          key={`to ${chosen.to ?? ''}`}
          name="to"
          defaultValue={chosen.to ?? ''}
          min={chosen.from}
          onChange={(event) => change(tab, { to: event.currentTarget.value })}
        />
      </label>
    </>
  );
}

function Ranges({ tab }: { tab: Tab }) {
  const chosen = filters(tab);
  return (
    <div class="chips" role="group" aria-label="Time">
      {Object.entries(RANGES).map(([id, { name }]) => (
        <button
          type="button"
          class="chip"
          key={id}
          aria-pressed={chosen.range === id}
          onClick={() => change(tab, { range: chosen.range === id ? '' : id })}
        >
          {name}
        </button>
      ))}
      <button
        type="button"
        class="chip"
        aria-pressed={!chosen.range && !chosen.from && !chosen.to}
        onClick={() => change(tab, { range: '', from: '', to: '' })}
      >
        Any time
      </button>
    </div>
  );
}

/** How many there are: of a list that goes on only how many are shown. */
function Count<T>({ pages, one, many }: { pages: Pages<T>; one: string; many: string }) {
  const rows = pages.rows.value;
  const count = rows?.length ?? 0;
  return (
    <span class="count" role="status">
      {rows && pages.settled.value && `${count}${pages.more.value ? '+' : ''} ${count === 1 && !pages.more.value ? one : many}`}
    </span>
  );
}

/** What the list is narrowed to: presets and fields, a chip for each to clear it, and the file of the same. */
export function Bar<T>({
  tab,
  pages,
  words: [one, many],
  named = (id) => id,
  csvLimit,
  children,
}: {
  tab: Tab;
  pages: Pages<T>;
  /** What is counted: "command", "commands". */
  words: [one: string, many: string];
  named?: (id: string, filter: string) => string;
  csvLimit: number;
  children: ComponentChildren;
}) {
  const open = useSignal(false);
  const chosen = filters(tab);
  const shown = chips(tab, chosen, named);
  return (
    <form class="stack audit-bar" role="search" aria-label={`Filter ${tab}`} onSubmit={(event) => event.preventDefault()}>
      <div class={`fold stack ${open.value ? 'is-open' : ''}`} id={`filters-${tab}`}>
        <Ranges tab={tab} />
        <div class="filters">
          {children}
          <Times tab={tab} />
        </div>
      </div>
      <div class="row">
        {/* On a phone the rows come first. */}
        <button
          type="button"
          class="unfold"
          aria-expanded={open.value}
          aria-controls={`filters-${tab}`}
          onClick={() => (open.value = !open.value)}
        >
          <Icon name="search" /> Filters{shown.length > 0 && ` (${shown.length})`}
        </button>
        <Count pages={pages} one={one} many={many} />
        {shown.length > 0 && (
          <div class="chips applied" role="group" aria-label="Filtered by">
            {shown.map(({ name, text }) => (
              <button type="button" class="chip on" key={name} onClick={() => change(tab, { [name]: '' })}>
                {text} <Icon name="x" label="clear" />
              </button>
            ))}
            {shown.length > 1 && (
              <button type="button" class="chip" onClick={() => go(address(tab, {}), true)}>
                Clear all
              </button>
            )}
          </div>
        )}
        <span class="fill" />
        <Csv tab={tab} limit={csvLimit} named={named} />
      </div>
    </form>
  );
}
