import { useSignal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { Hook } from '../../api/types';
import { terminals } from '../../live/store';
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

/** The address, once. */
function Shown({ hook, onClose }: { hook: Hook; onClose: () => void }) {
  const [stored, setStored] = useState(false);
  return (
    <Modal
      wide
      title="The address for TradingView"
      onCancel={stored ? onClose : undefined}
      footer={
        <button type="button" class="primary" disabled={!stored} onClick={onClose}>
          Done
        </button>
      }
    >
      <p class="note warn row">
        <Icon name="warning" /> It holds a secret and is shown this once. Put it into “Webhook URL” of the alert, and nowhere
        else.
      </p>
      <Copyable label="Webhook URL" text={`${location.origin}${hook.path ?? ''}`} onCopied={() => setStored(true)} />
      <Copyable
        label="Message, for a strategy"
        text={
          '{"action": "{{strategy.order.action}}", "symbol": "{{ticker}}", "volume": {{strategy.order.contracts}}, "id": "{{strategy.order.id}} {{time}}", "timenow": "{{timenow}}"}'
        }
      />
      {hook.dry_run && <p class="note">It is a dry run: alerts are written down and nothing is sent until you change that.</p>}
      <label class="check">
        <input type="checkbox" checked={stored} onChange={(event) => setStored(event.currentTarget.checked)} />{' '}
        <span>I have stored the address</span>
      </label>
    </Modal>
  );
}

function NewHook({ onClose, onMade }: { onClose: () => void; onMade: (hook: Hook) => void }) {
  const form = useSignal({ name: '', terminal: [...terminals.value.values()][0]?.id ?? '', dry_run: true, ips: 'tradingview' });
  const set = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  return (
    <Confirm
      title="New hook for TradingView"
      verb="Make the hook"
      doing="Making…"
      onClose={onClose}
      onDone={() => undefined}
      action={async () =>
        onMade(
          await confirmed(() =>
            ok(
              hub.POST('/api/v1/hooks', {
                body: {
                  kind: 'tradingview',
                  name: form.value.name,
                  ...(form.value.terminal ? { terminal: form.value.terminal } : {}),
                  dry_run: form.value.dry_run,
                  ips: words(form.value.ips),
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
        Trades go to
        <select value={form.value.terminal} onChange={(event) => set({ terminal: event.currentTarget.value })}>
          {[...terminals.value.values()].map((row) => (
            <option key={row.id} value={row.id}>
              {row.account.login} · {row.name || row.account.server}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        Addresses it takes alerts from
        <span class="hint">“tradingview” stands for those that TradingView publishes. Empty: any, its secret alone counts.</span>
        <input value={form.value.ips} onInput={(event) => set({ ips: event.currentTarget.value })} />
      </label>
      <label class="check">
        <input type="checkbox" checked={form.value.dry_run} onChange={(event) => set({ dry_run: event.currentTarget.checked })} />{' '}
        <span>
          Dry run
          <span class="hint">Alerts are understood and written down, and nothing is traded: look at what comes first.</span>
        </span>
      </label>
    </Confirm>
  );
}

function Alerts({ hook, onClose }: { hook: Hook; onClose: () => void }) {
  const { value, failure, load } = useLoaded(() =>
    ok(hub.GET('/api/v1/hooks/{id}/received', { params: { path: { id: hook.id }, query: { limit: 50 } } })),
  );
  return (
    <Modal
      wide
      title={`What came to ${hook.name || hook.prefix}`}
      onCancel={onClose}
      footer={
        <>
          <button type="button" onClick={() => void load()}>
            <Icon name="refresh" /> Look again
          </button>
          <button type="button" class="primary" onClick={onClose}>
            Close
          </button>
        </>
      }
    >
      {failure.value && <Failed what={failure.value} />}
      {value.value?.data.length === 0 && <p class="muted">No alert has come yet.</p>}
      {value.value?.data.map((one) => (
        <div class="note stack" key={one.alert}>
          <div class="row">
            <span class={`badge plain ${one.state === 'sent' ? 'good' : one.state === 'refused' ? 'bad' : 'warn'}`}>
              {one.state.replace('_', ' ')}
            </span>
            <Ago at={one.at} />
            <span class="muted small">{one.from}</span>
          </div>
          <code class="wrap">{one.text}</code>
          {one.detail && <div class="small">{one.detail}</div>}
        </div>
      ))}
    </Modal>
  );
}

type Open = { what: 'new' } | { what: 'shown'; hook: Hook } | { what: 'alerts' | 'delete' | 'rotate' | 'dry'; hook: Hook } | null;

/** Alerts of TradingView that become trades. */
export function Hooks() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/hooks')));
  const open = useSignal<Open>(null);
  const close = () => {
    open.value = null;
    void load();
  };
  const what = open.value;
  const rows = value.value?.data;
  return (
    <div class="stack narrow">
      <div class="row between">
        <h2>TradingView</h2>
        <button type="button" class="primary" data-new onClick={() => (open.value = { what: 'new' })}>
          <Icon name="plus" /> New hook
        </button>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!rows && !failure.value && <Loading rows={2} />}
      {rows?.length === 0 && (
        <Empty icon="bell" title="No hook yet">
          <p>A hook is an address that TradingView sends alerts to; each becomes a trade, once.</p>
        </Empty>
      )}
      {rows?.map((hook) => (
        <div class="card switch-line" key={hook.id}>
          <span>
            <strong>{hook.name || hook.prefix}</strong> {hook.dry_run && <span class="badge plain warn">Dry run</span>}
            <span class="hint">
              {hook.ips.length ? `from ${hook.ips.join(', ')}` : 'from anywhere'} · made <Ago at={hook.created_at} />
            </span>
          </span>
          <span class="row">
            <button type="button" onClick={() => (open.value = { what: 'alerts', hook })}>
              What came
            </button>
            <Menu
              label={`More for ${hook.name || hook.prefix}`}
              items={[
                {
                  text: hook.dry_run ? 'Trade for real…' : 'Dry run only…',
                  icon: 'play',
                  run: () => (open.value = { what: 'dry', hook }),
                },
                { text: 'New address…', icon: 'refresh', run: () => (open.value = { what: 'rotate', hook }) },
                { text: 'Delete…', icon: 'bin', danger: true, run: () => (open.value = { what: 'delete', hook }) },
              ]}
            />
          </span>
        </div>
      ))}
      {what?.what === 'new' && <NewHook onClose={close} onMade={(hook) => (open.value = { what: 'shown', hook })} />}
      {what?.what === 'shown' && <Shown hook={what.hook} onClose={close} />}
      {what?.what === 'alerts' && <Alerts hook={what.hook} onClose={close} />}
      {what?.what === 'dry' && (
        <Confirm
          title={what.hook.dry_run ? 'Trade for real?' : 'Dry run only?'}
          verb={what.hook.dry_run ? 'Trade for real' : 'Dry run'}
          doing="Changing…"
          danger={what.hook.dry_run}
          onClose={close}
          action={async () =>
            void (await confirmed(() =>
              hub.PATCH('/api/v1/hooks/{id}', {
                params: { path: { id: what.hook.id } },
                body: { dry_run: !what.hook.dry_run },
              }),
            ))
          }
        >
          <p>
            {what.hook.dry_run ? 'From now on every alert becomes a trade.' : 'Alerts are written down, and nothing is traded.'}
          </p>
        </Confirm>
      )}
      {what?.what === 'rotate' && (
        <Confirm
          title="New address?"
          verb="Make a new address"
          doing="Making…"
          onClose={close}
          onDone={() => undefined}
          action={async () => {
            const hook = await confirmed(() =>
              ok(
                hub.POST('/api/v1/hooks/{id}/rotate', {
                  params: { path: { id: what.hook.id } },
                  body: { overlap_s: 86_400 },
                }),
              ),
            );
            open.value = { what: 'shown', hook };
          }}
        >
          <p>The old address is good for another day, so that you can change your alerts.</p>
        </Confirm>
      )}
      {what?.what === 'delete' && (
        <Confirm
          title={`Delete ${what.hook.name || 'the hook'}?`}
          verb="Delete the hook"
          doing="Deleting…"
          danger
          onClose={close}
          action={async () =>
            void (await confirmed(() => hub.DELETE('/api/v1/hooks/{id}', { params: { path: { id: what.hook.id } } })))
          }
        >
          <p>Its alerts are refused from now on; what it has traded stays.</p>
        </Confirm>
      )}
    </div>
  );
}
