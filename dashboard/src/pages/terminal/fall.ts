// How far money fell from a height. What was paid in or taken out is no gain and no fall.

/** Less is the noise of sums. */
const NOISE = 0.005;

/** The deepest fall of something that is worth so much from time to time. */
export class Fall {
  /** In money. */
  fall = 0;
  /** Of what the height was worth by then; not known of a height of nothing. */
  percent: number | undefined;
  #peak = Number.NEGATIVE_INFINITY;
  /** The height, grown and shrunk in proportion by what was paid in or taken out: 10 % below it stays 10 %. */
  #scaled = Number.NEGATIVE_INFINITY;
  #value = Number.NaN;

  /** Money comes or goes. */
  pay(cash: number): void {
    const after = this.#value + cash;
    this.#peak += cash;
    this.#scaled = this.#value > 0 && after > 0 ? (this.#scaled * after) / this.#value : Number.NEGATIVE_INFINITY;
    this.#value = after;
  }

  /** It was worth so much. */
  low(value: number): void {
    if (this.#peak - value > this.fall + NOISE) {
      this.fall = this.#peak - value;
      this.percent = this.#scaled > 0 ? 100 * (1 - value / this.#scaled) : undefined;
    }
    this.#value = value;
  }

  /** It was worth as much as that. */
  high(value: number): void {
    this.#peak = Math.max(this.#peak, value);
    this.#scaled = Math.max(this.#scaled, value);
  }
}
