/** What `run` is given. Everything is made only when it is asked for: most tasks ask for little. */
import { type CancelScope, checkpoint, type Nursery } from "../../concurrency/index.ts";
import { shown } from "../../concurrency/unknown-values.ts";
import type { AnyTask } from "../../task/message/task-type.ts";
import type { EnqueueOptions } from "../../task/options/enqueue-options.ts";
import type { TaskContext, TaskInfo, TaskLog } from "../define-task.ts";
import type { CodeAttempt } from "../handler.ts";
import { taskLog } from "./task-log.ts";

export class TaskContextOf implements TaskContext {
  readonly payload: unknown;
  readonly nursery: Nursery;
  readonly #attempt: CodeAttempt;

  /** @param payload - as the schema gave it. */
  constructor(attempt: CodeAttempt, payload: unknown, nursery: Nursery) {
    this.#attempt = attempt;
    this.payload = payload;
    this.nursery = nursery;
  }

  get task(): TaskInfo {
    return this.#attempt.task;
  }

  get attempt(): number {
    return this.#attempt.attempt;
  }

  get traceparent(): string | null {
    return this.#attempt.trace?.traceparent ?? null;
  }

  get tracestate(): string | null {
    return this.#attempt.trace?.tracestate ?? null;
  }

  get scope(): CancelScope {
    return this.nursery.scope;
  }

  get signal(): AbortSignal {
    return this.nursery.scope.signal;
  }

  get log(): TaskLog {
    return taskLog(this.#attempt);
  }

  get enqueue(): TaskContext["enqueue"] {
    return async (task: AnyTask, payload?: unknown, options?: EnqueueOptions) => {
      // Loaded with the first one: most handlers enqueue nothing.
      const { writeChild } = await import("../../task/message/child-task.ts");
      const { head, payload: written } = await writeChild(task, payload, options);
      const [enqueued] = await this.#attempt.enqueue([{ ...head, payload: written }]);
      if (enqueued === undefined) throw new Error("nothing was said of the task that was enqueued");
      return enqueued;
    };
  }

  /** A function of its own, as those below. */
  get lock(): TaskContext["lock"] {
    return async (name, { scope = this.scope, ...options } = {}, body) => {
      const { holdLock } = await import("./hold-lock.ts");
      return holdLock({ attempt: this.#attempt, scope }, name, options, body);
    };
  }

  /** A function of its own, so that `run({ progress })` can take it apart. */
  get progress(): TaskContext["progress"] {
    return async (value, message) => {
      if (typeof value !== "number" || Number.isNaN(value)) {
        throw new TypeError(`progress takes a number from 0 to 1, or -1 for failed; got ${shown(value)}`);
      }
      await checkpoint(this.signal);
      // Handler files run without a type check: anything may come as a message.
      this.#attempt.tellProgress(value, typeof message === "string" ? message.toWellFormed() : shown(message ?? ""));
    };
  }
}
