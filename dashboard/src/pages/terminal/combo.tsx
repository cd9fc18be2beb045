import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';

/** Something to choose: what it is called, and what else it is found by. */
export interface Choice {
  id: string;
  name: string;
  about?: string;
}
interface Props {
  label: string;
  choices: Choice[];
  chosen: string;
  /** Under this name what was chosen lately is kept in the browser. */
  kept: string;
  choose: (id: string) => void;
}

/** More than this nobody reads: typing on is quicker. */
const SHOWN = 40;
const RECENT = 5;

function recent(kept: string): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(kept) ?? '[]');
    return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
  } catch {
    return [];
  }
}
function remember(kept: string, id: string): void {
  try {
    localStorage.setItem(kept, JSON.stringify([id, ...recent(kept).filter((one) => one !== id)].slice(0, RECENT)));
  } catch {
    /* storage is off: nothing is remembered */
  }
}

/** What fits what was typed: names that begin so first, then those chosen lately, then the rest. */
export function found(choices: Choice[], typed: string, lately: string[]): Choice[] {
  const wanted = typed.trim().toLowerCase();
  const rank = (one: Choice) => {
    const late = lately.indexOf(one.id);
    const begins = wanted && one.name.toLowerCase().startsWith(wanted) ? 0 : 1000;
    return begins + (late < 0 ? 500 : late);
  };
  return choices
    .filter((one) => !wanted || `${one.name} ${one.about ?? ''}`.toLowerCase().includes(wanted))
    .map((one, at) => ({ one, rank: rank(one), at }))
    .sort((a, b) => a.rank - b.rank || a.at - b.at)
    .slice(0, SHOWN)
    .map(({ one }) => one);
}

/** One of many, by typing a part of its name; what was chosen lately stands first. */
export function Combo({ label, choices, chosen, kept, choose }: Props) {
  const list = useId();
  const typed = useSignal<string | null>(null);
  const at = useSignal(0);
  const input = useRef<HTMLInputElement>(null);
  const current = choices.find((one) => one.id === chosen);
  const lately = recent(kept);
  const open = typed.value !== null;
  const rows = open ? found(choices, typed.value!, lately) : [];
  const take = (one: Choice | undefined) => {
    typed.value = null;
    if (!one) return;
    remember(kept, one.id);
    if (one.id !== chosen) choose(one.id);
  };
  const begin = () => {
    if (open) return;
    typed.value = '';
    at.value = 0;
    input.current?.select();
  };
  useEffect(() => {
    if (open) document.getElementById(`${list}-${at.value}`)?.scrollIntoView({ block: 'nearest' });
  }, [at.value, open]);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step) {
      event.preventDefault();
      if (open) at.value = (at.value + step + rows.length) % Math.max(1, rows.length);
      else begin();
    } else if (event.key === 'Enter' && open) {
      event.preventDefault();
      take(rows[at.value]);
    } else if (event.key === 'Escape' && open) {
      event.stopPropagation();
      typed.value = null;
    }
  };
  return (
    <div class="combo">
      <input
        ref={input}
        role="combobox"
        aria-label={label}
        aria-expanded={open}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={rows.length ? `${list}-${at.value}` : undefined}
        autocomplete="off"
        spellcheck={false}
        value={typed.value || (open ? '' : (current?.name ?? chosen))}
        placeholder={current?.name ?? chosen}
        onFocus={(event) => event.currentTarget.select()}
        onClick={begin}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
          at.value = 0;
        }}
        onBlur={() => (typed.value = null)}
        onKeyDown={onKeyDown}
      />
      <div id={list} role="listbox" aria-label={label} hidden={!open}>
        {rows.map((one, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field, which keeps the focus.
          <div
            key={one.id}
            id={`${list}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at.value}
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => take(one)}
          >
            <strong>{one.name}</strong> {one.about && <span class="small muted">{one.about}</span>}
            {lately.includes(one.id) && <span class="small muted"> · recent</span>}
          </div>
        ))}
        {open && rows.length === 0 && (
          <div role="option" tabIndex={-1} aria-selected="false" aria-disabled="true">
            Nothing is called so
          </div>
        )}
      </div>
    </div>
  );
}
