import { useEffect } from 'preact/hooks';
import { phase, start, stop } from '../live/socket';
import { follow } from '../live/store';
import { watchActivity } from '../lib/ending';
import { lazy } from '../lib/lazy';
import { arrived, Link, where } from '../lib/router';
import { session, signOut, unreachable, whoAmI } from '../lib/session';
import { setTheme, theme, type Theme } from '../lib/theme';
import { Again } from './again';
import { Banners } from './banners';
import { Icon, type IconName } from './icon';
import { Keyboard } from './keyboard';
import { Toasts } from './toast';

const Login = lazy(() => import('../pages/login'));
const PAGES: { path: string; name: string; icon: IconName; Page: ReturnType<typeof lazy> }[] = [
  { path: '/connections', name: 'Connections', icon: 'plug', Page: lazy(() => import('../pages/connections')) },
  { path: '/terminal', name: 'Terminal', icon: 'activity', Page: lazy(() => import('../pages/terminal')) },
  { path: '/keys', name: 'API keys', icon: 'api-key', Page: lazy(() => import('../pages/keys')) },
  { path: '/audit', name: 'Audit', icon: 'audit', Page: lazy(() => import('../pages/audit')) },
  { path: '/settings', name: 'Settings', icon: 'settings', Page: lazy(() => import('../pages/settings')) },
];
const About = lazy(() => import('../pages/about'));

function Mark() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#0f766e" />
      <path
        d="M6 21V12l5 5 5-7 5 7 5-5v9"
        fill="none"
        stroke="#fff"
        stroke-width="2.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

function Rail({ path }: { path: string }) {
  const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
  return (
    <nav class="rail" aria-label="Pages">
      <Link href="/connections" class="brand">
        <Mark /> mtbridge
      </Link>
      {PAGES.map((page) => (
        <Link key={page.path} class="tab" href={page.path} aria-current={path.startsWith(page.path) ? 'page' : undefined}>
          <Icon name={page.icon} /> {page.name}
        </Link>
      ))}
      <span class="fill" />
      <div class="foot">
        <span>
          {session.value?.user?.name || session.value?.user?.login} <span class="muted">({session.value?.user?.role})</span>
        </span>
        <span class="row">
          <button type="button" class="ghost icon-only" onClick={() => setTheme(next[theme.value])}>
            <Icon
              name={theme.value === 'dark' ? 'moon' : theme.value === 'light' ? 'sun' : 'system'}
              label={`Theme: ${theme.value}. Change`}
            />
          </button>
          <button type="button" class="ghost icon-only" onClick={() => void signOut()}>
            <Icon name="logout" label="Sign out" />
          </button>
        </span>
        <Link href="/about">About</Link>
      </div>
    </nav>
  );
}

function HubAway() {
  return (
    <main class="login">
      <div class="card stack">
        <h1 tabIndex={-1}>The hub does not answer</h1>
        <p>{unreachable.value} Terminals and bots may still be connected; this page cannot tell.</p>
        <button type="button" class="primary" onClick={() => void whoAmI()}>
          <Icon name="refresh" /> Try again
        </button>
      </div>
    </main>
  );
}

/** The frame around every page: who is signed in, where one can go, and what is wrong with the link. */
export function Frame() {
  useEffect(() => void whoAmI(), []);
  const user = session.value;
  // A page that is there already, at another address of it.
  useEffect(arrived, [where.value.pathname]);
  useEffect(() => {
    if (!user) return;
    start();
    const ends = follow();
    const unwatch = watchActivity(() => void whoAmI());
    return () => {
      unwatch();
      ends();
      stop();
    };
  }, [user?.user?.id]);
  if (user === undefined)
    return unreachable.value ? (
      <HubAway />
    ) : (
      <main class="login" aria-busy="true">
        <span class="visually-hidden">Loading</span>
      </main>
    );
  if (user === null)
    return (
      <>
        <Login />
        <Toasts />
      </>
    );
  const path = where.value.pathname === '/' ? '/connections' : where.value.pathname;
  const page = PAGES.find((one) => path === one.path || path.startsWith(`${one.path}/`));
  const Page = page?.Page ?? (path === '/about' ? About : undefined);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <Banners />
      <div class="frame">
        <Rail path={path} />
        <main id="main" class={`main ${['stale', 'down'].includes(phase.value) ? 'old' : ''}`} tabIndex={-1}>
          {Page ? (
            <Page key={`${user.user?.id} ${page?.path ?? path}`} />
          ) : (
            <div class="empty">
              <h1 tabIndex={-1}>There is no such page</h1>
              <Link href="/connections">To the connections</Link>
            </div>
          )}
        </main>
      </div>
      <Keyboard />
      <Again />
      <Toasts />
    </>
  );
}
