import './keys/keys.css';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub, ok, sentence } from '../api/client';
import type { ApiKey } from '../api/types';
import { subscribe } from '../live/socket';
import { acts } from '../lib/session';
import { Empty, Failed, Loading } from '../ui/empty';
import { Icon } from '../ui/icon';
import { Table } from '../ui/table';
import { EditKey, NewKey, RevokeKey, RollKey } from './keys/dialogs';
import { type Opened, Row } from './keys/row';

/** What is spent of a plan moves without an event; it is read anew so often while somebody looks. */
const LOOK_MS = 15_000;

function Rows({ rows, label, open }: { rows: ApiKey[]; label: string; open?: (what: Opened) => void }) {
  return (
    <Table label={label} class="live keys" names={[['Name'], ['May'], ['Plan'], ['Used'], [open ? 'Ends' : 'Ended']]}>
      {rows.map((row) => (
        <Row key={row.id} row={row} open={open} />
      ))}
    </Table>
  );
}

/** What bots present, and what each may do. */
export default function Keys() {
  const rows = useSignal<ApiKey[] | undefined>(undefined);
  const failure = useSignal('');
  const open = useSignal<Opened | { what: 'new' } | null>(null);
  const all = useSignal(false);
  const load = async () => {
    try {
      rows.value = (await ok(hub.GET('/api/v1/keys'))).data;
      failure.value = '';
    } catch (error) {
      failure.value = sentence(error);
    }
  };
  useEffect(() => {
    if (!acts.peek()) return;
    void load();
    const looks = setInterval(() => document.visibilityState === 'visible' && void load(), LOOK_MS);
    const ends = subscribe(
      { topic: 'keys' },
      ({ type }) => {
        if (type === 'event') void load();
      },
      () => void load(),
    );
    return () => {
      clearInterval(looks);
      ends();
    };
  }, []);
  if (!acts.value)
    return (
      <>
        <h1 tabIndex={-1}>API keys</h1>
        <Empty icon="api-key" title="Not for viewers">
          <p>Keys are made and seen by whoever may act.</p>
        </Empty>
      </>
    );
  const list = [...(rows.value ?? [])].sort((a, b) => b.created_at.localeCompare(a.created_at));
  const live = list.filter((key) => key.state === 'active');
  const ended = list.filter((key) => key.state !== 'active');
  const show = (what: Opened | { what: 'new' }) => (open.value = what);
  const close = () => {
    open.value = null;
    void load();
  };
  const what = open.value;
  return (
    <>
      <div class="head">
        <div>
          <h1 tabIndex={-1}>API keys</h1>
          <p>What a bot presents. Give each bot its own, with no more than it needs.</p>
        </div>
        <button type="button" class="primary" data-new onClick={() => show({ what: 'new' })}>
          <Icon name="plus" /> New key
        </button>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!rows.value && !failure.value && <Loading />}
      {rows.value && live.length === 0 && (
        <Empty icon="api-key" title="No key is in use">
          <p>Bots call the REST API with a key.</p>
          <button type="button" class="primary" onClick={() => show({ what: 'new' })}>
            <Icon name="plus" /> New key
          </button>
        </Empty>
      )}
      {live.length > 0 && <Rows rows={live} label="API keys" open={show} />}
      {ended.length > 0 && (
        <p class="ended">
          <button type="button" class="ghost" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
            <Icon name={all.value ? 'down' : 'right'} /> {all.value ? 'Hide' : 'Show'} {ended.length} that{' '}
            {ended.length === 1 ? 'has' : 'have'} ended
          </button>
        </p>
      )}
      {all.value && ended.length > 0 && <Rows rows={ended} label="Keys that have ended" />}
      {what?.what === 'new' && <NewKey onClose={close} />}
      {what?.what === 'edit' && <EditKey row={what.key} onClose={close} />}
      {what?.what === 'roll' && <RollKey row={what.key} onClose={close} />}
      {what?.what === 'revoke' && <RevokeKey row={what.key} onClose={close} />}
    </>
  );
}
