// One task: a function running in a scope of its own, from its start in a nursery until everything in it has ended.
// Promises that it begins only after startSoon has returned, and that its end is reported exactly once: to the nursery
// or, once abandoned, to whoever holds its `settled`. What an end means is for the nursery to judge.

import { type CancelScope, scopeOf } from "./cancel-scope.ts";
import { nameOf, runToEnd } from "./functions.ts";
import { ScopeNode, type ScopeOwner, type TreeEntry } from "./scope-node.ts";
import { textOf } from "./unknown-values.ts";

/**
 * What a task's function is given.
 *
 * @example
 * ```ts
 * import { openRoot, sleepForever, type Task, withNursery } from "taskexe/concurrency";
 *
 * const ended: string[] = [];
 * async function worker(task: Task): Promise<void> {
 *   setImmediate(() => task.scope.cancel("this one only"));
 *   await sleepForever(task.signal).finally(() => ended.push(task.name));
 * }
 * await withNursery(openRoot(), (nursery) => nursery.startSoon(worker));
 * console.log(ended); // ["worker"]
 * ```
 */
export interface Task {
  /** From the option, else the name of the function. */
  readonly name: string;
  /** The task's own scope: cancelling it ends this task alone. */
  readonly scope: CancelScope;
  /** The signal of that scope. */
  readonly signal: AbortSignal;
}

/** Whoever a task belongs to. */
export interface TaskHome {
  /** The task has ended; its scope closes after this call. */
  taskEnded(task: TaskRun, result: PromiseSettledResult<unknown>): void;
  /** Lets the task go before it has ended. @returns how it ends after all. */
  abandonTask(task: TaskRun): Promise<PromiseSettledResult<unknown>>;
}

export class TaskRun implements Task, ScopeOwner, TreeEntry {
  readonly node: ScopeNode;
  readonly startedAt: number;
  /** Changes when a child that was started with `start` moves into its nursery. */
  home: TaskHome;
  readonly #fn: (task: Task) => unknown;
  readonly #name: string | undefined;
  #result: PromiseSettledResult<unknown> | undefined;
  #settled: PromiseWithResolvers<PromiseSettledResult<unknown>> | undefined;

  constructor(parent: ScopeNode, home: TaskHome, fn: (task: Task) => unknown, name: string | undefined) {
    this.node = ScopeNode.below(parent, false, this);
    this.startedAt = parent.clock.now();
    this.home = home;
    this.#fn = fn;
    this.#name = name;
    queueMicrotask(() => runToEnd<Task>(fn, this, (result) => this.#end(result)));
  }

  get kind(): "task" {
    return "task";
  }

  get entry(): TreeEntry {
    return this;
  }

  get name(): string {
    return textOf(this.#name ?? nameOf(this.#fn) ?? "task");
  }

  get scope(): CancelScope {
    return scopeOf(this.node);
  }

  get signal(): AbortSignal {
    return this.node.signal;
  }

  get abandoned(): boolean {
    return this.#settled !== undefined;
  }

  /** Takes the task out of its nursery, which no longer hears of it. @returns how it ends after all. */
  abandon(): Promise<PromiseSettledResult<unknown>> {
    this.#settled = Promise.withResolvers();
    this.node.abandon();
    return this.#settled.promise;
  }

  /** Blocks that the function left running inside have ended. */
  onEmpty(): void {
    if (this.#result !== undefined) this.#report(this.#result);
  }

  #end(result: PromiseSettledResult<unknown>): void {
    if (this.node.open === 0) {
      this.#report(result);
      return;
    }
    this.#result = result;
    if (result.status === "rejected") {
      this.node.cancelInner({ source: "explicit", reason: "the task around it has failed", task: this.name });
    }
  }

  #report(result: PromiseSettledResult<unknown>): void {
    if (this.#settled !== undefined) this.#settled.resolve(result);
    else this.home.taskEnded(this, result);
    this.node.close();
  }
}
