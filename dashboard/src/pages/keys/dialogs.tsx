import { useSignal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { hub, ok, sentence, Unreachable } from '../../api/client';
import type { ApiKey, Plans } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { confirmed } from '../../lib/session';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { useHeld } from '../../ui/held';
import { Lost, orLost } from '../../ui/lost';
import { Modal } from '../../ui/modal';
import { Once } from '../../ui/once';
import { Overlap } from '../../ui/overlap';
import { Copyable } from '../../ui/secret';
import { toast } from '../../ui/toast';
import { Wrong } from '../../ui/wrong';
import { body, draftOf, fresh, problems, type Draft } from './draft';
import { KeyForm } from './form';
import { Summary } from './summary';

const named = (row: ApiKey) => row.name || `${row.prefix}…`;
const readKeys = async () => (await ok(hub.GET('/api/v1/keys'))).data;
const readPlans = () => ok(hub.GET('/api/v1/plans'));

/** The key, once, with a line that tries it. */
function ShownOnce({ minted, onClose }: { minted: ApiKey; onClose: () => void }) {
  return (
    <Once
      title={`Key for ${minted.name || 'the new bot'}`}
      about="Copy it now, and keep it where the bot reads it: not in its code."
      label="API key"
      secret={minted.key ?? ''}
      kept="I have stored the key"
      onClose={onClose}
    >
      <Copyable
        label="A line to try it: it answers what the key may"
        text={`curl -s ${location.origin}/api/v1/session -H 'Authorization: Bearer ${minted.key}'`}
      />
    </Once>
  );
}

function Problems({ what }: { what: string[] }) {
  return (
    <div role="alert">
      {what.map((one) => (
        <Wrong key={one}>{one}</Wrong>
      ))}
    </div>
  );
}

/** What was chosen, in words; it has the focus, so that it is read before anything is pressed. */
function Check({ draft, plans }: { draft: Draft; plans: Plans | undefined }) {
  const shown = useRef<HTMLDivElement>(null);
  useEffect(() => {
    shown.current?.focus({ preventScroll: true });
    shown.current?.closest('dialog')?.scrollTo(0, 0);
  }, []);
  return (
    <div class="stack" ref={shown} tabIndex={-1} role="group" aria-label={`What ${draft.name || 'the new key'} will be`}>
      <Summary draft={draft} plans={plans} />
    </div>
  );
}

/** Least first: the form begins with reading, and says in words what the key will be before it is made. */
export function NewKey({ onClose }: { onClose: () => void }) {
  const draft = useSignal<Draft>(fresh());
  const { value: plans } = useLoaded<Plans>(readPlans);
  const [checking, setChecking] = useState(false);
  const [minted, setMinted] = useState<ApiKey>();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const [lost, setLost] = useState<{ name: string; before: Set<string> }>();
  const form = useRef<HTMLFormElement>(null);
  useHeld(busy && !minted);
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  const wrong = problems(draft.value);
  const make = async () => {
    setBusy(true);
    setFailure('');
    setLost(undefined);
    const asked = body(draft.value, true);
    let before: Set<string> | undefined;
    try {
      before = new Set((await readKeys()).map((one) => one.id));
      setMinted(await confirmed(() => ok(hub.POST('/api/v1/keys', { body: asked }))));
    } catch (error) {
      if (before && error instanceof Unreachable) setLost({ name: asked.name ?? '', before });
      else setFailure(sentence(error));
      setBusy(false);
    }
  };
  const back = () => {
    setChecking(false);
    setFailure('');
    requestAnimationFrame(() => form.current?.querySelector('input')?.focus());
  };
  return (
    <Modal
      wide
      title={checking ? 'Make this key?' : 'New API key'}
      onCancel={busy ? undefined : checking ? back : onClose}
      footer={
        checking ? (
          <>
            <button type="button" key="back" disabled={busy} onClick={back}>
              Back
            </button>
            <button type="button" key="make" class="primary" disabled={busy} onClick={() => void make()}>
              {busy ? 'Making it…' : 'Make the key'}
            </button>
          </>
        ) : (
          <>
            <button type="button" key="cancel" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" key="go" form="new-key" class="primary" disabled={wrong.length > 0}>
              Continue
            </button>
          </>
        )
      }
    >
      {checking ? (
        <Check draft={draft.value} plans={plans.value} />
      ) : (
        <form
          id="new-key"
          ref={form}
          onSubmit={(event) => {
            event.preventDefault();
            if (wrong.length === 0) setChecking(true);
          }}
        >
          <KeyForm draft={draft} plans={plans.value} />
        </form>
      )}
      <Problems what={[...wrong, failure].filter(Boolean)} />
      <div role="alert">
        {lost && (
          <Lost
            what="key"
            find={async () =>
              (await readKeys()).filter(
                (one) => !lost.before.has(one.id) && one.state === 'active' && one.name === lost.name && !one.last_used_at,
              )
            }
            revoke={(id) => hub.DELETE('/api/v1/keys/{id}', { params: { path: { id } } })}
          />
        )}
      </div>
    </Modal>
  );
}

/** The rights of a key that is in use; its secret stays. */
export function EditKey({ row, onClose }: { row: ApiKey; onClose: () => void }) {
  const draft = useSignal<Draft>(draftOf(row));
  const { value: plans } = useLoaded<Plans>(readPlans);
  const wrong = problems(draft.value);
  return (
    <Confirm
      wide
      title={`Change ${named(row)}`}
      verb="Change the key"
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
      <p class="muted">The bot keeps its key; what you change holds from its next request on.</p>
      <KeyForm draft={draft} plans={plans.value} ends={row.expires_at} />
      <Problems what={wrong} />
    </Confirm>
  );
}

/** A new secret with the same rights. */
export function RollKey({ row, onClose }: { row: ApiKey; onClose: () => void }) {
  const overlap = useSignal(86_400);
  const [minted, setMinted] = useState<ApiKey>();
  const [lost, setLost] = useState(false);
  if (minted) return <ShownOnce minted={minted} onClose={onClose} />;
  return (
    <Confirm
      title={`Roll ${named(row)}`}
      verb="Make the new key"
      doing="Making it…"
      danger={overlap.value === 0}
      ready={!lost}
      onClose={onClose}
      onDone={() => undefined}
      action={async () => {
        try {
          setMinted(
            await confirmed(() =>
              ok(hub.POST('/api/v1/keys/{id}/rotate', { params: { path: { id: row.id } }, body: { overlap_s: overlap.value } })),
            ),
          );
        } catch (error) {
          setLost(error instanceof Unreachable);
          orLost('If the list now shows a new key of this name, nobody has seen it: roll that one, with its end “now”.')(error);
        }
      }}
    >
      <p>You get a new key with the same rights, plan and count of requests. Put it into the bot before the old one ends.</p>
      <Overlap label="The old one ends" value={overlap} />
      {overlap.value === 0 && <p class="muted">A bot that still has it is refused from its next request on.</p>}
    </Confirm>
  );
}

export function RevokeKey({ row, onClose }: { row: ApiKey; onClose: () => void }) {
  return (
    <Confirm
      title={`Revoke ${named(row)}?`}
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
        The next request under it is refused, and its streams are cut; a hook that acts under it trades no more. It cannot be
        undone. Positions that the bot has opened stay open.
      </p>
      <p class="muted">
        Last used: <Ago at={row.last_used_at} />
        {row.last_used_from && ` from ${row.last_used_from}`}.
      </p>
    </Confirm>
  );
}
