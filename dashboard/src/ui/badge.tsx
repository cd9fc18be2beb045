import { Icon, type IconName } from './icon';

const STATES: Record<string, { word: string; icon: IconName; tone: string }> = {
  pending: { word: 'Pending', icon: 'key', tone: 'warn' },
  connected: { word: 'Connected', icon: 'play', tone: 'good' },
  offline: { word: 'Offline', icon: 'play', tone: '' },
  revoked: { word: 'Revoked', icon: 'bin', tone: 'bad' },
  expired: { word: 'Expired', icon: 'clock', tone: 'bad' },
};

/** A token's state: yellow key, green play, gray play, red bin; never by colour alone. */
export function StateBadge({ state }: { state: string }) {
  const { word, icon, tone } = STATES[state] ?? { word: state, icon: 'help' as const, tone: '' };
  return (
    <span class={`badge ${tone}`}>
      <Icon name={icon} /> {word}
    </span>
  );
}

/** Real money, or not. */
export function Money({ mode }: { mode: string | null | undefined }) {
  if (!mode) return null;
  return (
    <span class={`badge plain ${mode === 'demo' ? '' : 'warn'}`}>
      {mode === 'demo' ? 'Demo' : mode === 'contest' ? 'Contest' : 'Real'}
    </span>
  );
}
