import { useSignal } from '@preact/signals';
import { hub, ok, sentence } from '../../api/client';
import type { Login } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { Link } from '../../lib/router';
import { session, signOut } from '../../lib/session';
import { setTheme, theme, type Theme } from '../../lib/theme';
import { browser } from '../../lib/browser';
import { zone, type Zone } from '../../lib/time';
import { Ago } from '../../ui/ago';
import { Failed } from '../../ui/empty';
import { Icon } from '../../ui/icon';
import { Password } from '../../ui/password';
import { toast } from '../../ui/toast';

function ChangePassword() {
  const form = useSignal({ current: '', new: '' });
  const failure = useSignal('');
  const submit = async (event: Event) => {
    event.preventDefault();
    failure.value = '';
    try {
      await hub.PUT('/api/v1/session/password', { body: form.value });
      (event.target as HTMLFormElement).reset?.();
      toast('The password is changed; every other login of yours has ended');
    } catch (error) {
      failure.value = sentence(error);
    }
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
        hint="At least 12 characters; 15 or more are better."
        onInput={(value) => (form.value = { ...form.value, new: value })}
      />
      <div role="alert">
        {failure.value && (
          <p class="error">
            <Icon name="alert" /> <span>{failure.value}</span>
          </p>
        )}
      </div>
      <button type="submit" class="primary">
        Change the password
      </button>
    </form>
  );
}

function Logins() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/sessions')));
  const end = async (login: Login) => {
    await hub
      .DELETE('/api/v1/sessions/{id}', { params: { path: { id: login.id } } })
      .catch((error) => (failure.value = sentence(error)));
    await load();
  };
  return (
    <section class="card stack" aria-label="Logins">
      <h2>Where you are signed in</h2>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {value.value?.data.map((login) => (
        <div class="switch-line" key={login.id}>
          <span>
            <strong>{login.from ?? 'Browser'}</strong> {login.current && <span class="badge plain good">this one</span>}
            <span class="hint">
              since <Ago at={login.created_at} />
              {login.agent && ` · ${browser(login.agent)}`}
            </span>
          </span>
          {!login.current && (
            <button type="button" onClick={() => void end(login)}>
              End it
            </button>
          )}
        </div>
      ))}
    </section>
  );
}

/** What belongs to whoever is signed in. */
export function Mine() {
  const user = session.value?.user;
  return (
    <div class="stack narrow">
      <section class="card stack" aria-label="You">
        <div class="switch-line">
          <span>
            <strong>{user?.name || user?.login}</strong>
            <span class="hint">
              {user?.login} · {user?.role}
              {session.value?.operator && ', runs this hub'}
            </span>
          </span>
          <button type="button" onClick={() => void signOut()}>
            <Icon name="logout" /> Sign out
          </button>
        </div>
        <label class="field">
          Theme
          <select value={theme.value} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
            <option value="system">As the system</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <label class="field">
          Times
          <select
            value={zone.value}
            onChange={(event) => {
              zone.value = event.currentTarget.value as Zone;
              try {
                localStorage.setItem('zone', zone.value);
              } catch {
                /* for this visit only */
              }
            }}
          >
            <option value="local">Of this device</option>
            <option value="utc">UTC</option>
            <option value="broker">Of the broker, where there is one</option>
          </select>
        </label>
      </section>
      <ChangePassword />
      <Logins />
      <p class="small">
        <Link href="/about">About this hub, and licences</Link>
      </p>
    </div>
  );
}
