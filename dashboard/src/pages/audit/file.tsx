import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { sentence } from '../../api/client';
import { now } from '../../lib/time';
import { Failed } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';
import { clock, filters } from './bar';
import { readAll, save } from './csv';
import { chips, days, query, type Tab } from './filters';

/** Reads everything that the filters let through, says how many rows that is, and hands it over as a file. */
function Export({ tab, limit, said, onClose }: { tab: Tab; limit: number; said: string[]; onClose: () => void }) {
  const rows = useSignal(0);
  const text = useSignal<string | undefined>(undefined);
  const failure = useSignal('');
  const chosen = filters(tab);
  const name = `mtbridge-${tab}-${days(chosen, now.peek(), clock())}.csv`;
  useEffect(() => {
    const stop = new AbortController();
    readAll(query(tab, chosen, now.peek(), clock()), limit, (count) => (rows.value = count), stop.signal).then(
      (read) => (text.value = read),
      (error) => {
        if (!stop.signal.aborted) failure.value = sentence(error);
      },
    );
    return () => stop.abort();
  }, []);
  const ready = text.value !== undefined;
  const count = `${rows.value} ${rows.value === 1 ? 'row' : 'rows'}`;
  return (
    <Modal
      title={`${tab === 'trades' ? 'Trades' : tab === 'commands' ? 'Commands' : 'Changes'} as a file`}
      onCancel={onClose}
      footer={
        <>
          <button type="button" autofocus onClick={onClose}>
            Cancel
          </button>
          <button
            type="button"
            class="primary"
            disabled={!ready || rows.value === 0}
            onClick={() => {
              save(name, text.value!);
              onClose();
            }}
          >
            <Icon name="download" /> {ready ? `Save ${count}` : 'Save'}
          </button>
        </>
      }
    >
      <p class="figure" role="status">
        {failure.value ? '' : ready ? count : rows.value ? `${count}…` : 'Counting…'}
      </p>
      {failure.value && <Failed what={failure.value} />}
      <p>{said.length ? `What is filtered: ${said.join(', ')}. All pages of it.` : 'Everything, all pages of it.'}</p>
      <p class="muted small">CSV for a spreadsheet. Times are UTC, whatever this page shows; numbers have a decimal point.</p>
      <p class="small">
        <code>{name}</code>
      </p>
    </Modal>
  );
}

/** What is shown, all pages of it, as a file. */
export function Csv({ tab, limit, named }: { tab: Tab; limit: number; named: (id: string, filter: string) => string }) {
  const open = useSignal(false);
  const chosen = filters(tab);
  if (chosen.id) return null;
  return (
    <>
      <button type="button" onClick={() => (open.value = true)}>
        <Icon name="download" /> CSV<span class="visually-hidden"> of what is shown, all pages</span>
      </button>
      {open.value && (
        <Export
          tab={tab}
          limit={limit}
          said={chips(tab, chosen, named).map(({ text }) => text)}
          onClose={() => (open.value = false)}
        />
      )}
    </>
  );
}
