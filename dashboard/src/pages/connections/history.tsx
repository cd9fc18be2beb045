import type { LinkEvent, LinkPast } from '../../api/types';
import { span } from '../../lib/time';
import { accountName } from '../../lib/tokens';
import { Ago } from '../../ui/ago';
import { Icon, type IconName } from '../../ui/icon';

const KINDS: Record<string, { word: string; icon: IconName; tone: string }> = {
  connected: { word: 'Connected', icon: 'play', tone: 'up' },
  disconnected: { word: 'Disconnected', icon: 'unlink', tone: 'muted' },
  refused: { word: 'Refused', icon: 'ban', tone: 'down' },
};
/** Rows until the rest is asked for. */
const FIRST = 8;

function details(event: LinkEvent): string {
  const parts = [];
  const stranger = event.code === 'account_mismatch' && event.account;
  if (stranger) parts.push(`account ${accountName(stranger)} tried to use it`);
  else if (event.message) parts.push(event.message);
  if (event.kind === 'refused' && event.account && !stranger) parts.push(`account ${accountName(event.account)}`);
  if (event.lasted_s !== null) parts.push(`it had lasted ${span(event.lasted_s * 1000)}`);
  if (event.kind === 'connected') {
    if (event.account) parts.push(accountName(event.account));
    if (event.ea_version) parts.push(`EA ${event.ea_version}`);
  }
  parts.push(`from ${event.from}`);
  return parts.join(', ');
}

/** Who came with a token, went, and was refused. */
export function History({ past }: { past: LinkPast }) {
  const rows = past.events;
  const row = (event: LinkEvent) => {
    const { word, icon, tone } = KINDS[event.kind] ?? { word: event.kind, icon: 'info' as const, tone: '' };
    return (
      <li key={`${event.kind}${event.first_at}`}>
        <span class={`nowrap what ${tone}`}>
          <Icon name={icon} /> {word}
          {event.count > 1 && ` ${event.count} times`}
        </span>{' '}
        <span class="small muted nowrap when">
          <Ago at={event.at} />
        </span>
        <div class="small wrap">{details(event)}</div>
      </li>
    );
  };
  return (
    <>
      {rows.length === 0 && <p class="small muted">Nothing since the hub was started.</p>}
      <ul class="past">{rows.slice(0, FIRST).map(row)}</ul>
      {rows.length > FIRST && (
        <details>
          <summary>{rows.length - FIRST} more</summary>
          <ul class="past">{rows.slice(FIRST).map(row)}</ul>
        </details>
      )}
      <p class="small muted">
        Kept since the hub was started, <Ago at={past.since} />.
      </p>
    </>
  );
}
