import { now, span, stamp, zone, zoneName } from '../lib/time';

/** How long ago, with the moment itself in reach of mouse and screen reader. */
export function Ago({ at, none = 'never' }: { at: string | null | undefined; none?: string }) {
  if (!at) return <span class="muted">{none}</span>;
  const ms = Date.parse(at);
  const away = now.value - ms;
  const exact = `${stamp(ms, zone.value === 'broker' ? 'utc' : zone.value)} ${zoneName(zone.value === 'broker' ? 'utc' : zone.value)}`;
  // Long ago is a date: nobody counts 985 days.
  const words =
    away > 60 * 86_400_000 ? exact.slice(0, 10) : away < -1500 ? `in ${span(-away)}` : away < 1500 ? 'now' : `${span(away)} ago`;
  return (
    <time class="nowrap" dateTime={at} title={exact}>
      {words}
      <span class="visually-hidden">, {exact}</span>
    </time>
  );
}
