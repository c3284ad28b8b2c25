/**
 * What comes in, for metrics. Of a batch of one queue and one priority the first was queued first and the last last:
 * where both have waited about as long (the same bucket), so has each between them, and none is looked at one by one.
 * Each delivery is told when it came, for the record of its task.
 */
import type { Broker, Delivery } from "../../broker/broker.ts";
import type { Arrival } from "../../broker/contract/consumer.ts";
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
      const arrival: Arrival = { at: now, waitedSeconds: mean };
      for (let at = from; at < to; at++) note(deliveries[at], arrival);
      return;
    }
    for (const delivery of deliveries.slice(from, to)) {
      const waitedSeconds = waited(delivery, now);
      this.#tasks.claimed(delivery.queue, 1, waitedSeconds);
      note(delivery, { at: now, waitedSeconds });
    }
  }
}

function isOneLine(one: Delivery | undefined, other: Delivery | undefined): boolean {
  return one?.queue === other?.queue && one?.priority === other?.priority;
}

function note(delivery: Delivery | undefined, arrival: Arrival): void {
  if (delivery !== undefined) delivery.arrival = arrival;
}

/** In seconds, from when it was queued; null: that is not known. */
function waited({ queuedAt }: Delivery, now: number): number | null {
  return queuedAt === null ? null : Math.max(0, now - queuedAt) / 1_000;
}
