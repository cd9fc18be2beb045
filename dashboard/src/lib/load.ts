import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { sentence } from '../api/client';

/** Something read from the hub when a part of the page is first shown, and again on demand. What was read stays while it is read anew. */
export function useLoaded<T>(
  read: () => Promise<T>,
  ...when: unknown[]
): { value: Signal<T | undefined>; failure: Signal<string>; load: () => Promise<void> } {
  const value = useSignal<T | undefined>(undefined);
  const failure = useSignal('');
  const load = async () => {
    try {
      value.value = await read();
      failure.value = '';
    } catch (error) {
      failure.value = sentence(error);
    }
  };
  useEffect(() => void load(), when);
  return { value, failure, load };
}
