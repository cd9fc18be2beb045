import { useSignal } from '@preact/signals';
import { hub, ok } from '../../api/client';
import type { Role, User } from '../../api/types';
import { capital } from '../../lib/plans';
import { confirmed, operates, session } from '../../lib/session';
import { Confirm } from '../../ui/confirm';
import { Choose, Field, OneOf } from '../../ui/field';
import { Once } from '../../ui/once';
import { toast } from '../../ui/toast';

export type Asked = { what: 'new' } | { what: 'edit' | 'disable' | 'enable' | 'delete' | 'reset' | 'code'; user: User };

const ROLES: [Role, string][] = [
  ['viewer', 'Sees terminals, trades and commands, and changes nothing. Sees neither keys nor tokens.'],
  ['member', 'Has terminals, keys and trades of their own, which you do not see.'],
  ['owner', 'As a member, and makes viewers of what is theirs.'],
];
const named = (user: User) => user.name || user.login;

/** The one-time code with which a user sets a password; shown once. */
export function Code({ user, onClose }: { user: User; onClose: () => void }) {
  return (
    <Once
      title={`Set-up code for ${named(user)}`}
      about={
        <>
          It works once, and for a day. Give it to {user.login} by a way that you trust; at the sign-in they choose “I have a
          set-up code”, and set a password that you do not know.
        </>
      }
      label="Set-up code"
      secret={user.setup_code ?? ''}
      kept="I have passed it on"
      onClose={onClose}
    />
  );
}

function RoleChoice({ role, roles, set }: { role: Role; roles: [Role, string][]; set: (role: Role) => void }) {
  const options = roles.map(([one, about]): [Role, string, string] => [one, capital(one), about]);
  return <OneOf legend="Role" name="role" value={role} options={options} onPick={set} />;
}

export function NewUser(props: { users: User[]; onClose: () => void; onMade: (user: User) => void }) {
  const me = session.value?.user?.id ?? '';
  const form = useSignal<{ login: string; name: string; role: Role; of: string }>({
    login: '',
    name: '',
    role: 'viewer',
    of: me,
  });
  const set = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  const { login, name, role, of } = form.value;
  const founders = props.users.filter((user) => user.role !== 'viewer');
  return (
    <Confirm
      title="New user"
      verb="Make the user"
      doing="Making…"
      ready={login !== ''}
      onClose={props.onClose}
      onDone={() => undefined}
      action={async () =>
        props.onMade(
          await confirmed(() =>
            ok(hub.POST('/api/v1/users', { body: { login, name, role, ...(role === 'viewer' && of !== me ? { of } : {}) } })),
          ),
        )
      }
    >
      <Field
        label={
          <>
            Login
            <span class="hint">An e-mail address or a short name; it cannot be changed.</span>
          </>
        }
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={64}
        value={login}
        onText={(text) => set({ login: text.trim() })}
      />
      <Field label="Name" autocomplete="off" maxLength={100} value={name} onText={(name) => set({ name })} />
      <RoleChoice
        role={role}
        roles={ROLES.filter(([one]) => one === 'viewer' || operates.value)}
        set={(next) => set({ role: next })}
      />
      {role === 'viewer' && operates.value && founders.length > 1 && (
        <Choose
          label="Looks at what is of"
          value={of}
          options={founders.map((user) => [user.id, user.id === me ? 'you' : named(user)])}
          onPick={(of) => set({ of })}
        />
      )}
      <p class="muted">You get a code for them, once; with it they set a password.</p>
    </Confirm>
  );
}

export function EditUser({ user, onClose }: { user: User; onClose: () => void }) {
  const form = useSignal<{ name: string; role: Role }>({ name: user.name, role: user.role });
  const { name, role } = form.value;
  return (
    <Confirm
      title={`Change ${user.login}`}
      verb="Change the user"
      doing="Changing…"
      ready={name !== user.name || role !== user.role}
      onClose={onClose}
      action={async () => {
        const body = { ...(name !== user.name ? { name } : {}), ...(role !== user.role ? { role } : {}) };
        await confirmed(() => hub.PATCH('/api/v1/users/{id}', { params: { path: { id: user.id } }, body }));
        toast('The user is changed');
      }}
    >
      <Field label="Name" autocomplete="off" maxLength={100} value={name} onText={(name) => (form.value = { name, role })} />
      {user.role === 'viewer' || user.operator ? (
        <p class="muted">{user.operator ? 'Whoever runs the hub stays an owner.' : 'A viewer stays a viewer.'}</p>
      ) : (
        <RoleChoice
          role={role}
          roles={ROLES.filter(([one]) => one !== 'viewer')}
          set={(next) => (form.value = { name, role: next })}
        />
      )}
    </Confirm>
  );
}

export function ResetUser(props: { user: User; onClose: () => void; onMade: (user: User) => void }) {
  const { user } = props;
  const invited = user.state === 'invited';
  return (
    <Confirm
      title={invited ? `New code for ${user.login}?` : `Reset the password of ${user.login}?`}
      verb={invited ? 'Make a code' : 'Reset the password'}
      doing="Making…"
      danger={!invited}
      onClose={props.onClose}
      onDone={() => undefined}
      action={async () =>
        props.onMade(await confirmed(() => ok(hub.POST('/api/v1/users/{id}/reset', { params: { path: { id: user.id } } }))))
      }
    >
      <p>
        {invited
          ? 'The code that they have stops working; you get another.'
          : 'Their password stops working and every login of theirs ends. You get a code, with which they set a new one. Their keys and terminals go on.'}
      </p>
    </Confirm>
  );
}

export function Stop({ user, disable, onClose }: { user: User; disable: boolean; onClose: () => void }) {
  const viewer = user.role === 'viewer';
  return (
    <Confirm
      title={`${disable ? 'Disable' : 'Enable'} ${user.login}?`}
      verb={disable ? 'Disable user' : 'Enable user'}
      doing={disable ? 'Disabling…' : 'Enabling…'}
      danger={disable}
      onClose={onClose}
      action={() =>
        confirmed(() => hub.PATCH('/api/v1/users/{id}', { params: { path: { id: user.id } }, body: { disabled: disable } }))
      }
    >
      {disable ? (
        <p>
          {viewer
            ? 'Their logins end at once, and they cannot sign in. Nothing else is touched.'
            : 'Their logins end at once, their keys are refused, and their terminals are cut. Positions and orders stay at the broker as they are, with their stops, and no bot of theirs can close them. Everything is kept; you can enable them again.'}
        </p>
      ) : (
        <p>
          {viewer
            ? 'They can sign in again.'
            : 'Their password and keys work again, and their terminals come back by themselves.'}
        </p>
      )}
    </Confirm>
  );
}

export function DeleteUser({ user, onClose }: { user: User; onClose: () => void }) {
  return (
    <Confirm
      title={`Delete ${user.login}?`}
      verb="Delete user"
      doing="Deleting…"
      danger
      onClose={onClose}
      action={async () => {
        await confirmed(() => hub.DELETE('/api/v1/users/{id}', { params: { path: { id: user.id } } }));
        toast(`${named(user)} is deleted`);
      }}
    >
      <p>
        {user.role === 'viewer'
          ? 'They cannot sign in any more, and the login name is free again. It cannot be undone.'
          : 'For good: their logins end, their keys, terminals, hooks and webhooks with them, and their viewers are let in no more. Positions stay at the broker. The login name is free again. It cannot be undone.'}
      </p>
      <p class="muted">What the audit says of them stays.</p>
    </Confirm>
  );
}
