import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icon';

/** Nothing here yet, and what to do about it. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Rows that are on their way: at the first load only. */
export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <div class="stack" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <div class="card" key={row}>
          <div class="skeleton" />
        </div>
      ))}
    </div>
  );
}

/** What went wrong, beside where it did. */
export function Failed({ what, again }: { what: string; again?: () => void }) {
  return (
    <div class="note bad row" role="alert">
      <Icon name="alert" />
      <span>{what}</span>
      {again && (
        <button type="button" onClick={again}>
          <Icon name="refresh" /> Try again
        </button>
      )}
    </div>
  );
}
