// When the session ends if nothing is done, and when in any case; by the browser's clock. The hub decides: this only tells it before.
import { computed, signal } from '@preact/signals';
import type { Session } from '../api/types';
import { answered } from '../api/client';
import { now, skew } from './time';

/** How long before its end it is told: two minutes, or a third of a shorter session. */
const WARNING_MS = 120_000;

const known = signal<{ idle: number; absolute: number } | null>(null);

/** Learns both ends from an answer that the hub gave at `hubTime`. */
export function learnEnds(session: Session, hubTime: number): void {
  const times = session.session;
  known.value = times && {
    idle: Date.parse(times.idle_expires_at) - hubTime,
    absolute: Date.now() + Date.parse(times.expires_at) - hubTime,
  };
}

/** When it ends by what is known now, and whether being active puts that off; null: never, or nobody is signed in. */
export const end = computed(() => {
  if (!known.value) return null;
  const { idle, absolute } = known.value;
  const unused = answered.value + idle;
  return { at: Math.min(unused, absolute), extends: unused < absolute, warning: Math.min(WARNING_MS, idle / 3) };
});

/** Milliseconds until the end, once it is so near that it is told; else null. */
export const remaining = computed(() => {
  const left = end.value && end.value.at - (now.value - skew.value);
  return left !== null && left <= end.value!.warning ? left : null;
});

/** Puts the end off while somebody is at the page: at their first key or touch after a minute in which nothing was asked of the hub. */
export function watchActivity(extend: () => void): () => void {
  const seen = () => {
    const idle = known.value?.idle ?? Number.POSITIVE_INFINITY;
    if (end.value?.extends && Date.now() - answered.value > Math.min(60_000, idle / 6)) extend();
  };
  addEventListener('pointerdown', seen, true);
  addEventListener('keydown', seen, true);
  return () => {
    removeEventListener('pointerdown', seen, true);
    removeEventListener('keydown', seen, true);
  };
}
