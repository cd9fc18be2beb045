/** The Expert Advisor that goes with this hub: `MTB_EA_VERSION` of mql/Include/MtBridge/Wire.mqh, held to it by a test. */
export const EA_VERSION = '1.1.0';

const parts = (version: string) => (/^\d+(\.\d+)*$/.test(version) ? version.split('.').map(Number) : undefined);

/** Whether an Expert Advisor is older than the hub's; false of what is none, like a simulator. */
export function outdated(version: string | null | undefined, newest = EA_VERSION): boolean {
  const own = parts(version ?? '');
  if (!own) return false;
  const other = parts(newest)!;
  for (let at = 0; at < Math.max(own.length, other.length); at++) {
    const difference = (own[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
