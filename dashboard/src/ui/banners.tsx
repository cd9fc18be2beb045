import { useEffect } from 'preact/hooks';
import { end, remaining } from '../lib/ending';
import { session, signOut, whoAmI } from '../lib/session';
import { phase, retry, staleSince } from '../live/socket';
import { switches } from '../live/store';
import { Link } from '../lib/router';
import { now, skew, span } from '../lib/time';
import { Icon } from './icon';

/** What is wrong with the link to the hub; the region stands in the page from the start, so that it is read out. */
function LinkBanner() {
  const state = phase.value;
  const shown = state === 'stale' || state === 'down';
  return (
    <div role="status">
      {shown && (
        <div class={`banner ${state === 'down' ? 'bad' : 'warn'}`}>
          <Icon name="warning" />
          <span class="grow">
            {state === 'down' ? 'No link to the hub.' : 'The hub has gone quiet.'} Figures below may be out of date
            {staleSince.value > 0 && `: they are ${span(now.value - skew.value - staleSince.value)} old`}. Terminals may still be
            connected to it.
          </span>
          <button type="button" onClick={retry}>
            <Icon name="refresh" /> Retry now
          </button>
        </div>
      )}
    </div>
  );
}

/** That the session ends, two minutes before it does; told anew when a minute has gone, and not each second. */
function EndBanner() {
  const left = session.value?.session && remaining.value;
  const extendable = end.value?.extends;
  // By then the hub has ended it: asked, it says so, unless another tab has used it meanwhile.
  const over = typeof left === 'number' && left <= 0;
  useEffect(() => {
    if (over) void whoAmI();
  }, [over]);
  return (
    <div role="status">
      {typeof left === 'number' && (
        <div class="banner warn">
          <Icon name="clock" />
          <span class="grow">
            You are signed out in {left > 60_000 ? 'less than two minutes' : 'less than a minute'}
            {extendable ? ': nothing was done here for long.' : ': a sign-in does not last longer. Sign in again to go on.'}
          </span>
          {extendable ? (
            <button type="button" onClick={() => void whoAmI()}>
              Stay signed in
            </button>
          ) : (
            <button type="button" onClick={() => void signOut()}>
              Sign in again
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** Kill switches that stand are always in sight. */
function KillBanner() {
  const standing = switches.value;
  if (standing.length === 0) return null;
  const first = standing[0]!;
  const what =
    first.scope === 'hub'
      ? 'the whole hub'
      : first.scope === 'owner'
        ? 'all accounts'
        : first.scope.startsWith('key')
          ? 'one key'
          : first.scope;
  return (
    <div class="banner bad" role="alert">
      <Icon name="stop" />
      <span class="grow">
        Kill switch on for {what} ({first.level_name}){standing.length > 1 && ` and ${standing.length - 1} more`}. {first.reason}
      </span>
      <Link href="/settings/kill-switch">Look at it</Link>
    </div>
  );
}

export function Banners() {
  return (
    <>
      <EndBanner />
      <LinkBanner />
      <KillBanner />
    </>
  );
}
