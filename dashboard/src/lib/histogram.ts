/** Upper bounds in milliseconds, each about twice the one before. */
const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, Infinity];

/** How many samples fell where; empty ends are left out. */
export function histogram(samples: number[]): { label: string; count: number }[] {
  const counts = BOUNDS.map(
    (bound, index) => samples.filter((sample) => sample <= bound && sample > (BOUNDS[index - 1] ?? -1)).length,
  );
  const first = counts.findIndex((count) => count > 0);
  const last = counts.findLastIndex((count) => count > 0);
  if (first < 0) return [];
  return counts.slice(first, last + 1).map((count, index) => {
    const bound = BOUNDS[first + index]!;
    return { label: bound === Infinity ? '> 1000 ms' : `≤ ${bound} ms`, count };
  });
}

/** The value that `share` of the samples do not exceed (nearest rank). */
export function quantile(samples: number[], share: number): number | undefined {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
