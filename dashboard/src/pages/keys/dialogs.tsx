import { useSignal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { hub, ok, sentence } from '../../api/client';
import type { ApiKey } from '../../api/types';
import { PRESETS } from '../../lib/permissions';
import { confirmed } from '../../lib/session';
import { Confirm } from '../../ui/confirm';
import { Icon } from '../../ui/icon';
import { Modal } from '../../ui/modal';
import { Copyable } from '../../ui/secret';
import { toast } from '../../ui/toast';
import { body, KeyForm, problems, type Draft } from './form';

/** The key, once, with a line that tries it. */
function ShownOnce({ minted, onClose }: { minted: ApiKey; onClose: () => void }) {
  const [stored, setStored] = useState(false);
  const path = minted.permissions.some((one) => one === 'admin' || one === 'read:account')
    ? '/api/v1/terminals'
    : '/api/external/symbols';
  return (
    <Modal
      wide
      title={`Key for ${minted.name || 'the new bot'}`}
      onCancel={stored ? onClose : undefined}
      footer={
        <button type="button" class="primary" disabled={!stored} onClick={onClose}>
          Done
        </button>
      }
    >
      <p class="note warn row">
        <Icon name="warning" /> This is the only time that it is shown. Copy it now.
      </p>
      <Copyable label="API key" text={minted.key ?? ''} onCopied={() => setStored(true)} />
      <Copyable label="A line to try it" text={`curl -s ${location.origin}${path} -H 'Authorization: Bearer ${minted.key}'`} />
      <label class="check">
        <input type="checkbox" checked={stored} onChange={(event) => setStored(event.currentTarget.checked)} />{' '}
        <span>I have stored the key</span>
      </label>
    </Modal>
  );
}

/** Least first: the form begins with reading, and says in words what the key will be. */
export function NewKey({ onClose }: { onClose: () => void }) {
  const draft = useSignal<Draft>({
    name: '',
    permissions: PRESETS[0]!.permissions,
    symbols: '',
    accounts: '',
    ips: '',
    plan: 'unlimited',
    days: '90',
    test: false,
  });
  const [minted, setMinted] = useState<ApiKey>();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  const wrong = problems(draft.value);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    try {
      setMinted(await confirmed(() => ok(hub.POST('/api/v1/keys', { body: body(draft.value, true) }))));
    } catch (error) {
      setFailure(sentence(error));
      setBusy(false);
    }
  };
  return (
    <Modal
      wide
      title="New API key"
      onCancel={busy ? undefined : onClose}
      footer={
        <>
          <button type="button" disabled={busy} onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form="new-key" class="primary" disabled={busy || wrong.length > 0}>
            {busy ? 'Making it…' : 'Make the key'}
          </button>
        </>
      }
    >
      <form id="new-key" onSubmit={submit}>
        <KeyForm draft={draft} whole />
      </form>
      <div role="alert">
        {[...wrong, failure].filter(Boolean).map((one) => (
          <p class="error" key={one}>
            <Icon name="alert" /> <span>{one}</span>
          </p>
        ))}
      </div>
    </Modal>
  );
}

/** The rights of a key that is in use; its secret stays. */
export function EditKey({ row, onClose }: { row: ApiKey; onClose: () => void }) {
  const text = (list: (string | number)[] | null) => (list ?? []).join(', ');
  const draft = useSignal<Draft>({
    name: row.name,
    permissions: row.permissions,
    symbols: text(row.symbols),
    accounts: text(row.accounts),
    ips: text(row.ips),
    plan: row.plan,
    days: '',
    test: row.test,
  });
  const wrong = problems(draft.value);
  return (
    <Confirm
      title={`Change ${row.name || row.prefix}`}
      verb="Change"
      doing="Changing…"
      ready={wrong.length === 0}
      onClose={onClose}
      action={async () => {
        await confirmed(() =>
          hub.PATCH('/api/v1/keys/{id}', { params: { path: { id: row.id } }, body: body(draft.value, false) }),
        );
        toast('It holds from the next request on');
      }}
    >
      <KeyForm draft={draft} whole={false} />
      {wrong.map((one) => (
        <p class="error" key={one}>
          <Icon name="alert" /> <span>{one}</span>
        </p>
      ))}
    </Confirm>
  );
}

/** A new secret with the same rights. */
export function RollKey({ row, onClose }: { row: ApiKey; onClose: () => void }) {
  const [overlap, setOverlap] = useState(86_400);
  const [minted, setMinted] = useState<ApiKey>();
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  return (
    <Confirm
      title={`Roll ${row.name || row.prefix}`}
      verb="Make the new key"
      doing="Making it…"
      onClose={onClose}
      onDone={() => undefined}
      action={async () =>
        setMinted(
          await confirmed(() =>
            ok(hub.POST('/api/v1/keys/{id}/rotate', { params: { path: { id: row.id } }, body: { overlap_s: overlap } })),
          ),
        )
      }
    >
      <p>You get a new key with the same rights. The old one still works for a while, so that no bot has to stop.</p>
      <label class="field">
        The old one ends
        <select value={overlap} onChange={(event) => setOverlap(Number(event.currentTarget.value))}>
          <option value={0}>now</option>
          <option value={3600}>in 1 hour</option>
          <option value={86_400}>in 24 hours</option>
          <option value={604_800}>in 7 days</option>
        </select>
      </label>
    </Confirm>
  );
}

export function RevokeKey({ row, onClose }: { row: ApiKey; onClose: () => void }) {
  return (
    <Confirm
      title={`Revoke ${row.name || row.prefix}?`}
      verb="Revoke key"
      doing="Revoking…"
      danger
      onClose={onClose}
      action={async () => {
        await hub.DELETE('/api/v1/keys/{id}', { params: { path: { id: row.id } } });
        toast('The key is revoked');
      }}
    >
      <p>
        The next request under it is refused, and its streams are cut. It cannot be undone. Positions that the bot has opened stay
        open.
      </p>
    </Confirm>
  );
}
