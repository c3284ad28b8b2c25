/**
 * Sees cancels within a second from any process: pushed ones at once, flags by asking. A task that has just begun is
 * asked about after `FRESH_MS`, then with all the others every `ROUND_MS`, so that short tasks cost nothing.
 */
import { getLogger } from "@logtape/logtape";
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";
import type { Attempt } from "./attempt.ts";
import { BatchedQuestion } from "./batched-question.ts";
import type { RunningAttempts } from "./running-attempts.ts";

const logger = getLogger(["taskexe", "executor"]);

/** How old an attempt is when its flag is first asked for, in ms. */
const FRESH_MS = 20;
/** Between two rounds over everything that runs, in ms. */
const ROUND_MS = 400;

export class CancelWatch {
  readonly #broker: Broker;
  readonly #running: RunningAttempts;
  readonly #flagged: BatchedQuestion<string>;

  constructor(broker: Broker, running: RunningAttempts) {
    this.#broker = broker;
    this.#running = running;
    this.#flagged = new BatchedQuestion((ids) => broker.cancelled(ids));
  }

  /**
   * Asks for one id before it is run. Waits while the broker is away: a short task would have ended before anybody
   * could ask again.
   */
  isCancelled(id: string): Promise<boolean> {
    return this.#flagged.ask(id);
  }

  /** Answers isCancelled until the signal aborts. */
  answer(signal: AbortSignal): Promise<never> {
    return this.#flagged.answer(signal);
  }

  /** Cancels what is flagged or pushed, until the signal aborts. */
  async watch(signal: AbortSignal): Promise<never> {
    const stop = this.#broker.onCancel((ids) => {
      for (const id of ids) for (const task of this.#running.withId(id)) cancel(task);
    });
    try {
      let nextRound = performance.now() + ROUND_MS;
      let asked = new WeakSet<Attempt>();
      for (;;) {
        await sleep(FRESH_MS, signal);
        const isRound = performance.now() >= nextRound;
        if (isRound) {
          nextRound = performance.now() + ROUND_MS;
          asked = new WeakSet();
        }
        const due = [...this.#running].filter(
          (task) => task.stop === null && task.message !== null && !asked.has(task),
        );
        if (due.length > 0) await ifAvailable(() => this.#ask(due, asked));
      }
    } finally {
      stop();
    }
  }

  async #ask(due: readonly Attempt[], asked: WeakSet<Attempt>): Promise<void> {
    const flagged = new Set(await this.#broker.cancelled(due.map((task) => task.message?.id ?? "")));
    for (const task of due) {
      asked.add(task);
      if (task.message !== null && flagged.has(task.message.id)) cancel(task);
    }
  }
}

function cancel(task: Attempt): void {
  if (task.stop !== null) return;
  logger.info("Cancelling {id}", { id: task.message?.id });
  task.end("cancel", "cancelled");
}
