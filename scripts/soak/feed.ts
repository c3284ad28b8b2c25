/**
 * Enqueues what was planned and sends the cancels meanwhile, as a careful producer does: what was not answered is sent
 * again under the same ids. Then waits until nothing is queued, running or scheduled any more.
 */
import { type Broker, BrokerUnavailableError } from "../../src/broker/broker.ts";
import { sleep } from "../../src/concurrency/index.ts";
import type { TaskState } from "../../src/task/state.ts";
import type { PlannedTask } from "./kinds.ts";

const CHUNK = 200;
/** How many may wait in the queue before the producer pauses: kills should meet every stage of the soak. */
const MOST_WAITING = 3_000;
const RETRY_MS = 50;
const LOOK_MS = 250;

export interface Fed {
  /** What was enqueued; fewer than planned where the time for it was over. */
  readonly tasks: readonly PlannedTask[];
  /** What the answered cancels found. */
  readonly cancels: ReadonlyMap<string, TaskState | null>;
  /** How often a call was made again since Redis was away. */
  readonly repeated: number;
}

export class Feed {
  readonly #broker: Broker;
  readonly #signal: AbortSignal;
  readonly #cancels = new Map<string, TaskState | null>();
  #due: { readonly id: string; readonly at: number }[] = [];
  #repeated = 0;

  constructor(broker: Broker, signal: AbortSignal) {
    this.#broker = broker;
    this.#signal = signal;
  }

  /** @param feedMs - no more is enqueued after this time. */
  async run(plan: readonly PlannedTask[], feedMs: number, look: (enqueued: number) => void): Promise<Fed> {
    const until = performance.now() + feedMs;
    let enqueued = 0;
    while (enqueued < plan.length && performance.now() < until) {
      const chunk = plan.slice(enqueued, enqueued + CHUNK);
      await this.#surely(() => this.#broker.enqueue(chunk.map(({ request }) => request)));
      enqueued += chunk.length;
      const now = performance.now();
      for (const { id, cancelAfterMs } of chunk)
        if (cancelAfterMs !== null) this.#due.push({ id, at: now + cancelAfterMs });
      look(enqueued);
      while ((await this.#waiting()) > MOST_WAITING) {
        await this.#sendCancels();
        await sleep(LOOK_MS, this.#signal);
      }
      await this.#sendCancels();
    }
    return { tasks: plan.slice(0, enqueued), cancels: this.#cancels, repeated: this.#repeated };
  }

  /** Waits until all has ended. @throws Error when the number of open tasks has not fallen for `stuckMs`. */
  async drained(stuckMs: number, look: (open: number) => void): Promise<void> {
    let least = Number.POSITIVE_INFINITY;
    let movedAt = performance.now();
    let empty = 0;
    // Counts are not one instant: a task that is being queued may be in neither. Three looks in a row are believed.
    while (empty < 3 || this.#due.length > 0) {
      await this.#sendCancels();
      const open = await this.#waiting();
      look(open);
      empty = open === 0 ? empty + 1 : 0;
      if (open < least) {
        least = open;
        movedAt = performance.now();
      } else if (open > 0 && performance.now() - movedAt > stuckMs) {
        throw new Error(`nothing ended for ${stuckMs} ms; ${open} tasks are still open`);
      }
      await sleep(LOOK_MS, this.#signal);
    }
  }

  async #waiting(): Promise<number> {
    const counts = await this.#surely(() => this.#broker.counts());
    return counts.reduce((sum, { queued, running, scheduled }) => sum + queued + running + scheduled, 0);
  }

  async #sendCancels(): Promise<void> {
    const now = performance.now();
    const due = this.#due.filter(({ at }) => at <= now);
    if (due.length === 0) return;
    this.#due = this.#due.filter(({ at }) => at > now);
    const receipts = await this.#surely(() => this.#broker.cancel(due.map(({ id }) => id)));
    for (const { id, state } of receipts) this.#cancels.set(id, state);
  }

  async #surely<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
      }
      this.#repeated++;
      await sleep(RETRY_MS, this.#signal);
    }
  }
}
