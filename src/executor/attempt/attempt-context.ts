/** What a handler is given. Everything is made only when it is asked for: most tasks ask for little. */
import type { Broker } from "../../broker/broker.ts";
import { type CancelScope, checkpoint, type Nursery } from "../../concurrency/index.ts";
import { shown } from "../../concurrency/unknown-values.ts";
import type { TaskContext, TaskInfo, TaskLog } from "../../handlers/define-task.ts";
import type { TaskMessage } from "../../task/message-schema.ts";
import { tell } from "../reports/progress-writer.ts";
import type { TaskLogs } from "../reports/task-logs.ts";
import { attemptLog } from "./attempt-log.ts";
import type { RunningTask } from "./running.ts";

export class AttemptContext implements TaskContext {
  readonly payload: unknown;
  readonly nursery: Nursery;
  readonly #running: RunningTask;
  readonly #message: TaskMessage;
  readonly #broker: Broker;
  readonly #logs: TaskLogs | null;

  /** @param logs - where the task's own log is kept; null: nowhere. */
  constructor(
    running: RunningTask,
    message: TaskMessage,
    payload: unknown,
    nursery: Nursery,
    broker: Broker,
    logs: TaskLogs | null,
  ) {
    this.#running = running;
    this.#message = message;
    this.payload = payload;
    this.nursery = nursery;
    this.#broker = broker;
    this.#logs = logs;
  }

  get task(): TaskInfo {
    const { delivery } = this.#running;
    return {
      id: this.#message.id,
      type: this.#message.type,
      queue: delivery.queue,
      priority: delivery.priority,
      queuedAt: delivery.queuedAt,
      message: this.#message.fields,
    };
  }

  get attempt(): number {
    return this.#running.attempt;
  }

  get scope(): CancelScope {
    return this.nursery.scope;
  }

  get signal(): AbortSignal {
    return this.nursery.scope.signal;
  }

  get log(): TaskLog {
    return attemptLog(this.#running, this.#message, this.#logs);
  }

  /** A function of its own, so that `run({ progress })` can take it apart. */
  get progress(): TaskContext["progress"] {
    return async (value, message) => {
      if (typeof value !== "number" || Number.isNaN(value)) {
        throw new TypeError(`progress takes a number from 0 to 1, or -1 for failed; got ${shown(value)}`);
      }
      await checkpoint(this.signal);
      // Handler files run without a type check: anything may come as a message.
      const text = typeof message === "string" ? message.toWellFormed() : shown(message ?? "");
      tell(this.#running, value, text, this.#broker.now());
    };
  }
}
