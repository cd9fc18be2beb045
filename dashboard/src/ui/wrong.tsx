import type { ComponentChildren } from 'preact';
import { Icon } from './icon';

/** What is wrong, in a line. */
export function Wrong({ children }: { children: ComponentChildren }) {
  return (
    <p class="error">
      <Icon name="alert" /> <span>{children}</span>
    </p>
  );
}

/** The same, read out when it turns up. */
export function Alert({ what }: { what: ComponentChildren }) {
  return <div role="alert">{what && <Wrong>{what}</Wrong>}</div>;
}
