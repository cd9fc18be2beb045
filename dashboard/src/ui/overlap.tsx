import type { Signal } from '@preact/signals';
import { Choose } from './field';

/** When what is replaced ends, in seconds from now: a week at most, says the hub. */
export function Overlap({ label, value }: { label: string; value: Signal<number> }) {
  return (
    <Choose
      label={label}
      value={String(value.value)}
      options={[
        ['0', 'now'],
        ['3600', 'in 1 hour'],
        ['86400', 'in 24 hours'],
        ['604800', 'in 7 days'],
      ]}
      onPick={(seconds) => (value.value = Number(seconds))}
    />
  );
}
