import { useSignal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { Webhook } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { words } from '../../lib/network';
import { confirmed } from '../../lib/session';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Empty, Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Menu } from '../../ui/menu';
import { Modal } from '../../ui/modal';
import { Copyable } from '../../ui/secret';
import { toast } from '../../ui/toast';

function Shown({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const [stored, setStored] = useState(false);
  return (
    <Modal
      title="The secret of the webhook"
      onCancel={stored ? onClose : undefined}
      footer={
        <button type="button" class="primary" disabled={!stored} onClick={onClose}>
          Done
        </button>
      }
    >
      <p class="note warn">Messages are signed with it (Standard Webhooks). It is shown this once.</p>
      <Copyable label="Secret" text={webhook.secret ?? ''} onCopied={() => setStored(true)} />
      <label class="check">
        <input type="checkbox" checked={stored} onChange={(event) => setStored(event.currentTarget.checked)} />{' '}
        <span>I have stored it</span>
      </label>
    </Modal>
  );
}

function NewWebhook({ onClose, onMade }: { onClose: () => void; onMade: (webhook: Webhook) => void }) {
  const form = useSignal({ url: '', events: 'command.*, deal', name: '' });
  const set = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  return (
    <Confirm
      title="New webhook"
      verb="Make the webhook"
      doing="Making…"
      ready={form.value.url.startsWith('http') && words(form.value.events).length > 0}
      onClose={onClose}
      onDone={() => undefined}
      action={async () =>
        onMade(
          await confirmed(() =>
            ok(
              hub.POST('/api/v1/webhooks', {
                body: {
                  url: form.value.url.trim(),
                  events: words(form.value.events),
                  name: form.value.name,
                },
              }),
            ),
          ),
        )
      }
    >
      <label class="field">
        Name
        <input maxLength={100} value={form.value.name} onInput={(event) => set({ name: event.currentTarget.value })} />
      </label>
      <label class="field">
        Address
        <input
          type="url"
          placeholder="https://example.org/mtbridge"
          value={form.value.url}
          onInput={(event) => set({ url: event.currentTarget.value })}
        />
      </label>
      <label class="field">
        Events<span class="hint">By their names, * for any: command.*, deal, incident.*</span>
        <input value={form.value.events} onInput={(event) => set({ events: event.currentTarget.value })} />
      </label>
    </Confirm>
  );
}

/** What happens, sent signed to an address. */
export function Webhooks() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/webhooks')));
  const open = useSignal<{ what: 'new' } | { what: 'shown'; webhook: Webhook } | { what: 'delete'; webhook: Webhook } | null>(
    null,
  );
  const close = () => {
    open.value = null;
    void load();
  };
  const what = open.value;
  const rows = value.value?.data;
  const test = async (webhook: Webhook) => {
    const answer = await ok(hub.POST('/api/v1/webhooks/{id}/test', { params: { path: { id: webhook.id } } }));
    toast(
      answer.delivered ? `Delivered (${answer.response_status})` : `Not delivered: ${answer.detail ?? answer.response_status}`,
    );
  };
  return (
    <div class="stack narrow">
      <div class="row between">
        <h2>Webhooks</h2>
        <button type="button" class="primary" data-new onClick={() => (open.value = { what: 'new' })}>
          <Icon name="plus" /> New webhook
        </button>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!rows && !failure.value && <Loading rows={2} />}
      {rows?.length === 0 && (
        <Empty icon="webhook" title="No webhook yet">
          <p>Trades and changes are sent to an address of yours, signed, at least once.</p>
        </Empty>
      )}
      {rows?.map((webhook) => (
        <div class="card switch-line" key={webhook.id}>
          <span class="wrap">
            <strong>{webhook.name || webhook.url}</strong>{' '}
            <span class={`badge plain ${!webhook.enabled ? 'bad' : webhook.failing_since ? 'warn' : 'good'}`}>
              {!webhook.enabled ? 'Disabled' : webhook.failing_since ? 'Failing' : 'Working'}
            </span>
            <span class="hint">
              {webhook.url} · {webhook.events.join(', ')}
              {webhook.waiting > 0 && ` · ${webhook.waiting} waiting`}
              {webhook.dead > 0 && ` · ${webhook.dead} dead`}
              {webhook.failing_since && (
                <>
                  {' '}
                  · since <Ago at={webhook.failing_since} />
                </>
              )}
              {webhook.disabled_reason && ` · ${webhook.disabled_reason}`}
            </span>
          </span>
          <Menu
            label={`More for ${webhook.name || webhook.url}`}
            items={[
              { text: 'Send a test', icon: 'bell', run: () => void test(webhook).catch((error) => toast(String(error))) },
              ...(webhook.dead > 0
                ? [
                    {
                      text: 'Send dead ones again',
                      icon: 'refresh' as const,
                      run: () =>
                        void hub
                          .POST('/api/v1/webhooks/{id}/replay', {
                            params: { path: { id: webhook.id } },
                            body: { dead: true },
                          })
                          .then(load),
                    },
                  ]
                : []),
              ...(!webhook.enabled
                ? [
                    {
                      text: 'Enable',
                      icon: 'check' as const,
                      run: () =>
                        void hub
                          .PATCH('/api/v1/webhooks/{id}', {
                            params: { path: { id: webhook.id } },
                            body: { enabled: true },
                          })
                          .then(load),
                    },
                  ]
                : []),
              { text: 'Delete…', icon: 'bin', danger: true, run: () => (open.value = { what: 'delete', webhook }) },
            ]}
          />
        </div>
      ))}
      {what?.what === 'new' && <NewWebhook onClose={close} onMade={(webhook) => (open.value = { what: 'shown', webhook })} />}
      {what?.what === 'shown' && <Shown webhook={what.webhook} onClose={close} />}
      {what?.what === 'delete' && (
        <Confirm
          title={`Delete ${what.webhook.name || what.webhook.url}?`}
          verb="Delete the webhook"
          doing="Deleting…"
          danger
          onClose={close}
          action={async () =>
            void (await confirmed(() => hub.DELETE('/api/v1/webhooks/{id}', { params: { path: { id: what.webhook.id } } })))
          }
        >
          <p>Nothing more is sent there, and what waits is dropped.</p>
        </Confirm>
      )}
    </div>
  );
}
