const isFour = (address: string) =>
  /^(\d{1,3})(\.\d{1,3}){3}$/.test(address) && address.split('.').every((part) => Number(part) <= 255);

function isSix(address: string): boolean {
  const [head = '', tail, ...more] = address.split('::');
  const groups = [head, tail ?? ''].flatMap((part) => (part ? part.split(':') : []));
  // The last two groups may be written as an address of the other kind.
  const four = isFour(groups.at(-1) ?? '') && groups.pop() !== undefined;
  const count = groups.length + (four ? 2 : 0);
  return (
    more.length === 0 && groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) && (tail === undefined ? count === 8 : count < 8)
  );
}

/** Whether a text is an address or a network in CIDR notation; the hub has the last word. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const four = isFour(address);
  if (more.length || (!four && !isSix(address))) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (four ? 32 : 128));
}

/** The words of a list that people write with commas, spaces or lines between them. */
export const words = (text: string): string[] => text.split(/[\s,;]+/).filter(Boolean);

/** Why a word is no address that the hub would take; none if it is one. */
export const notNetwork = (word: string): string | undefined =>
  isNetwork(word) ? undefined : `${word} is no address and no network.`;

/** A network of one address is that address: `203.0.113.7/32` is `203.0.113.7`. */
export const short = (network: string): string => network.replace(network.includes(':') ? /\/128$/ : /\/32$/, '');
