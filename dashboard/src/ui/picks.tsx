import './picks.css';
import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { words } from '../lib/network';
import { Check } from './field';
import { Icon } from './icon';

interface Props {
  label: string;
  hint?: string;
  /** What it means that nothing is named, "All symbols", and the other choice; without them something must be named. */
  every?: string;
  only?: string;
  values: string[] | null;
  onChange: (values: string[] | null) => void;
  /** What there is to choose from: a few as buttons, many offered as one types. */
  known?: { value: string; text: string }[];
  /** Of the field in which one types. */
  field: string;
  placeholder?: string;
  /** Why a word cannot be one of them. */
  wrong?: (word: string) => string | undefined;
  children?: ComponentChildren;
}
/** As many as can be looked over at a glance. */
const FEW = 8;

/** Words that are chosen or typed, each a button that takes it away again; that there are none is said, and not an empty field. */
export function Picks({ label, hint, every, only, values, onChange, known = [], field, placeholder, wrong, children }: Props) {
  const [typed, setTyped] = useState('');
  const id = useId();
  const list = values ?? [];
  const add = (text: string) => {
    const fresh = words(text).filter((word) => !list.includes(word));
    setTyped('');
    if (fresh.length) onChange([...list, ...new Set(fresh)]);
  };
  const bad = wrong ? [...words(typed), ...list].map(wrong).find(Boolean) : undefined;
  const few = known.length <= FEW ? known : [];
  const others = list.filter((value) => !few.some((one) => one.value === value));
  return (
    <fieldset class="picks">
      <legend>{label}</legend>
      {hint && <span class="hint">{hint}</span>}
      {every && (
        <div class="row either">
          {[every, only].map((text, at) => (
            <Check key={text} name={id} checked={(values === null) === (at === 0)} onTick={() => onChange(at === 0 ? null : [])}>
              {text}
            </Check>
          ))}
        </div>
      )}
      {values && (
        <>
          {(few.length > 0 || others.length > 0) && (
            <div class="chips">
              {few.map(({ value, text }) => {
                const on = list.includes(value);
                return (
                  <button
                    type="button"
                    class={`chip ${on ? 'on' : ''}`}
                    key={value}
                    aria-pressed={on}
                    onClick={() => onChange(on ? list.filter((one) => one !== value) : [...list, value])}
                  >
                    <Icon name={on ? 'check' : 'plus'} /> {text}
                  </button>
                );
              })}
              {others.map((value) => (
                <button
                  type="button"
                  class={`chip ${wrong?.(value) ? 'wrong' : 'on'}`}
                  key={value}
                  onClick={() => onChange(list.filter((one) => one !== value))}
                >
                  {known.find((one) => one.value === value)?.text ?? value} <Icon name="x" label="Remove" />
                </button>
              ))}
            </div>
          )}
          <div class="add">
            <input
              aria-label={field}
              aria-invalid={bad && typed ? true : undefined}
              list={few.length < known.length ? `${id}-known` : undefined}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              placeholder={placeholder}
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
              onChange={(event) => add(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' || !typed) return;
                // The form around it is not meant.
                event.preventDefault();
                add(typed);
              }}
            />
            <button type="button" onClick={() => add(typed)}>
              Add<span class="visually-hidden"> to {label}</span>
            </button>
          </div>
          {few.length < known.length && (
            <datalist id={`${id}-known`}>
              {known.map(({ value, text }) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </datalist>
          )}
          <div class="small error" role="status">
            {bad}
          </div>
          {children}
        </>
      )}
    </fieldset>
  );
}
