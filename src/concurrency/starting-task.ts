// A child between `start` and `started(value)`: it lives below its caller and keeps the nursery open.
// Promises that exactly one end is reported: moved into the nursery, ended with a value, or failed.

import { sift } from "./absorb.ts";
import { nameOf } from "./functions.ts";
import type { ScopeNode } from "./scope-node.ts";
import { type Task, type TaskHome, TaskRun } from "./task.ts";
import { joinError } from "./with-scope.ts";

/** How a start ends; `gone` follows when the child ended without having moved. */
export interface StartHandlers<T> {
  started(task: TaskRun, value: T): void;
  ended(value: T): void;
  failed(error: unknown): void;
  gone(): void;
}

export class StartingTask<T = never> implements TaskHome {
  readonly task: TaskRun;
  readonly #fail: (error: unknown) => void;
  readonly #gone: () => void;
  readonly #succeed: () => boolean;

  constructor(
    caller: ScopeNode,
    fn: (task: Task, started: (value: T) => void) => unknown,
    name: string | undefined,
    handlers: StartHandlers<T>,
  ) {
    let given: { readonly value: T } | undefined;
    this.#fail = handlers.failed;
    this.#gone = handlers.gone;
    this.#succeed = () => {
      if (given !== undefined) handlers.ended(given.value);
      return given !== undefined;
    };
    const started = (value: T) => {
      if (given !== undefined) throw new Error(`Task "${this.task.name}" called started() twice`);
      given = { value };
      // A caller that was cancelled meanwhile no longer waits for a value but for the child's end.
      const { node } = this.task;
      if (node.closed || this.task.abandoned || node.outer !== undefined) return;
      handlers.started(this.task, value);
    };
    this.task = new TaskRun(caller, this, (task) => fn(task, started), name ?? nameOf(fn));
  }

  taskEnded(task: TaskRun, result: PromiseSettledResult<unknown>): void {
    if (result.status === "rejected") this.#failed(task, result.reason);
    else if (!this.#succeed()) this.#fail(new Error(`Task "${task.name}" ended without calling started()`));
    this.#gone();
  }

  #failed(task: TaskRun, reason: unknown): void {
    const { absorbed, escaping, errors } = sift(reason, task.node);
    task.node.caught = absorbed;
    const isCancelledAlone = errors.length === 0 && escaping === undefined;
    this.#fail(
      isCancelledAlone
        ? new Error(`Task "${task.name}" was cancelled before it called started()`, { cause: task.node.own })
        : joinError(errors, escaping),
    );
  }

  /** Whoever waits for the start is told. */
  abandonTask(task: TaskRun): Promise<PromiseSettledResult<unknown>> {
    this.#fail(new Error(`Task "${task.name}" was abandoned before it called started()`));
    const settled = task.abandon();
    this.#gone();
    return settled;
  }
}
