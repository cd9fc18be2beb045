import { useSignal } from '@preact/signals';
import { hub, ok, sentence } from '../../api/client';
import type { Webhook } from '../../api/types';
import { terminals } from '../../live/store';
import { useLoaded } from '../../lib/load';
import { confirmed } from '../../lib/session';
import { accountName } from '../../lib/tokens';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Empty, Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Menu, type Item } from '../../ui/menu';
import { orLost } from '../../ui/lost';
import { Once } from '../../ui/once';
import { toast } from '../../ui/toast';
import { Deliveries } from './deliveries';
import { Facts } from '../../ui/facts';
import { Overlap } from '../../ui/overlap';
import { body, draftOf, ready, WebhookForm } from './webhook-form';

const named = (webhook: Webhook) => webhook.name || webhook.url;
const at = (webhook: Webhook) => ({ params: { path: { id: webhook.id } } });

function Edit({ row, onClose, onMade }: { row?: Webhook; onClose: () => void; onMade: (made: Webhook) => void }) {
  const draft = useSignal(draftOf(row));
  return (
    <Confirm
      wide
      title={row ? `Change ${named(row)}` : 'New webhook'}
      verb={row ? 'Change the webhook' : 'Make the webhook'}
      doing={row ? 'Changing…' : 'Making…'}
      ready={ready(draft.value)}
      onClose={onClose}
      onDone={row ? onClose : () => undefined}
      action={async () => {
        const to = body(draft.value);
        if (row) await confirmed(() => hub.PATCH('/api/v1/webhooks/{id}', { ...at(row), body: to }));
        else onMade(await confirmed(() => ok(hub.POST('/api/v1/webhooks', { body: to }))));
      }}
    >
      <WebhookForm draft={draft} />
    </Confirm>
  );
}

function Rotate({ row, onClose, onMade }: { row: Webhook; onClose: () => void; onMade: (made: Webhook) => void }) {
  const overlap = useSignal(86_400);
  return (
    <Confirm
      title={`New secret for ${named(row)}?`}
      verb="Make a new secret"
      doing="Making…"
      onClose={onClose}
      onDone={() => undefined}
      action={async () =>
        onMade(
          await confirmed(() =>
            ok(hub.POST('/api/v1/webhooks/{id}/rotate', { ...at(row), body: { overlap_s: overlap.value } })),
          ).catch(
            orLost(
              'A new secret may have been made that nobody has seen. Making another may end the secret in your program at once.',
            ),
          ),
        )
      }
    >
      <p>Until the old one ends, messages are signed with both: receivers with either take them.</p>
      <Overlap label="The old secret ends" value={overlap} />
    </Confirm>
  );
}

type Open =
  | { what: 'new' }
  | { what: 'edit' | 'rotate' | 'shown' | 'deliveries' | 'disable' | 'delete'; webhook: Webhook }
  | null;

