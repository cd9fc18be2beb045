/** Whether a text is an address or a network in CIDR notation; the hub has the last word. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  if (more.length) return false;
  const four = /^(\d{1,3})(\.\d{1,3}){3}$/.test(address) && address.split('.').every((part) => Number(part) <= 255);
  const six = !four && address.includes(':') && /^[0-9a-f:.]+$/i.test(address) && address.split('::').length <= 2 && address.split(':').length <= 8;
  if (!four && !six) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (four ? 32 : 128));
}

/** The words of a list that people write with commas, spaces or lines between them. */
export const words = (text: string): string[] => text.split(/[\s,;]+/).filter(Boolean);
