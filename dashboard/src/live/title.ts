// The title of the tab tells what is wrong, so that it is seen from another one.
import { effect, signal } from '@preact/signals';
import type { Token } from '../api/types';
import { absent } from '../lib/tokens';
import { phase } from './socket';

/** What the tab is called when nothing is wrong. */
export const pageTitle = signal('mtbridge');

/** "(2 offline) mtbridge" */
export function titled(name: string, link: string, list: Token[]): string {
  if (link === 'down') return `(no link) ${name}`;
  const offline = list.filter(absent).length;
  return offline ? `(${offline} offline) ${name}` : name;
}

/** Keeps the title true until it is told to end. */
export function followTitle(list: () => Token[]): () => void {
  const end = effect(() => {
    document.title = titled(pageTitle.value, phase.value, list());
  });
  return () => {
    end();
    document.title = pageTitle.value;
  };
}
