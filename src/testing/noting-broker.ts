/** The broker of a test: in memory, by the test's clock, one store of its own. It notes what is enqueued. */
import type { EnqueueReceipt, EnqueueRequest } from "../broker/broker.ts";
import { DEFAULT_LOG_BYTES, type TaskLines } from "../broker/contract/admin.ts";
import { cancel } from "../broker/memory/cancels.ts";
import { take } from "../broker/memory/claims/claims.ts";
import type { MemoryDelivery } from "../broker/memory/claims/delivery.ts";
import { appendLogs } from "../broker/memory/logs.ts";
import { MemoryBroker } from "../broker/memory/memory-broker.ts";
import { MemoryStore } from "../broker/memory/store/store.ts";
import type { Clock } from "../concurrency/index.ts";
import { DEFAULT_QUEUE, MAX_PRIORITIES } from "../task/options/enqueue-options.ts";
import { type EnqueuedTask, enqueuedTask } from "./task-run.ts";

/** Who runs everything. */
export const EXECUTOR = "test";

/** What nobody renews must not go to somebody else, however far a test moves the clock: 100 years. */
const LEASE_MS = 100 * 365 * 24 * 3_600_000;

export class NotingBroker extends MemoryBroker {
  /** In order; what was there already is not among them. It goes with the test. */
  readonly enqueued: EnqueuedTask[] = [];
  readonly #store: MemoryStore;

  /** @param clock - its time 0 is now. */
  constructor(clock: Clock) {
    const [epoch, start] = [Date.now(), clock.now()];
    const store = new MemoryStore(() => Math.floor(epoch + clock.now() - start));
    const options = { executor: EXECUTOR, queues: [DEFAULT_QUEUE], priorities: MAX_PRIORITIES, leaseMs: LEASE_MS };
    super(EXECUTOR, options, store);
    this.#store = store;
  }

  override async enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    const receipts = await super.enqueue(requests);
    const created = requests.filter((_, index) => receipts[index]?.created === true);
    this.enqueued.push(...created.map(enqueuedTask));
    return receipts;
  }

  /** Claims from all queues, without a wait. */
  takeNow(max: number): MemoryDelivery[] {
    return take(this.#store, { executor: EXECUTOR, queues: [...this.#store.queues.keys()], leaseMs: LEASE_MS }, max);
  }

  cancelNow(id: string): void {
    cancel(this.#store, [id]);
  }

  /** Keeps a line of a task's log at once. */
  keepLine(lines: TaskLines): void {
    appendLogs(this.#store, [lines], DEFAULT_LOG_BYTES);
  }
}
