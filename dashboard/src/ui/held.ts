import { useEffect } from 'preact/hooks';
import { hold } from '../lib/router';

/** Neither a reload nor going back takes away what is on the page: what is shown only once, or waits for its outcome. */
export function useHeld(held: boolean): void {
  useEffect(() => {
    if (!held) return;
    const stay = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', stay);
    hold(true);
    return () => {
      removeEventListener('beforeunload', stay);
      hold(false);
    };
  }, [held]);
}
