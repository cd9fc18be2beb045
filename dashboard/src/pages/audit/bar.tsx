import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { sentence } from '../../api/client';
import { terminals } from '../../live/store';
import { go, where } from '../../lib/router';
import { now, zone } from '../../lib/time';
import { Failed } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { readAll, save } from './csv';
import { address, chips, query, RANGES, read, type Clock, type Filters, type Tab } from './filters';
import { withParams } from './pages';

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
        From
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
        Until
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

function Csv({ tab, limit }: { tab: Tab; limit: number }) {
  const rows = useSignal<number | null>(null);
  const failure = useSignal('');
  const path = query(tab, filters(tab), now.value, clock());
  if (filters(tab).id) return null;
  const times = [
    new URL(path, location.origin).searchParams.get('from'),
    new URL(path, location.origin).searchParams.get('to'),
  ].map((at) => at?.slice(0, 10));
  const name = `mtbridge-${tab}-${times[0] ?? 'all'}-${times[1] ?? new Date(now.value).toISOString().slice(0, 10)}.csv`;
  const onClick = async (event: MouseEvent) => {
    event.preventDefault();
    if (rows.value !== null) return;
    rows.value = 0;
    failure.value = '';
    try {
      save(name, await readAll(path, limit, (count) => (rows.value = count)));
    } catch (error) {
      failure.value = sentence(error);
    }
    rows.value = null;
  };
  return (
    <>
      <a
        class="button"
        href={withParams(path, { format: 'csv', limit: String(limit) })}
        download={name}
        aria-busy={rows.value !== null}
        onClick={onClick}
      >
        <Icon name="download" /> {rows.value === null ? 'CSV' : `${rows.value} rows…`}
        <span class="visually-hidden"> with what is shown, all pages</span>
      </a>
      {failure.value && <Failed what={failure.value} />}
    </>
  );
}

/** What the list is narrowed to: presets and fields, a chip for each to clear it, and the file of the same. */
export function Bar({
  tab,
  keyName,
  csvLimit,
  children,
}: {
  tab: Tab;
  keyName: (id: string) => string;
  csvLimit: number;
  children: ComponentChildren;
}) {
  const chosen = filters(tab);
  const shown = chips(tab, chosen, keyName);
  return (
    <form class="stack" role="search" aria-label={`Filter ${tab}`} onSubmit={(event) => event.preventDefault()}>
      <div class="row between">
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
            All
          </button>
        </div>
        <Csv tab={tab} limit={csvLimit} />
      </div>
      <div class="filters">
        {children}
        <Times tab={tab} />
      </div>
      {shown.length > 0 && (
        <div class="chips" role="group" aria-label="Filtered by">
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
    </form>
  );
}
