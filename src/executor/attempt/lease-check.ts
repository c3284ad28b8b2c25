/**
 * Whether a task is still ours when its slot comes. It may have waited for that while this process or the broker stood
 * still for longer than its lease: another executor can then have run and ended it.
 */
import type { Broker, Delivery } from "../../broker/broker.ts";
import { isFresh, stampLease } from "../../broker/lease-stamp.ts";
import { BatchedQuestion } from "./batched-question.ts";

export class LeaseCheck {
  readonly #broker: Broker;
  readonly #lost: BatchedQuestion<Delivery>;

  constructor(broker: Broker) {
    this.#broker = broker;
    this.#lost = new BatchedQuestion((deliveries) => broker.renew(deliveries));
  }

  /** Whether nobody can have taken it; asks nobody. */
  isFresh({ lease }: Delivery): boolean {
    return isFresh(lease, this.#broker.leaseMs, stampLease());
  }

  /** Renews its lease; true: it has gone to another executor. Waits while the broker is away. */
  isLost(delivery: Delivery): Promise<boolean> {
    return this.#lost.ask(delivery);
  }

  /** Answers `isLost` until the signal aborts. */
  answer(signal: AbortSignal): Promise<never> {
    return this.#lost.answer(signal);
  }
}
