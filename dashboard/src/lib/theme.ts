import { signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
const kept = (): Theme => {
  const value = document.documentElement.dataset.theme;
  return value === 'light' || value === 'dark' ? value : 'system';
};
export const theme = signal<Theme>(kept());

export function setTheme(to: Theme): void {
  theme.value = to;
  if (to === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = to;
  try {
    if (to === 'system') localStorage.removeItem('theme');
    else localStorage.setItem('theme', to);
  } catch {
    /* storage is off: for this visit only */
  }
}
