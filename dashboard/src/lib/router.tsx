import { signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';

/** Where the page is. The query is part of it: filters live there. */
export const where = signal(new URL(location.href));

let held = 0;

/** Keeps the page where it is until all who asked for it let go, also when somebody goes back: what it shows would be lost. */
export function hold(on: boolean): void {
  held += on ? 1 : -1;
}

addEventListener('popstate', () => {
  if (held) history.pushState(null, '', where.value);
  else where.value = new URL(location.href);
});

let arriving = false;

/** Puts the focus on the heading of a page that was gone to, once it is there: a page may have to be loaded first. */
export function arrived(): void {
  const heading = arriving ? document.querySelector<HTMLElement>('h1') : null;
  if (!heading) return;
  arriving = false;
  heading.focus();
}

/** Goes to a page; the focus goes to its heading. */
export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  const moved = where.value.pathname !== location.pathname;
  where.value = new URL(location.href);
  if (moved) arriving = true;
}

/** A link within the page; with a modifier key the browser does what it always does. */
export function Link({ href, children, ...rest }: { href: string; children: ComponentChildren } & JSX.IntrinsicElements['a']) {
  const onClick = (event: MouseEvent) => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(href);
  };
  return (
    <a href={href} onClick={onClick} {...rest}>
      {children}
    </a>
  );
}