function Card({ webhook, open, load }: { webhook: Webhook; open: (what: Open) => void; load: () => Promise<void> }) {
  const tested = useSignal<{ good: boolean; text: string } | null>(null);
  const test = async () => {
    tested.value = null;
    try {
      const answer = await ok(hub.POST('/api/v1/webhooks/{id}/test', at(webhook)));
      tested.value = answer.delivered
        ? { good: true, text: `The test was taken: ${answer.response_status}.` }
        : { good: false, text: `The test was not taken: ${answer.detail ?? answer.response_status}` };
    } catch (error) {
      tested.value = { good: false, text: sentence(error) };
    }
  };
  const enable = () =>
    confirmed(() => hub.PATCH('/api/v1/webhooks/{id}', { ...at(webhook), body: { enabled: true } })).then(
      () => {
        toast('It goes on where it stopped');
        return load();
      },
      (error) => (tested.value = { good: false, text: sentence(error) }),
    );
  const items: Item[] = [
    { text: 'Change…', icon: 'edit', run: () => open({ what: 'edit', webhook }) },
    { text: 'New secret…', icon: 'refresh', run: () => open({ what: 'rotate', webhook }) },
    webhook.enabled
      ? { text: 'Disable…', icon: 'ban', run: () => open({ what: 'disable', webhook }) }
      : { text: 'Enable', icon: 'check', run: () => void enable() },
    { text: 'Delete…', icon: 'bin', danger: true, run: () => open({ what: 'delete', webhook }) },
  ];
  const failing = webhook.enabled && webhook.failing_since;
  const terminal = webhook.terminal ? terminals.value.get(webhook.terminal) : undefined;
  return (
    <section class="card stack thing" aria-label={`Webhook ${named(webhook)}`}>
      <div class="top">
        <span>
          <strong>{named(webhook)}</strong>
          <span class={`badge plain ${!webhook.enabled ? 'bad' : failing ? 'warn' : 'good'}`}>
            {!webhook.enabled ? 'Disabled' : failing ? 'Failing' : 'Working'}
          </span>
        </span>
        <Menu label={`More for ${named(webhook)}`} items={items} />
      </div>
      <Facts
        of={[
          ['To', webhook.name ? webhook.url : ''],
          ['Sends', webhook.events.join(', ')],
          ['Of', webhook.terminal && (terminal ? accountName(terminal.account) : webhook.terminal)],
          [
            'Failing since',
            failing && (
              <>
                <Ago at={webhook.failing_since} />: nothing was taken since
              </>
            ),
          ],
          [
            'Disabled',
            !webhook.enabled && (
              <>
                <Ago at={webhook.disabled_at} none="" /> {webhook.disabled_reason}
              </>
            ),
          ],
          ['Not taken', webhook.waiting + webhook.dead > 0 && `${webhook.waiting} waiting, ${webhook.dead} given up`],
        ]}
      />
      <div class="row">
        <button type="button" onClick={() => open({ what: 'deliveries', webhook })}>
          What was not taken<span class="visually-hidden"> by {named(webhook)}</span>
        </button>
        <button type="button" onClick={() => void test()}>
          Send a test<span class="visually-hidden"> to {named(webhook)}</span>
        </button>
      </div>
      <div role="status">
        {tested.value && (
          <p class={`note line ${tested.value.good ? 'good' : 'bad'}`}>
            <Icon name={tested.value.good ? 'check' : 'alert'} /> <span>{tested.value.text}</span>
          </p>
        )}
      </div>
    </section>
  );
}

/** What happens, sent signed to an address. */
export function Webhooks() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/webhooks')));
  const open = useSignal<Open>(null);
  const close = () => {
    open.value = null;
    void load();
  };
  const what = open.value;
  const shown = (webhook: Webhook) => (open.value = { what: 'shown', webhook });
  const rows = value.value?.data;
  return (
    <div class="stack narrow">
      <div class="row between">
        <h2>Webhooks</h2>
        <button type="button" class="primary" data-new onClick={() => (open.value = { what: 'new' })}>
          <Icon name="plus" /> New webhook
        </button>
      </div>
      <p class="muted">What happens is sent to an address of yours, signed, and again until it is taken.</p>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!rows && !failure.value && <Loading rows={2} />}
      {rows?.length === 0 && (
        <Empty icon="webhook" title="No webhook yet">
          <p>One tells your own program of every deal and of what becomes of every order.</p>
        </Empty>
      )}
      {rows?.map((webhook) => (
        <Card key={webhook.id} webhook={webhook} open={(next) => (open.value = next)} load={load} />
      ))}
      {what?.what === 'new' && <Edit onClose={close} onMade={shown} />}
      {what?.what === 'edit' && <Edit row={what.webhook} onClose={close} onMade={shown} />}
      {what?.what === 'rotate' && <Rotate row={what.webhook} onClose={close} onMade={shown} />}
      {what?.what === 'deliveries' && <Deliveries webhook={what.webhook} onClose={close} />}
      {what?.what === 'shown' && (
        <Once
          title="The secret of the webhook"
          about="Every message is signed with it (Standard Webhooks): your program refuses whatever is not."
          label="Secret"
          secret={what.webhook.secret ?? ''}
          kept="I have stored it"
          onClose={close}
        />
      )}
      {what?.what === 'disable' && (
        <Confirm
          title={`Disable ${named(what.webhook)}?`}
          verb="Disable the webhook"
          doing="Disabling…"
          onClose={close}
          action={() => confirmed(() => hub.PATCH('/api/v1/webhooks/{id}', { ...at(what.webhook), body: { enabled: false } }))}
        >
          <p>Nothing is sent there until you enable it; then it goes on where it stopped, if that is at most 14 days ago.</p>
        </Confirm>
      )}
      {what?.what === 'delete' && (
        <Confirm
          title={`Delete ${named(what.webhook)}?`}
          verb="Delete the webhook"
          doing="Deleting…"
          danger
          onClose={close}
          action={() => confirmed(() => hub.DELETE('/api/v1/webhooks/{id}', at(what.webhook)))}
        >
          <p>Nothing more is sent there, and what waits is dropped. It cannot be undone.</p>
        </Confirm>
      )}
    </div>
  );
}
