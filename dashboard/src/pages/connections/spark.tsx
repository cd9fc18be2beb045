import { millis } from '../../lib/tokens';

const [W, H] = [240, 44];

/** A line of the last values, from nought up; its words are for whoever does not see it. */
export function Spark({ values }: { values: readonly number[] }) {
  if (values.length < 2) return <p class="small muted">A line appears here after a few measurements.</p>;
  const top = Math.max(...values) * 1.1 || 1;
  const x = (at: number) => ((at / (values.length - 1)) * (W - 6) + 3).toFixed(1);
  const y = (value: number) => (H - 2 - (value / top) * (H - 4)).toFixed(1);
  const line = values.map((value, at) => `${x(at)},${y(value)}`).join(' ');
  const last = values.at(-1)!;
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${W} ${H}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`The last ${values.length} round trips: from ${millis(Math.min(...values))} to ${millis(Math.max(...values))}, now ${millis(last)}`}
    >
      <polygon points={`3,${H} ${line} ${W - 3},${H}`} />
      <polyline points={line} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
