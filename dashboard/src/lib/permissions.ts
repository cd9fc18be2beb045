import type { Permission } from '../api/types';

/** Every permission, in groups as people think of them; those that can move money stand apart. */
export const GROUPS: { name: string; risk?: string; permissions: [Permission, string][] }[] = [
  {
    name: 'Prices',
    permissions: [
      ['read:bars', 'Bars'],
      ['read:quotes', 'Quotes, ticks and depth'],
      ['read:symbols', 'Symbols'],
    ],
  },
  {
    name: 'Account',
    permissions: [
      ['read:account', 'Terminals, balance and margin'],
      ['read:positions', 'Open positions and orders'],
      ['read:history', 'Closed trades'],
    ],
  },
  {
    name: 'Indicators',
    permissions: [
      ['write:indicators', 'Submit'],
      ['read:indicators', 'Read'],
      ['delete:indicators', 'Delete'],
    ],
  },
  {
    name: 'Trading',
    risk: 'These move money. Leave them off for a bot that only looks.',
    permissions: [
      ['trade:reduce', 'Close, cancel, kill switch'],
      ['trade:write', 'Open and change; includes closing'],
    ],
  },
  {
    name: 'Administration',
    risk: 'Whoever has this can make tokens and keys, and grant themselves everything.',
    permissions: [['admin', 'Everything']],
  },
];

/** Least first. */
export const PRESETS: { name: string; about: string; permissions: Permission[] }[] = [
  {
    name: 'Read only',
    about: 'Prices and the account; sends nothing',
    permissions: ['read:bars', 'read:quotes', 'read:symbols', 'read:account', 'read:positions', 'read:history'],
  },
  {
    name: 'Indicators',
    about: 'Bars in, signals out: what a new key is when nobody says otherwise',
    permissions: ['read:bars', 'write:indicators', 'read:indicators', 'delete:indicators'],
  },
  {
    name: 'Trading',
    about: 'Reads everything, and trades',
    permissions: [
      'read:bars',
      'read:quotes',
      'read:symbols',
      'read:account',
      'read:positions',
      'read:history',
      'trade:reduce',
      'trade:write',
    ],
  },
];

export const trades = (permissions: string[]): boolean => permissions.some((one) => one === 'admin' || one.startsWith('trade:'));

/** What they allow, a group to a line: "Prices: bars, quotes, ticks and depth". */
export function inWords(permissions: Permission[]): string[] {
  if (permissions.includes('admin')) return ['Everything, also make keys, tokens and users'];
  return GROUPS.flatMap((group) => {
    const held = group.permissions
      .filter(([one]) => permissions.includes(one))
      .map(([, label]) => label.split(';')[0]!.toLowerCase());
    return held.length ? [`${group.name}: ${held.join(', ')}`] : [];
  });
}
