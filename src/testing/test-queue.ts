/**
 * A queue in memory for tests: a client enqueues, cancels, looks and waits as it does with any broker, and nothing runs
 * until the test drains the queue. All queues and priorities are in one place; each TestQueue has a store of its own.
 */
import { Client } from "../client/client.ts";
import { type Clock, openRoot, systemClock } from "../concurrency/index.ts";
import type { ExecutorOptions } from "../executor/options.ts";
import { builtinRegistry } from "../handlers/builtin.ts";
import type { TaskDefinition } from "../handlers/define-task.ts";
import { MAX_PRIORITIES } from "../task/options/enqueue-options.ts";
import { Attempts } from "./attempts.ts";
import { EXECUTOR, NotingBroker } from "./noting-broker.ts";
import type { EnqueuedTask, TaskRun } from "./task-run.ts";

const DAY_MS = 24 * 3_600_000;

export interface TestQueueOptions {
  /** The handlers that are there, beside the built-in ones (noop, echo, sleep, fail). */
  readonly tasks?: readonly TaskDefinition[];
  /** The time of everything: delays, deadlines, timeouts, and what handlers sleep. Default: the machine's. */
  readonly clock?: Clock;
  /** How many attempts run side by side; default 5. */
  readonly concurrency?: number;
  /** Whatever else an executor's settings say of tasks: attempts, backoff, timeoutMs, graceMs, retentionMs. */
  readonly defaults?: Partial<Pick<ExecutorOptions, "attempts" | "backoff" | "timeoutMs" | "graceMs" | "retentionMs">>;
}

export class TestQueue implements AsyncDisposable {
  /** As `connect` gives one. */
  readonly client: Client;
  readonly #broker: NotingBroker;
  readonly #attempts: Attempts;
  readonly #clock: Clock;
  readonly #concurrency: number;

  private constructor(broker: NotingBroker, { tasks = [], clock, concurrency = 5, defaults = {} }: TestQueueOptions) {
    const { retentionMs = DAY_MS } = defaults;
    const handlers = builtinRegistry();
    for (const definition of tasks) handlers.add(definition, "the test");
    const options = { name: EXECUTOR, version: "0", concurrency, graceMs: 30_000, ...defaults };
    this.client = new Client({ broker, retentionMs, priorities: MAX_PRIORITIES, waitMs: 30_000, maxWaiting: 10_000 });
    this.#broker = broker;
    this.#attempts = new Attempts(broker, handlers, options);
    this.#clock = clock ?? systemClock;
    this.#concurrency = concurrency;
  }

  /**
   * Opens one that is empty. Say `await using queue = await TestQueue.open({ tasks: [...] })`, or close it.
   *
   * @throws DuplicateHandlerError where two definitions have one type.
   */
  static async open(options: TestQueueOptions = {}): Promise<TestQueue> {
    const { clock = systemClock } = options;
    const broker = new NotingBroker(clock);
    await broker.open(openRoot({ clock }).signal);
    return new TestQueue(broker, options);
  }

  /**
   * Works off all that is due, also what is enqueued meanwhile. What is due later, a delayed task or the next attempt
   * of a failed one, stays: move the clock and drain again.
   *
   * @param most - after so many attempts something enqueues itself for ever; default 10 000.
   * @returns the attempts, in the order of their ends.
   * @throws Error after that many.
   */
  async drain({ most = 10_000 }: { readonly most?: number } = {}): Promise<TaskRun[]> {
    const root = openRoot({ clock: this.#clock });
    const runs: TaskRun[] = [];
    for (;;) {
      await this.#broker.promote(Number.MAX_SAFE_INTEGER);
      const deliveries = this.#broker.takeNow(this.#concurrency);
      if (deliveries.length === 0) return runs;
      runs.push(...(await this.#attempts.run(deliveries, root)));
      if (runs.length < most) continue;
      throw new Error(`the queue was not empty after ${most} attempts: does a task enqueue itself for ever?`);
    }
  }

  /** Everything that was enqueued, by the test and by tasks, in order. */
  enqueued(): readonly EnqueuedTask[] {
    return [...this.#broker.enqueued];
  }

  /** Closes the client, too. */
  async close(): Promise<void> {
    await this.client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
