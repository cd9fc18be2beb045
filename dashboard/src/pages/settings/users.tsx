import { useSignal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { hub, ok } from '../../api/client';
import type { Role, User } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { confirmed, operates, session } from '../../lib/session';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Menu, type Item } from '../../ui/menu';
import { Modal } from '../../ui/modal';
import { Copyable } from '../../ui/secret';

const ROLES: [Role, string][] = [
  ['viewer', 'Sees what is yours, and cannot act'],
  ['member', 'Has terminals, keys and trades of their own, which you do not see'],
  ['owner', 'As a member, and makes viewers of their own'],
];

/** The one-time code with which a user sets a password; shown once. */
function Code({ user, onClose }: { user: User; onClose: () => void }) {
  const [stored, setStored] = useState(false);
  return (
    <Modal
      title={`Set-up code for ${user.name || user.login}`}
      onCancel={stored ? onClose : undefined}
      footer={
        <button type="button" class="primary" disabled={!stored} onClick={onClose}>
          Done
        </button>
      }
    >
      <p class="note warn">
        It is shown this once, works once, and for a day. Give it to {user.login} by a way that you trust; at the sign-in they
        choose “I have a set-up code”.
      </p>
      <Copyable label="Set-up code" text={user.setup_code ?? ''} onCopied={() => setStored(true)} />
      <label class="check">
        <input type="checkbox" checked={stored} onChange={(event) => setStored(event.currentTarget.checked)} />{' '}
        <span>I have passed it on</span>
      </label>
    </Modal>
  );
}

function NewUser({ onClose, onMade }: { onClose: () => void; onMade: (user: User) => void }) {
  const form = useSignal<{ login: string; name: string; role: Role }>({ login: '', name: '', role: 'viewer' });
  const set = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  return (
    <Confirm
      title="New user"
      verb="Make the user"
      doing="Making…"
      ready={form.value.login.trim() !== ''}
      onClose={onClose}
      onDone={() => undefined}
      action={async () => onMade(await confirmed(() => ok(hub.POST('/api/v1/users', { body: form.value }))))}
    >
      <label class="field">
        Login
        <input
          autocomplete="off"
          spellcheck={false}
          value={form.value.login}
          onInput={(event) => set({ login: event.currentTarget.value.trim() })}
        />
      </label>
      <label class="field">
        Name
        <input autocomplete="off" value={form.value.name} onInput={(event) => set({ name: event.currentTarget.value })} />
      </label>
      <fieldset>
        <legend>Role</legend>
        {ROLES.filter(([role]) => role === 'viewer' || operates.value).map(([role, about]) => (
          <label class="check" key={role}>
            <input type="radio" name="role" checked={form.value.role === role} onChange={() => set({ role })} />{' '}
            <span>
              <strong>{role[0]!.toUpperCase() + role.slice(1)}</strong>
              <span class="hint">{about}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </Confirm>
  );
}

type Open =
  | { what: 'new' }
  | { what: 'disable' | 'enable' | 'delete' | 'reset'; user: User }
  | { what: 'code'; user: User }
  | null;

/** Who may sign in. */
export function Users() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/users')));
  const open = useSignal<Open>(null);
  const close = () => {
    open.value = null;
    void load();
  };
  const what = open.value;
  const items = (user: User): Item[] =>
    user.id === session.value?.user?.id
      ? []
      : [
          { text: 'New set-up code…', icon: 'refresh', run: () => (open.value = { what: 'reset', user }) },
          user.state === 'disabled'
            ? { text: 'Enable…', icon: 'check', run: () => (open.value = { what: 'enable', user }) }
            : { text: 'Disable…', icon: 'ban', run: () => (open.value = { what: 'disable', user }) },
          { text: 'Delete…', icon: 'bin', danger: true, run: () => (open.value = { what: 'delete', user }) },
        ];
  return (
    <div class="stack">
      <div class="row between">
        <h2>Users</h2>
        <button type="button" class="primary" data-new onClick={() => (open.value = { what: 'new' })}>
          <Icon name="plus" /> New user
        </button>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!value.value && !failure.value && <Loading rows={2} />}
      {value.value && (
        <table class="table cards-on-phone" role="table" aria-label="Users">
          <thead role="rowgroup">
            <tr role="row">
              {['Name', 'Role', 'State', 'Since'].map((name) => (
                <th key={name} role="columnheader" scope="col">
                  {name}
                </th>
              ))}
              <th role="columnheader" scope="col">
                <span class="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {value.value.data.map((user) => (
              <tr role="row" key={user.id}>
                <td role="cell" class="wide">
                  <strong>{user.name || user.login}</strong> <span class="muted small">{user.login}</span>
                </td>
                <td role="cell">
                  {user.role}
                  {user.operator && <span class="muted small">, runs the hub</span>}
                </td>
                <td role="cell">
                  <span class={`badge plain ${user.state === 'active' ? 'good' : user.state === 'disabled' ? 'bad' : 'warn'}`}>
                    {user.state}
                  </span>
                </td>
                <td role="cell">
                  <Ago at={user.created_at} />
                </td>
                <td role="cell" class="actions">
                  {items(user).length > 0 && <Menu label={`More for ${user.login}`} items={items(user)} />}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {what?.what === 'new' && <NewUser onClose={close} onMade={(user) => (open.value = { what: 'code', user })} />}
      {what?.what === 'code' && <Code user={what.user} onClose={close} />}
      {what?.what === 'reset' && (
        <Confirm
          title={`New code for ${what.user.login}?`}
          verb="Make a code"
          doing="Making…"
          danger
          onClose={close}
          onDone={() => undefined}
          action={async () => {
            const user = await confirmed(() =>
              ok(hub.POST('/api/v1/users/{id}/reset', { params: { path: { id: what.user.id } } })),
            );
            open.value = { what: 'code', user };
          }}
        >
          <p>The password stops working and every login ends. With the code they set a new one.</p>
        </Confirm>
      )}
      {what?.what === 'disable' && (
        <Confirm
          title={`Disable ${what.user.login}?`}
          verb="Disable"
          doing="Disabling…"
          danger
          onClose={close}
          action={async () =>
            void (await confirmed(() =>
              hub.PATCH('/api/v1/users/{id}', { params: { path: { id: what.user.id } }, body: { disabled: true } }),
            ))
          }
        >
          <p>
            Their logins end at once, their keys are refused and their terminals are cut. Everything is kept, and can be enabled
            again.
          </p>
        </Confirm>
      )}
      {what?.what === 'enable' && (
        <Confirm
          title={`Enable ${what.user.login}?`}
          verb="Enable"
          doing="Enabling…"
          onClose={close}
          action={async () =>
            void (await confirmed(() =>
              hub.PATCH('/api/v1/users/{id}', { params: { path: { id: what.user.id } }, body: { disabled: false } }),
            ))
          }
        >
          <p>Their password, keys and terminals work again.</p>
        </Confirm>
      )}
      {what?.what === 'delete' && (
        <Confirm
          title={`Delete ${what.user.login}?`}
          verb="Delete user"
          doing="Deleting…"
          danger
          onClose={close}
          action={async () =>
            void (await confirmed(() => hub.DELETE('/api/v1/users/{id}', { params: { path: { id: what.user.id } } })))
          }
        >
          <p>As disabled, and for good. What the audit says of them stays.</p>
        </Confirm>
      )}
    </div>
  );
}
