/** A price with the symbol's digits. */
export const price = (value: number, digits: number): string => value.toFixed(digits);

/** What rounds to nothing has no sign. */
const sign = (value: number, digits: number, plus: string) => (Number(value.toFixed(digits)) === 0 ? '' : value > 0 ? plus : '−');

/** A sum with its sign: never by colour alone. */
export const signed = (value: number, digits = 2): string => sign(value, digits, '+') + Math.abs(value).toFixed(digits);

/** 12345.6 → "12 345.60", with thin spaces that do not break. */
export function amount(value: number, digits = 2): string {
  const [whole, rest] = Math.abs(value).toFixed(digits).split('.') as [string, string?];
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return `${sign(value, digits, '')}${grouped}${rest ? `.${rest}` : ''}`;
}

/** Digits that a number has behind its point, however it is written: 0.00000001 is 1e-8 to a script. */
export function places(value: number): number {
  const [digits, exponent] = String(value).split('e') as [string, string?];
  return Math.max(0, (digits.split('.')[1]?.length ?? 0) - Number(exponent ?? 0));
}

/** A number as people write it: never as 1e-8. */
export const plain = (value: number): string => value.toFixed(places(value));

/** The class of a gain or a loss. */
export const tone = (value: number): string => (value > 0 ? 'up' : value < 0 ? 'down' : '');
