import { useState } from 'preact/hooks';
import { Icon } from './icon';

/** A password that can be looked at, with a word about caps lock. */
export function Password({
  name,
  label,
  autocomplete,
  onInput,
  hint,
}: {
  name: string;
  label: string;
  autocomplete: 'current-password' | 'new-password';
  onInput: (value: string) => void;
  hint?: string;
}) {
  const [shown, setShown] = useState(false);
  const [caps, setCaps] = useState(false);
  return (
    <div>
      <label class="field" for={name}>
        {label}
      </label>
      <div class="password">
        {/* `type` by hand: its two values are two kinds of element to the types. */}
        <input
          id={name}
          name={name}
          ref={(element) => {
            if (element) element.type = shown ? 'text' : 'password';
          }}
          autocomplete={autocomplete}
          required
          onInput={(event) => onInput(event.currentTarget.value)}
          onKeyUp={(event) => setCaps(event.getModifierState?.('CapsLock') ?? false)}
        />
        <button type="button" class="ghost" aria-pressed={shown} onClick={() => setShown(!shown)}>
          <Icon name={shown ? 'eye-off' : 'eye'} /> {shown ? 'Hide' : 'Show'}
        </button>
      </div>
      <span class="hint" role="status">
        {caps ? 'Caps lock is on.' : (hint ?? '')}
      </span>
    </div>
  );
}
