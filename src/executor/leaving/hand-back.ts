/**
 * What goes back unrun, for others to take at once: what waited for its slot at a drain, and what was stopped by it;
 * and what may not begin here beside a suspect. Its leases are kept until it has gone.
 */
import { getLogger } from "@logtape/logtape";
import { untilAvailable } from "../../broker/availability.ts";
import type { Broker, Delivery } from "../../broker/broker.ts";
import { type CancelScope, Latch, moveOnAfter } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

export class HandBack {
  readonly #broker: Pick<Broker, "release">;
  #waiting: Delivery[] = [];
  #some = new Latch();

  constructor(broker: Pick<Broker, "release">) {
    this.#broker = broker;
  }

  add(...deliveries: readonly Delivery[]): void {
    this.#waiting.push(...deliveries);
    this.#some.set();
  }

  deliveries(): readonly Delivery[] {
    return this.#waiting;
  }

  /** Hands back whatever is added, at once, until the scope is cancelled. @param limitMs - as of `release`. */
  async run(scope: CancelScope, limitMs: number): Promise<never> {
    for (;;) {
      await this.#some.wait(scope.signal);
      this.#some = new Latch();
      await this.release(scope, limitMs);
    }
  }

  /** Hands back what has been added. @param limitMs - a broker that is away is waited for no longer. */
  async release(scope: CancelScope, limitMs: number): Promise<void> {
    const deliveries = this.#waiting;
    this.#waiting = [];
    const count = deliveries.length;
    if (count === 0) return;
    const handed = await moveOnAfter(scope, limitMs, ({ signal }) =>
      untilAvailable(() => this.#broker.release(deliveries), signal),
    );
    if (handed.cancelled) {
      logger.warn("{count} task(s) could not be handed back: others take them when the lease is over", { count });
    } else {
      logger.info("Handed {count} task(s) back", { count });
    }
  }
}
