import { useSignal } from '@preact/signals';
import { hub, ok, sentence } from '../../api/client';
import type { Login } from '../../api/types';
import { browser } from '../../lib/browser';
import { useLoaded } from '../../lib/load';
import { capital } from '../../lib/plans';
import { Link } from '../../lib/router';
import { session, signOut } from '../../lib/session';
import { setTheme, theme, type Theme } from '../../lib/theme';
import { setZone, zone, type Zone } from '../../lib/time';
import { Ago } from '../../ui/ago';
import { Confirm } from '../../ui/confirm';
import { Failed } from '../../ui/empty';
import { Choose } from '../../ui/field';
import { Icon } from '../../ui/icon';
import { Password } from '../../ui/password';
import { toast } from '../../ui/toast';
import { Alert } from '../../ui/wrong';

/** Characters: docs/users.md. */
const SHORTEST = 12;

function ChangePassword({ onChanged }: { onChanged: () => void }) {
  const form = useSignal({ current: '', new: '' });
  const failure = useSignal('');
  const busy = useSignal(false);
  const given = form.value.new.length;
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = event.currentTarget as HTMLFormElement;
    failure.value = '';
    busy.value = true;
    try {
      await hub.PUT('/api/v1/session/password', { body: form.value });
      fields.reset();
      form.value = { current: '', new: '' };
      toast('The password is changed; every other login of yours has ended');
      onChanged();
    } catch (error) {
      failure.value = sentence(error);
    }
    busy.value = false;
  };
  return (
    <form class="card stack" onSubmit={submit}>
      <h2>Password</h2>
      <Password
        name="current"
        label="The one you have"
        autocomplete="current-password"
        onInput={(current) => (form.value = { ...form.value, current })}
      />
      <Password
        name="new"
        label="The new one"
        autocomplete="new-password"
        hint={
          given > 0 && given < SHORTEST
            ? `${SHORTEST - given} more ${SHORTEST - given === 1 ? 'character' : 'characters'} at least.`
            : `At least ${SHORTEST} characters of any kind; 15 or more are better. Common words, keyboard rows, repetitions and your login are refused.`
        }
        onInput={(value) => (form.value = { ...form.value, new: value })}
      />
      <p class="small muted">Every other login of yours ends. API keys and terminals go on as they are.</p>
      <Alert what={failure.value} />
      <button type="submit" class="primary" disabled={busy.value || !form.value.current || given < SHORTEST}>
        {busy.value ? 'Changing…' : 'Change the password'}
      </button>
    </form>
  );
}

const end = (login: Login) => hub.DELETE('/api/v1/sessions/{id}', { params: { path: { id: login.id } } });

function Logins({ loaded }: { loaded: ReturnType<typeof useLogins> }) {
  const { value, failure, load } = loaded;
  const open = useSignal<Login[] | null>(null);
  // This one first, then those that were used last.
  const rows = [...(value.value?.data ?? [])].sort(
    (a, b) => Number(b.current) - Number(a.current) || b.last_seen_at.localeCompare(a.last_seen_at),
  );
  const others = rows.filter((login) => !login.current);
  const going = open.value;
  return (
    <section class="card stack" aria-label="Logins">
      <div class="row between">
        <h2>Where you are signed in</h2>
        {others.length > 1 && (
          <button type="button" onClick={() => (open.value = others)}>
            End all others…
          </button>
        )}
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {rows.map((login) => (
        <div class="switch-line" key={login.id}>
          <span>
            <strong>{login.agent ? browser(login.agent) : 'A program'}</strong>{' '}
            {login.current && <span class="badge plain good">this one</span>}
            <span class="hint">
              from {login.from} · used <Ago at={login.last_seen_at} /> · signed in <Ago at={login.created_at} /> · ends by itself{' '}
              <Ago at={[login.idle_expires_at, login.expires_at].sort()[0]} />
            </span>
          </span>
          {!login.current && (
            <button type="button" onClick={() => (open.value = [login])}>
              End it…
            </button>
          )}
        </div>
      ))}
      {going && (
        <Confirm
          title={going.length === 1 ? 'End this login?' : `End ${going.length} logins?`}
          verb={going.length === 1 ? 'End it' : 'End them'}
          doing="Ending…"
          danger
          onClose={() => {
            open.value = null;
            void load();
          }}
          action={async () => {
            await Promise.all(going.map(end));
          }}
        >
          <p>
            {going.length === 1 ? (
              <>
                {browser(going[0]!.agent)} from {going[0]!.from} has to sign in again.
              </>
            ) : (
              'Every browser but this one has to sign in again.'
            )}{' '}
            If it was not you, change the password, too.
          </p>
        </Confirm>
      )}
    </section>
  );
}

const useLogins = () => useLoaded(() => ok(hub.GET('/api/v1/sessions')));

/** What belongs to whoever is signed in. */
export function Mine() {
  const user = session.value?.user;
  const logins = useLogins();
  return (
    <div class="stack narrow">
      <section class="card stack" aria-label="You">
        <div class="switch-line">
          <span>
            <strong>{user?.name || user?.login}</strong>
            <span class="hint">
              {user?.login} · {capital(user?.role ?? '')}
              {session.value?.operator && ', runs this hub'}
            </span>
          </span>
          <button type="button" onClick={() => void signOut()}>
            <Icon name="logout" /> Sign out
          </button>
        </div>
        <Choose
          label="Theme"
          value={theme.value}
          options={[
            ['system', 'As the system'],
            ['light', 'Light'],
            ['dark', 'Dark'],
          ]}
          onPick={(to) => setTheme(to as Theme)}
        />
        <Choose
          label="Times"
          value={zone.value}
          options={[
            ['local', 'Of this device'],
            ['utc', 'UTC'],
            ['broker', 'Of the broker, where there is one'],
          ]}
          onPick={(to) => setZone(to as Zone)}
        />
      </section>
      <Logins loaded={logins} />
      <ChangePassword onChanged={() => void logins.load()} />
      <p class="small">
        <Link href="/about">About this hub, and licences</Link>
      </p>
    </div>
  );
}
