import { signal } from '@preact/signals';

interface Toast {
  id: number;
  text: string;
}
const toasts = signal<Toast[]>([]);
let last = 0;

/** Says what became of something: 8 seconds if nobody says else, at most three at once, longer while the mouse or the focus is on it. */
export function toast(text: string, stays = 8000): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-2), { id, text }];
  const end = () => {
    if (document.querySelector('.toasts:hover, .toasts:focus-within')) setTimeout(end, 2000);
    else toasts.value = toasts.value.filter((one) => one.id !== id);
  };
  setTimeout(end, stays);
}

/** The region stands in the page from the start, or a screen reader misses the first one. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div class="toast" key={one.id}>
          {one.text}
        </div>
      ))}
    </div>
  );
}
