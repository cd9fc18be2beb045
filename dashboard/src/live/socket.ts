import { signal } from '@preact/signals';
export type Phase = 'connecting' | 'live' | 'stale' | 'down';
export const phase = signal<Phase>('connecting');
export const staleSince = signal(0);
export interface Wish { topic: string; terminal?: string; symbol?: string; timeframe?: string }
export function subscribe(_wish: Wish, _heard: (data: unknown) => void, _gap?: () => void): () => void { return () => undefined; }
export function retry(): void {}
export function start(): void {}
export function stop(): void {}
