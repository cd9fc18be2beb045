import type { Plan, PlanRow } from '../api/types';

export const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
/** 1,000: as the rest of the page writes numbers, whatever the browser's language. */
export const count = (number: number): string => number.toLocaleString('en-US');

/** "1,000 an hour, 20 at once" */
export const grants = (row: Pick<PlanRow, 'requests_per_hour' | 'concurrent'>): string =>
  row.requests_per_hour === null || row.concurrent === null
    ? 'no limit'
    : `${count(row.requests_per_hour)} an hour, ${count(row.concurrent)} at once`;

/** The smallest first, as the hub lists them. */
const ORDER: Plan[] = ['free', 'pro', 'enterprise', 'unlimited'];
export const below = (one: Plan, other: Plan): boolean => ORDER.indexOf(one) < ORDER.indexOf(other);
