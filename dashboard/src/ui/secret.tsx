import { useRef, useState } from 'preact/hooks';
import { copy } from '../lib/copy';
import { Icon } from './icon';

/** A value to be copied; says whether it really was. */
export function Copyable({ text, label, onCopied }: { text: string; label: string; onCopied?: () => void }) {
  const shown = useRef<HTMLOutputElement>(null);
  const [said, setSaid] = useState('');
  const go = async () => {
    if (!shown.current) return;
    const done = await copy(shown.current);
    setSaid(done ? 'Copied' : 'Selected: press Ctrl+C');
    if (done) onCopied?.();
  };
  return (
    <div>
      <div class="small muted">{label}</div>
      <div class="secret">
        <output ref={shown} aria-label={label}>
          {text}
        </output>
        <button type="button" onClick={go}>
          <Icon name="copy" /> Copy<span class="visually-hidden"> {label}</span>
        </button>
      </div>
      <div class="small" role="status">
        {said}
      </div>
    </div>
  );
}
