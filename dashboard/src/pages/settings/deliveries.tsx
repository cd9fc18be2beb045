import { useSignal } from '@preact/signals';
import { hub, ok, sentence } from '../../api/client';
import type { Delivery, Webhook } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { Ago } from '../../ui/ago';
import { Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';

/** Tries in all, the first one too: docs/webhooks.md. */
const TRIES = 10;

/** What an address has not taken yet, with what it answered; each can be sent again. */
export function Deliveries({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const { value, failure, load } = useLoaded(() =>
    ok(hub.GET('/api/v1/webhooks/{id}/deliveries', { params: { path: { id: webhook.id } } })),
  );
  const said = useSignal('');
  const again = async (body: { seq: number } | { dead: true }) => {
    said.value = '';
    try {
      const { replayed } = await ok(hub.POST('/api/v1/webhooks/{id}/replay', { params: { path: { id: webhook.id } }, body }));
      said.value = `${replayed} on ${replayed === 1 ? 'its' : 'their'} way again. What is taken leaves this list.`;
    } catch (error) {
      said.value = sentence(error);
    }
    await load();
  };
  const rows = value.value?.data;
  const dead = rows?.filter((row) => row.state === 'dead').length ?? 0;
  const line = (row: Delivery) => (
    <li key={row.message}>
      <div class="row">
        <span class={`badge plain ${row.state === 'dead' ? 'bad' : 'warn'}`}>
          {row.state === 'dead' ? 'Given up' : 'Waiting'}
        </span>
        <strong>{row.type}</strong>
        <span class="muted small">
          <Ago at={row.since} />
        </span>
      </div>
      <div class="small">
        {row.attempts} of {TRIES} tries
        {row.next_at && (
          <>
            , next <Ago at={row.next_at} />
          </>
        )}
        {row.last_error && (
          <>
            . Last answer: <span class="wrap">{row.last_error}</span>
          </>
        )}
      </div>
      <div class="row between">
        <code class="muted small wrap">{row.message}</code>
        <button type="button" onClick={() => void again({ seq: row.seq })}>
          <Icon name="refresh" /> Send again<span class="visually-hidden"> {row.message}</span>
        </button>
      </div>
    </li>
  );
  return (
    <Modal
      wide
      title={`What ${webhook.name || webhook.url} has not taken`}
      onCancel={onClose}
      footer={
        <>
          {dead > 1 && (
            <button type="button" onClick={() => void again({ dead: true })}>
              Send all {dead} that were given up
            </button>
          )}
          <button type="button" onClick={() => void load()}>
            <Icon name="refresh" /> Look again
          </button>
          <button type="button" class="primary" autofocus onClick={onClose}>
            Close
          </button>
        </>
      }
    >
      <p class="muted">
        A message that was answered with 2xx is done and not kept here. One that was not is tried {TRIES} times in a good three
        days, and then given up until you send it again.
      </p>
      <div role="status">{said.value && <p class="note">{said.value}</p>}</div>
      {failure.value && <Failed what={failure.value} />}
      {!rows && !failure.value && <Loading rows={2} />}
      {rows?.length === 0 && (
        <p class="note good row">
          <Icon name="check" /> Everything was taken.
        </p>
      )}
      {rows && rows.length > 0 && <ul class="came">{rows.map(line)}</ul>}
    </Modal>
  );
}
