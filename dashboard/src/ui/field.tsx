// What forms are made of. A field is inside of its label, so neither needs a name for the other.
import type { ComponentChildren } from 'preact';

interface Typed {
  label: ComponentChildren;
  /** Said below the field. */
  hint?: string;
  onText: (text: string) => void;
  value?: string;
  name?: string;
  type?: 'url';
  placeholder?: string;
  maxLength?: number;
  required?: boolean;
  autofocus?: boolean;
  spellcheck?: boolean;
  autocapitalize?: 'off';
  autocomplete?: 'off' | 'one-time-code' | 'name' | 'username';
  inputMode?: 'decimal' | 'numeric';
}

/** One line that is typed. */
export function Field({ label, hint, onText, ...input }: Typed) {
  return (
    <label class="field">
      {label}
      <input {...(input as object)} onInput={(event) => onText(event.currentTarget.value)} />
      {hint && <span class="hint">{hint}</span>}
    </label>
  );
}

/** A value, and what it is called. */
export type Option = [value: string, text: string];

interface Chosen {
  label: string;
  hint?: string | false;
  value: string;
  options: Option[];
  onPick: (value: string) => void;
}

/** One of many. What is chosen stays to be seen, also when it is not offered any more. */
export function Choose({ label, hint, value, options, onPick }: Chosen) {
  const gone = value && !options.some(([one]) => one === value);
  const shown = gone ? [options[0]!, [value, value], ...options.slice(1)] : options;
  return (
    <label class="field">
      {label}
      <select value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        {shown.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
      {hint && <span class="hint">{hint}</span>}
    </label>
  );
}

interface Ticked {
  checked: boolean;
  disabled?: boolean;
  /** Of those with one name only one is chosen. */
  name?: string;
  onTick: (checked: boolean) => void;
  children: ComponentChildren;
}

/** A box, or with a name one of several. */
export function Check({ checked, disabled, name, onTick, children }: Ticked) {
  return (
    <label class="check">
      <input
        type={name ? 'radio' : 'checkbox'}
        name={name}
        checked={checked}
        disabled={disabled}
        onChange={(event) => onTick(event.currentTarget.checked)}
      />{' '}
      <span>{children}</span>
    </label>
  );
}

interface OneOf<T> {
  legend: string;
  name: string;
  value: T | '';
  /** Each with its name and, where it needs one, a sentence about it. */
  options: [value: T, text: string, about?: string][];
  onPick: (value: T) => void;
}

/** One of a few, all in sight. */
export function OneOf<T extends string>({ legend, name, value, options, onPick }: OneOf<T>) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {options.map(([one, text, about]) => (
        <Check key={one} name={name} checked={value === one} onTick={() => onPick(one)}>
          {about ? (
            <>
              <strong>{text}</strong>
              <span class="hint">{about}</span>
            </>
          ) : (
            text
          )}
        </Check>
      ))}
    </fieldset>
  );
}
