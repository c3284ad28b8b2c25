/**
 * Queues scheduled and retrying tasks as they come due: looks when the broker said that the next one is, when a retry
 * of our own is, and twice a second, since others may have scheduled something meanwhile.
 */
import { getLogger } from "@logtape/logtape";
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, Latch, moveOnAfter } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

/** The longest pause between two looks, in ms. */
const LONGEST_PAUSE_MS = 500;
const SHORTEST_PAUSE_MS = 5;
/**
 * How many are queued in one go: more would hold Redis for long; in a file of our own each go has a flush to the disk.
 */
const BATCH = 200;
const LOCAL_BATCH = 1_000;

/** The part of a broker that it needs. */
export type PromoterBroker = Pick<Broker, "promote"> & Partial<Pick<Broker, "isRemote">>;

export class Promoter {
  readonly #broker: PromoterBroker;
  /** When it looks next, on the monotonic clock. */
  #lookAt = 0;
  #moved = new Latch();

  constructor(broker: PromoterBroker) {
    this.#broker = broker;
  }

  /** A task comes due in so many ms: look by then. */
  expect(inMs: number): void {
    const at = performance.now() + inMs;
    if (at >= this.#lookAt) return;
    this.#lookAt = at;
    this.#moved.set();
  }

  /** Looks until the scope is cancelled. A broker that is away only means another look. */
  async run(scope: CancelScope): Promise<never> {
    const batch = this.#broker.isRemote === false ? LOCAL_BATCH : BATCH;
    for (;;) {
      this.#lookAt = performance.now() + LONGEST_PAUSE_MS;
      await ifAvailable(async () => {
        const { promoted, nextInMs, refused = [] } = await this.#broker.promote(batch);
        for (const { id, reason } of refused) logger.error("{id} cannot be queued just now: {reason}", { id, reason });
        if (promoted >= batch) this.expect(0);
        else if (nextInMs !== null) this.expect(Math.max(nextInMs, SHORTEST_PAUSE_MS));
      });
      await this.#pause(scope);
    }
  }

  async #pause(scope: CancelScope): Promise<void> {
    do {
      this.#moved = new Latch();
      const pauseMs = Math.max(0, this.#lookAt - performance.now());
      await moveOnAfter(scope, pauseMs, ({ signal }) => this.#moved.wait(signal));
    } while (performance.now() < this.#lookAt);
  }
}
