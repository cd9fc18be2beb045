import { expect, test } from 'vitest';
import { offsetAt, stamp } from '../src/lib/time';

const HOUR = 3600;
/** A day's bar that opens at the broker's midnight. */
const day = (date: string, hours: number) => {
  const broker_time = Date.parse(`${date}T00:00:00Z`) / 1000;
  return { time_msc: (broker_time - hours * HOUR) * 1000, broker_time };
};

test('days of summer and of winter both begin at the broker’s midnight, whatever its clock is today', () => {
  const bars = [day('2026-10-30', 3), day('2026-10-31', 3), day('2026-11-02', 2), day('2026-11-03', 2)];
  const written = bars.map(({ time_msc }) => stamp(time_msc, 'broker', offsetAt(bars, time_msc, 2 * HOUR)));
  expect(written).toEqual(['2026-10-30 00:00:00', '2026-10-31 00:00:00', '2026-11-02 00:00:00', '2026-11-03 00:00:00']);
});

test('a moment beside the rows has the clock of the nearest, and without one that says it today’s', () => {
  const summer = day('2026-07-01', 3);
  const winter = day('2026-12-01', 2);
  const at = (date: string) => offsetAt([summer, winter], Date.parse(date), 7 * HOUR) / HOUR;
  expect([at('2026-01-01'), at('2026-07-20'), at('2026-11-20'), at('2027-01-01')]).toEqual([3, 3, 2, 2]);
  expect(offsetAt([], 0, 5)).toBe(5);
  expect(offsetAt([{ time_msc: 1000, broker_time: null }], 1000, 5)).toBe(5);
  expect(offsetAt([{ time_msc: 1999, broker_time: HOUR + 1 }], 1999), 'whole seconds against milliseconds').toBe(HOUR);
});
