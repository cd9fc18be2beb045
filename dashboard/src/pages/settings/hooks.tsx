import { useSignal } from '@preact/signals';
import { hub, ok } from '../../api/client';
import type { Hook } from '../../api/types';
import { terminals } from '../../live/store';
import { useLoaded } from '../../lib/load';
import { short } from '../../lib/network';
import { confirmed } from '../../lib/session';
import { accountName } from '../../lib/tokens';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Empty, Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { orLost } from '../../ui/lost';
import { Menu } from '../../ui/menu';
import { Overlap } from '../../ui/overlap';
import { Facts } from '../../ui/facts';
import { Wrong } from '../../ui/wrong';
import { Alerts } from './hook-alerts';
import { body, creation, draftOf, HookForm, problems } from './hook-form';
import { Shown, Texts } from './hook-texts';

const named = (hook: Hook) => hook.name || `${hook.prefix}…`;
const at = (hook: Hook) => ({ params: { path: { id: hook.id } } });

function Edit({ row, onClose, onMade }: { row?: Hook; onClose: () => void; onMade: (hook: Hook) => void }) {
  const draft = useSignal(draftOf(row));
  const wrong = problems(draft.value);
  return (
    <Confirm
      wide
      title={row ? `Change ${named(row)}` : 'New hook for TradingView'}
      verb={row ? 'Change the hook' : 'Make the hook'}
      doing={row ? 'Changing…' : 'Making…'}
      ready={wrong.length === 0}
      onClose={onClose}
      onDone={row ? onClose : () => undefined}
      action={async () => {
        if (row) await confirmed(() => hub.PATCH('/api/v1/hooks/{id}', { ...at(row), body: body(draft.value, row) }));
        else onMade(await confirmed(() => ok(hub.POST('/api/v1/hooks', { body: creation(draft.value) }))));
      }}
    >
      <HookForm draft={draft} fresh={!row} />
      {wrong.map((one) => (
        <Wrong key={one}>{one}</Wrong>
      ))}
    </Confirm>
  );
}

/** Between trading for real and only writing down. */
function DryRun({ hook, onClose }: { hook: Hook; onClose: () => void }) {
  const real = hook.dry_run;
  return (
    <Confirm
      title={real ? `Let ${named(hook)} trade for real?` : `Only a dry run for ${named(hook)}?`}
      verb={real ? 'Trade for real' : 'Dry run only'}
      doing="Changing…"
      danger={real}
      onClose={onClose}
      action={() => confirmed(() => hub.PATCH('/api/v1/hooks/{id}', { ...at(hook), body: { dry_run: !real } }))}
    >
      <p>
        {real
          ? 'From now on every alert that is understood becomes a trade, with real money if the account has it.'
          : 'Alerts are understood and written down, and nothing is traded. Positions that are open stay open.'}
      </p>
    </Confirm>
  );
}

function Rotate({ hook, onClose, onMade }: { hook: Hook; onClose: () => void; onMade: (hook: Hook) => void }) {
  const overlap = useSignal(86_400);
  return (
    <Confirm
      title={`New address for ${named(hook)}?`}
      verb="Make a new address"
      doing="Making…"
      danger={overlap.value === 0}
      onClose={onClose}
      onDone={() => undefined}
      action={async () =>
        onMade(
          await confirmed(() =>
            ok(hub.POST('/api/v1/hooks/{id}/rotate', { ...at(hook), body: { overlap_s: overlap.value } })),
          ).catch(
            orLost(
              'If the hook now shows an old address, a new one was made that nobody has seen. Making another ends the address in your alerts at once.',
            ),
          ),
        )
      }
    >
      <p>Change your alerts before the old address ends: an alert that goes there afterwards is refused.</p>
      <Overlap label="The old address ends" value={overlap} />
    </Confirm>
  );
}

type Open = { what: 'new' } | { what: 'shown' | 'edit' | 'alerts' | 'texts' | 'delete' | 'rotate' | 'dry'; hook: Hook } | null;

