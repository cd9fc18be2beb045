import { signal, type Signal } from '@preact/signals';
import { hub, ok, sentence } from '../../api/client';
import type { Account, AccountFigures, Order, Position, Quote } from '../../api/types';
import { subscribe } from '../../live/socket';

/** What is known of one terminal, and since when; a part that could not be read says why. */
export interface Known<T> {
  value: T;
  at: number;
}

/** The live figures of one terminal: what its subscriptions bring, each the newest only. */
export class Feed {
  readonly account: Signal<Known<AccountFigures> | undefined> = signal(undefined);
  readonly positions: Signal<Known<Position[]> | undefined> = signal(undefined);
  readonly orders: Signal<Known<Order[]> | undefined> = signal(undefined);
  readonly failure = signal('');
  readonly #ends: (() => void)[];

  constructor(
    readonly terminal: string,
    readonly of: Account,
  ) {
    const part = <T>(topic: string, into: Signal<Known<T> | undefined>) =>
      subscribe({ topic, terminal, account: of }, (message) => {
        // Events of the topic come here too; only a state is the whole of it. Without data it says why, and what is known stays.
        if (message.type === 'state' && message.data !== null) into.value = { value: message.data as T, at: Date.now() };
      });
    this.#ends = [
      part('account', this.account),
      part<Position[]>('positions', this.positions),
      part<Order[]>('orders', this.orders),
    ];
    void this.read();
  }

  /** Reads all of it now: at the start, and after something was done. */
  async read(): Promise<void> {
    const params = { path: { terminal: this.terminal } };
    const at = Date.now();
    try {
      const [account, positions, orders] = await Promise.all([
        ok(hub.GET('/api/v1/terminals/{terminal}/account', { params })),
        ok(hub.GET('/api/v1/terminals/{terminal}/positions', { params })),
        ok(hub.GET('/api/v1/terminals/{terminal}/orders', { params })),
      ]);
      this.account.value = { value: account, at };
      this.positions.value = { value: positions.data, at };
      this.orders.value = { value: orders.data, at };
      this.failure.value = '';
    } catch (error) {
      this.failure.value = sentence(error);
    }
  }

  /** The newest quote of a symbol, until the returned function is called. */
  quote(symbol: string, heard: (quote: Quote) => void): () => void {
    return subscribe(
      { topic: 'quotes', terminal: this.terminal, account: this.of, symbol },
      ({ data }) => data && heard(data as Quote),
    );
  }

  close(): void {
    for (const end of this.#ends) end();
  }
}
