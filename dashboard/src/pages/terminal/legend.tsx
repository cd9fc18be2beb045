import type { Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Overlay } from './overlays';

interface Props {
  overlays: Overlay[];
  hidden: Signal<Set<string>>;
  when: (ms: number) => string;
  digits: number;
}

/** A value of an indicator: a price as prices are written, anything else short. */
const written = ({ apart, last }: Overlay, digits: number) =>
  last && (apart ? String(Number(last.value.toPrecision(6))) : last.value.toFixed(digits));

/** Its colour is the bot's choice; it is set by the object model, as the page's policy wants. */
function Dot({ color }: { color: string }) {
  const dot = useRef<HTMLSpanElement>(null);
  useEffect(() => dot.current?.style.setProperty('background', color), [color]);
  return <span ref={dot} class="dot" aria-hidden="true" />;
}

/** What bots draw on the chart: whose it is, its newest value, and what of it could not be drawn. Each can be hidden. */
export function Legend({ overlays, hidden, when, digits }: Props) {
  if (overlays.length === 0) return null;
  const toggle = (id: string) => {
    const next = new Set(hidden.value);
    if (!next.delete(id)) next.add(id);
    hidden.value = next;
  };
  return (
    <ul class="legend" aria-label="Indicators">
      {overlays.map((one) => (
        <li key={one.id}>
          <button type="button" class="chip" aria-pressed={!hidden.value.has(one.id)} onClick={() => toggle(one.id)}>
            <Dot color={one.color} /> {one.name}
          </button>
          <span class="small">
            by {one.by}
            {one.last && (
              <>
                {' · '}
                <strong>{written(one, digits)}</strong> at {when(one.last.time_msc)}
              </>
            )}
            {one.apart && ' · in a pane of its own'}
            {one.missing && ' · not drawn: too much for one chart'}
            {one.outside > 0 && (
              <span class="muted">
                {' · '}
                {one.outside} {one.outside === 1 ? 'point' : 'points'} outside the chart
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
