import { useSignal } from '@preact/signals';
import { hub, ok } from '../../api/client';
import type { User } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { operates, session } from '../../lib/session';
import { now } from '../../lib/time';
import { Ago } from '../../ui/ago';
import { Failed, Loading } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Menu, type Item } from '../../ui/menu';
import { Table } from '../../ui/table';
import { type Asked, Code, DeleteUser, EditUser, NewUser, ResetUser, Stop } from './user-dialogs';

const TONES: Record<string, string> = { active: 'good', disabled: 'bad', invited: 'warn' };

/** What there is to know about whether they can come in. */
function State({ user }: { user: User }) {
  const code = user.setup_expires_at;
  return (
    <>
      <span class={`badge plain ${TONES[user.state] ?? ''}`}>{user.state}</span>
      {user.state === 'invited' && (
        <div class="small muted">
          {code && Date.parse(code) > now.value ? (
            <>
              code ends <Ago at={code} />
            </>
          ) : (
            'their code has ended: make another'
          )}
        </div>
      )}
      {user.disabled_at && (
        <div class="small muted">
          since <Ago at={user.disabled_at} />
        </div>
      )}
    </>
  );
}

/** Who may sign in. */
export function Users() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/users')));
  const open = useSignal<Asked | null>(null);
  const close = () => {
    open.value = null;
    void load();
  };
  const what = open.value;
  const users = value.value?.data ?? [];
  // A viewer looks at what belongs to an owner or a member.
  const sees = (user: User) => {
    const of = user.role === 'viewer' && users.find((one) => one.tenant === user.tenant && one.role !== 'viewer');
    return of ? `sees what is ${of.id === session.value?.user?.id ? 'yours' : `of ${of.name || of.login}`}` : '';
  };
  const items = (user: User): Item[] => {
    const ask = (next: 'edit' | 'disable' | 'enable' | 'delete' | 'reset') => () => (open.value = { what: next, user });
    if (user.id === session.value?.user?.id) return [];
    return [
      { text: 'Change…', icon: 'edit', run: ask('edit') },
      { text: user.state === 'invited' ? 'New code…' : 'Reset password…', icon: 'refresh', run: ask('reset') },
      user.state === 'disabled'
        ? { text: 'Enable…', icon: 'check', run: ask('enable') }
        : { text: 'Disable…', icon: 'ban', run: ask('disable') },
      ...(user.operator ? [] : [{ text: 'Delete…', icon: 'bin' as const, danger: true, run: ask('delete') }]),
    ];
  };
  return (
    <div class="stack">
      <div class="row between">
        <h2>Users</h2>
        <button type="button" class="primary" data-new onClick={() => (open.value = { what: 'new' })}>
          <Icon name="plus" /> New user
        </button>
      </div>
      <p class="muted">
        {operates.value
          ? 'Who may sign in at this hub. Owners and members share nothing with each other; a viewer looks at what is of one of them.'
          : 'Who may look at what is yours.'}
      </p>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!value.value && !failure.value && <Loading rows={2} />}
      {value.value && (
        <Table label="Users" names={[['Name'], ['Role'], ['State'], ['Since']]}>
          {users.map((user) => (
            <tr role="row" key={user.id}>
              <td role="cell" class="wide">
                <strong>{user.name || user.login}</strong> {user.name && <span class="muted small">{user.login}</span>}{' '}
                {user.id === session.value?.user?.id && <span class="badge plain">you</span>}
              </td>
              <td role="cell">
                {user.role}
                {user.operator && <span class="muted small">, runs the hub</span>}
                <div class="muted small">{sees(user)}</div>
              </td>
              <td role="cell">
                <State user={user} />
              </td>
              <td role="cell" data-label="Since">
                <Ago at={user.created_at} />
              </td>
              <td role="cell" class="actions">
                {items(user).length > 0 && <Menu label={`More for ${user.login}`} items={items(user)} />}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {what?.what === 'new' && <NewUser users={users} onClose={close} onMade={(user) => (open.value = { what: 'code', user })} />}
      {what?.what === 'code' && <Code user={what.user} onClose={close} />}
      {what?.what === 'edit' && <EditUser user={what.user} onClose={close} />}
      {what?.what === 'reset' && (
        <ResetUser user={what.user} onClose={close} onMade={(user) => (open.value = { what: 'code', user })} />
      )}
      {(what?.what === 'disable' || what?.what === 'enable') && (
        <Stop user={what.user} disable={what.what === 'disable'} onClose={close} />
      )}
      {what?.what === 'delete' && <DeleteUser user={what.user} onClose={close} />}
    </div>
  );
}
