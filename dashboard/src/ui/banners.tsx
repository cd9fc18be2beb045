import { phase, retry, staleSince } from '../live/socket';
import { switches } from '../live/store';
import { Link } from '../lib/router';
import { now, span } from '../lib/time';
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
            {staleSince.value > 0 && `: they are ${span(now.value - staleSince.value)} old`}. Terminals may still be connected to
            it.
          </span>
          <button type="button" onClick={retry}>
            <Icon name="refresh" /> Retry now
          </button>
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
      <LinkBanner />
      <KillBanner />
    </>
  );
}
