import type { Signal } from '@preact/signals';

/** When what is replaced ends, in seconds from now: a week at most, says the hub. */
export function Overlap({ label, value }: { label: string; value: Signal<number> }) {
  return (
    <label class="field">
      {label}
      <select value={value.value} onChange={(event) => (value.value = Number(event.currentTarget.value))}>
        <option value={0}>now</option>
        <option value={3600}>in 1 hour</option>
        <option value={86_400}>in 24 hours</option>
        <option value={604_800}>in 7 days</option>
      </select>
    </label>
  );
}
