import type { ComponentChildren } from 'preact';

/** What is known of a thing, a line each; what is not there is left out. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="pairs">
      {of
        .filter(([, what]) => what !== null && what !== undefined && what !== '' && what !== false)
        .map(([name, what]) => [<dt key={name}>{name}</dt>, <dd key={`${name}:`}>{what}</dd>])}
    </dl>
  );
}
