import { useEffect, useState } from 'preact/hooks';
import { hub, ok, Problem, sentence } from '../api/client';
import { signIn } from '../lib/session';
import { Check, Field } from '../ui/field';
import { Password } from '../ui/password';
import { toast } from '../ui/toast';
import { Alert } from '../ui/wrong';

/** A password by a one-time code: for the first user of a hub, and for everybody who was invited or reset. */
function SetUp({ known, back }: { known: boolean; back: () => void }) {
  // Whether the hub said that nobody has a password yet; else whoever has the code of its log says so.
  const [first, setFirst] = useState(known);
  const [form, setForm] = useState({ code: '', name: '', login: '', password: '' });
  const [failure, setFailure] = useState('');
  const [busy, setBusy] = useState(false);
  const set = (key: keyof typeof form) => (value: string) => setForm((old) => ({ ...old, [key]: value }));
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    try {
      const user = await ok(hub.POST('/api/v1/setup', { body: first ? form : { code: form.code, password: form.password } }));
      // The code is used up: what is left is to sign in.
      await signIn(user.login, form.password).catch((error) => {
        toast(`Your password is set. ${sentence(error)}`);
        back();
      });
    } catch (error) {
      setFailure(sentence(error));
      setBusy(false);
    }
  };
  return (
    <form class="card stack" onSubmit={submit}>
      <h1 tabIndex={-1}>{first ? 'Welcome to mtbridge' : 'Set your password'}</h1>
      <p class="muted">
        {first
          ? 'Nobody can sign in yet. The hub wrote a one-time set-up code to its log when it first started; whoever has it becomes the owner.'
          : 'With the one-time code that you were given.'}
      </p>
      <Field
        label="Set-up code"
        name="code"
        autocomplete="one-time-code"
        required
        spellcheck={false}
        onText={(code) => set('code')(code.trim())}
      />
      {!known && (
        <Check checked={first} onTick={setFirst}>
          Nobody has signed in yet<span class="hint">The code is from the log of the hub, and makes its first user.</span>
        </Check>
      )}
      {first && <Field label="Your name" name="name" autocomplete="name" required onText={set('name')} />}
      {first && (
        <Field
          label={
            <>
              Login<span class="hint">An e-mail address or a word; nothing is sent to it.</span>
            </>
          }
          name="login"
          autocomplete="username"
          required
          spellcheck={false}
          onText={(login) => set('login')(login.trim())}
        />
      )}
      <Password
        name="password"
        label="Password"
        autocomplete="new-password"
        hint="At least 12 characters; 15 or more are better."
        onInput={set('password')}
      />
      <Alert what={failure} />
      <button type="submit" class="primary" disabled={busy}>
        {busy ? 'Setting up…' : 'Set up and sign in'}
      </button>
      {!known && (
        <button type="button" class="ghost" onClick={back}>
          Back to sign in
        </button>
      )}
    </form>
  );
}

function SignIn({ withCode }: { withCode: () => void }) {
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [failure, setFailure] = useState('');
  const [wait, setWait] = useState(0);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (wait <= 0) return;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    try {
      await signIn(login, password);
    } catch (error) {
      if (error instanceof Problem && typeof error.body.retry_after === 'number') setWait(Math.ceil(error.body.retry_after));
      setFailure(error instanceof Problem ? error.message : sentence(error));
      setBusy(false);
    }
  };
  return (
    <form class="card stack" onSubmit={submit}>
      <h1 tabIndex={-1}>Sign in to mtbridge</h1>
      <Field
        label="Login"
        name="login"
        autocomplete="username"
        required
        spellcheck={false}
        onText={(text) => setLogin(text.trim())}
      />
      <Password name="password" label="Password" autocomplete="current-password" onInput={setPassword} />
      <Alert what={failure && (wait > 0 ? `${failure} You can try again in ${wait} s.` : failure)} />
      <button type="submit" class="primary" disabled={busy || wait > 0}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
      <button type="button" class="ghost" onClick={withCode}>
        I have a set-up code
      </button>
      <p class="small muted">
        A lost password is replaced by whoever runs the hub: <code>mtbridge user reset</code>
      </p>
    </form>
  );
}

/** Before anything else: signing in, or the first run. */
export default function Login() {
  const [what, setWhat] = useState<'first' | 'sign in' | 'code' | undefined>();
  useEffect(() => {
    ok(hub.GET('/api/v1/setup')).then(
      (setup) => setWhat(setup.needed ? 'first' : 'sign in'),
      () => setWhat('sign in'),
    );
  }, []);
  if (!what) return <main class="login" aria-busy="true" />;
  return (
    <main class="login">
      {what === 'sign in' ? (
        <SignIn withCode={() => setWhat('code')} />
      ) : (
        <SetUp known={what === 'first'} back={() => setWhat('sign in')} />
      )}
    </main>
  );
}