function Card({ hook, open }: { hook: Hook; open: (what: Open) => void }) {
  const terminal = terminals.value.get(hook.terminal);
  return (
    <section class="card stack thing" aria-label={`Hook ${named(hook)}`}>
      <div class="top">
        <span>
          <strong>{named(hook)}</strong>
          <span class={`badge plain ${hook.dry_run ? '' : 'warn'}`}>{hook.dry_run ? 'Dry run' : 'Trades for real'}</span>
        </span>
        <Menu
          label={`More for ${named(hook)}`}
          items={[
            { text: 'Change…', icon: 'edit', run: () => open({ what: 'edit', hook }) },
            { text: hook.dry_run ? 'Trade for real…' : 'Dry run only…', icon: 'play', run: () => open({ what: 'dry', hook }) },
            { text: 'New address…', icon: 'refresh', run: () => open({ what: 'rotate', hook }) },
            { text: 'Delete…', icon: 'bin', danger: true, run: () => open({ what: 'delete', hook }) },
          ]}
        />
      </div>
      <Facts
        of={[
          [
            'Trades go to',
            terminal ? accountName(terminal.account) : hook.terminal === '-' ? 'the only terminal there is' : hook.terminal,
          ],
          [
            'Symbols',
            Object.entries(hook.symbol_map)
              .map(([from, to]) => `${from} is ${to}`)
              .join(', '),
          ],
          ['Lots', hook.defaults.volume && `${hook.defaults.volume} where the alert names none`],
          ['Takes from', hook.ips.length ? hook.ips.map(short).join(', ') : 'any address'],
          ['Shape', hook.template && 'that of its template'],
          [
            'Old address',
            hook.previous_until && Date.parse(hook.previous_until) > Date.now() && (
              <>
                ends <Ago at={hook.previous_until} />
              </>
            ),
          ],
        ]}
      />
      <div class="row">
        <button type="button" onClick={() => open({ what: 'alerts', hook })}>
          What came<span class="visually-hidden"> to {named(hook)}</span>
        </button>
        <button type="button" onClick={() => open({ what: 'texts', hook })}>
          Messages<span class="visually-hidden"> for {named(hook)}</span>
        </button>
      </div>
    </section>
  );
}

/** Alerts of TradingView that become trades. */
export function Hooks() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/hooks')));
  const open = useSignal<Open>(null);
  const close = () => {
    open.value = null;
    void load();
  };
  const shown = (hook: Hook) => (open.value = { what: 'shown', hook });
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
      <p class="muted">A hook is an address that TradingView sends alerts to; each becomes a trade, once.</p>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!rows && !failure.value && <Loading rows={2} />}
      {rows?.length === 0 && (
        <Empty icon="bell" title="No hook yet">
          <p>Begin with a dry run: you see what each alert would trade.</p>
        </Empty>
      )}
      {rows?.map((hook) => (
        <Card key={hook.id} hook={hook} open={(next) => (open.value = next)} />
      ))}
      {what?.what === 'new' && <Edit onClose={close} onMade={shown} />}
      {what?.what === 'edit' && <Edit row={what.hook} onClose={close} onMade={shown} />}
      {what?.what === 'shown' && <Shown hook={what.hook} onClose={close} />}
      {what?.what === 'texts' && <Texts hook={what.hook} onClose={close} />}
      {what?.what === 'alerts' && <Alerts hook={what.hook} onClose={close} />}
      {what?.what === 'dry' && <DryRun hook={what.hook} onClose={close} />}
      {what?.what === 'rotate' && <Rotate hook={what.hook} onClose={close} onMade={shown} />}
      {what?.what === 'delete' && (
        <Confirm
          title={`Delete ${named(what.hook)}?`}
          verb="Delete the hook"
          doing="Deleting…"
          danger
          onClose={close}
          action={() => confirmed(() => hub.DELETE('/api/v1/hooks/{id}', at(what.hook)))}
        >
          <p>Its alerts are refused from now on, and the list of what came is gone for good. What it has traded stays.</p>
        </Confirm>
      )}
    </div>
  );
}
