/** How many took at most so long, and longer than the row before. */
export interface Row {
  le_ms: number;
  count: number;
}

/** Milliseconds as people read them. */
export const millis = (value: number): string =>
  value < 10 ? `${Number(value.toFixed(1))} ms` : value < 10_000 ? `${Math.round(value)} ms` : `${Math.round(value / 1000)} s`;

/** At most so many rows, by taking neighbours together: each keeps its upper edge, and no sample is lost. */
export function fewer(rows: Row[], most = 12): Row[] {
  const together = Math.ceil(rows.length / most);
  if (together < 2) return rows;
  return rows.flatMap((row, at) => {
    const ends = at % together === together - 1 || at === rows.length - 1;
    if (!ends) return [];
    const from = at - (at % together);
    return { le_ms: row.le_ms, count: rows.slice(from, at + 1).reduce((sum, { count }) => sum + count, 0) };
  });
}
