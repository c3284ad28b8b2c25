/**
 * What comes in, for metrics. Of a batch of one queue and one priority the first was queued first and the last last:
 * where both have waited about as long (the same bucket), so has each between them, and none is looked at one by one.
 */
import type { Broker, Delivery } from "../../broker/broker.ts";
import type { TaskSeries } from "../../metrics/task-series.ts";

export class CountedIntake {
  readonly #tasks: TaskSeries;
  readonly #clock: Pick<Broker, "now">;

  constructor(tasks: TaskSeries, clock: Pick<Broker, "now">) {
    this.#tasks = tasks;
    this.#clock = clock;
  }

  claimed(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return;
    const now = this.#clock.now();
    let from = 0;
    for (let to = 1; to <= deliveries.length; to++) {
      if (to < deliveries.length && isOneLine(deliveries[from], deliveries[to])) continue;
      this.#line(deliveries, from, to, now);
      from = to;
    }
  }

  reclaimed(deliveries: readonly Delivery[]): void {
    for (const { queue } of deliveries) this.#tasks.reclaimed(queue);
  }

  /** Those of one line, from the longest wait to the shortest. */
  #line(deliveries: readonly Delivery[], from: number, to: number, now: number): void {
    const first = deliveries[from];
    const last = deliveries[to - 1];
    if (first === undefined || last === undefined) return;
    const [longest, shortest] = [waited(first, now), waited(last, now)];
    const count = to - from;
    const mean = longest === null || shortest === null ? null : (longest + shortest) / 2;
    if (count === 1 || mean === null || this.#tasks.isAlike(longest ?? 0, shortest ?? 0)) {
      this.#tasks.claimed(first.queue, count, mean);
      return;
    }
    for (const delivery of deliveries.slice(from, to)) this.#tasks.claimed(delivery.queue, 1, waited(delivery, now));
  }
}

function isOneLine(one: Delivery | undefined, other: Delivery | undefined): boolean {
  return one?.queue === other?.queue && one?.priority === other?.priority;
}

/** In seconds, from when it was queued; null: that is not known. */
function waited({ queuedAt }: Delivery, now: number): number | null {
  return queuedAt === null ? null : Math.max(0, now - queuedAt) / 1_000;
}
