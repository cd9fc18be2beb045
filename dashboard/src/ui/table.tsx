// Tables that are cards on a phone. There they are no tables to a browser any more, so each part says what it is.
import type { ComponentChildren } from 'preact';

/** What a column is called, and how it stands: `num` to the right, or by a class of its own. */
export type Column = [name: string, className?: string];

interface HeadProps {
  names: Column[];
  /** What the last column is for, which shows no name; none where there is no such column. */
  last?: string;
  lastClass?: string;
  /** What stands beside a name. */
  beside?: (name: string) => ComponentChildren;
}

export function Head({ names, last = 'Actions', lastClass, beside }: HeadProps) {
  return (
    <thead role="rowgroup">
      <tr role="row">
        {names.map(([name, className]) => (
          <th key={name} role="columnheader" scope="col" class={className}>
            {name}
            {beside?.(name)}
          </th>
        ))}
        {last && (
          <th role="columnheader" scope="col" class={lastClass}>
            <span class="visually-hidden">{last}</span>
          </th>
        )}
      </tr>
    </thead>
  );
}

interface Props {
  label: string;
  names: Column[];
  last?: string;
  class?: string;
  /** The rows. */
  children: ComponentChildren;
  foot?: ComponentChildren;
}

export function Table({ label, names, last, class: more = '', children, foot }: Props) {
  return (
    <table class={`table cards-on-phone ${more}`} role="table" aria-label={label}>
      <Head names={names} last={last} />
      <tbody role="rowgroup">{children}</tbody>
      {foot}
    </table>
  );
}

/** A figure; on a phone the label stands before it. */
export function Num({ label, class: more = '', children }: { label?: string; class?: string; children: ComponentChildren }) {
  return (
    <td role="cell" class={`num ${more}`} data-label={label}>
      {children}
    </td>
  );
}
