/**
 * The broker's figures, for all who look at this executor: read while somebody does, once a second for all of them, and
 * kept with the time of that. Nobody waits for a broker that is away, and nothing is read while nobody looks; the
 * history does, every 10 s, where HTTP is served.
 */
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import type { BrokerFigures } from "../../broker/contract/admin.ts";
import { Latch, moveOnAfter, openRoot, sleep } from "../../concurrency/index.ts";
import { type SeenQueues, seenQueues } from "../../operations/queues.ts";

/** Between two reads, in ms. */
const REFRESH_MS = 1_000;
/** How long a look waits for them at the most, in ms. */
const LOOK_MS = 500;

/** What was read at one time. */
export interface SeenBroker extends SeenQueues {
  /** Of these queues, in their order. */
  readonly figures: BrokerFigures;
  /** Unix ms on the broker's clock; null: nothing was ever read. */
  readonly countedAt: number | null;
}

const NOTHING: SeenBroker = {
  ...{ queues: [], own: 0, leftOut: 0, fleet: [], paused: [], countedAt: null },
  figures: { oldest: [], gauges: [] },
};

export class BrokerLook {
  readonly #broker: Broker;
  #seen = NOTHING;
  /** When it was read, on the monotonic clock. */
  #readAt = Number.NEGATIVE_INFINITY;
  #wanted = new Latch();
  #answered = new Latch();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  get seen(): SeenBroker {
    return this.#seen;
  }

  /** How long ago it was read, in ms. */
  get ageMs(): number {
    return performance.now() - this.#readAt;
  }

  /** Has it read, soon. */
  want(): void {
    this.#wanted.set();
  }

  /** Waits until it is of this second, if it can be had soon. */
  async look(): Promise<void> {
    this.want();
    if (this.ageMs <= REFRESH_MS || this.#broker.connection().state !== "connected") return;
    await moveOnAfter(openRoot(), LOOK_MS, ({ signal }) => this.#answered.wait(signal));
  }

  /** Reads whenever somebody looks, until the signal aborts. */
  async refresh(signal: AbortSignal): Promise<never> {
    const broker = this.#broker;
    for (;;) {
      await this.#wanted.wait(signal);
      this.#wanted = new Latch();
      await ifAvailable(async () => {
        const seen = await seenQueues(broker);
        const figures = await broker.figures(seen.queues.map(({ name }) => name));
        this.#seen = { ...seen, figures, countedAt: broker.now() };
        this.#readAt = performance.now();
      });
      this.#answered.set();
      this.#answered = new Latch();
      await sleep(REFRESH_MS, signal);
    }
  }
}
