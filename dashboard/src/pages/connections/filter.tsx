import { useEffect, useState } from 'preact/hooks';
import type { TokenState } from '../../api/types';
import { where } from '../../lib/router';
import { Icon } from '../../ui/icon';
import { choose } from './open';

const STATES = ['connected', 'offline', 'pending', 'expired', 'revoked'] as const;
const WAIT_MS = 150;

/** By text and by state, both kept in the address. */
export function Filter({ counts }: { counts: Map<TokenState, number> }) {
  const query = where.value.searchParams;
  const chosen = query.get('state') ?? '';
  const asked = query.get('q') ?? '';
  const [text, setText] = useState(asked);
  // The address was changed by something else: by "Show all", or by going back.
  useEffect(() => setText(asked), [asked]);
  useEffect(() => {
    if (text === asked) return;
    const wait = setTimeout(() => choose({ q: text.trim() }), WAIT_MS);
    return () => clearTimeout(wait);
  }, [text]);
  const some = STATES.filter((state) => state !== 'revoked' && (counts.get(state) || chosen === state));
  const revoked = counts.get('revoked') ?? 0;
  return (
    <div class="filter row">
      <label class="find">
        <Icon name="search" />
        <span class="visually-hidden">Find by name, account or broker</span>
        <input
          type="search"
          data-filter
          placeholder="Name, account or broker"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="chips" role="group" aria-label="Show only">
        <button type="button" class="chip" aria-pressed={chosen === ''} onClick={() => choose({ state: '' })}>
          All
        </button>
        {some.map((state) => (
          <button
            type="button"
            class="chip"
            key={state}
            aria-pressed={chosen === state}
            onClick={() => choose({ state: chosen === state ? '' : state })}
          >
            {state[0]!.toUpperCase() + state.slice(1)} <span class="muted">{counts.get(state) ?? 0}</span>
          </button>
        ))}
        {(revoked > 0 || chosen === 'revoked') && (
          <button
            type="button"
            class="chip"
            aria-pressed={chosen === 'revoked'}
            onClick={() => choose({ state: chosen === 'revoked' ? '' : 'revoked' })}
          >
            Show revoked <span class="muted">{revoked}</span>
          </button>
        )}
      </div>
    </div>
  );
}
