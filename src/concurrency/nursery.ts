// The nursery: a block that children can be started in and that is left only when body and children have ended.
// Promises that the first error cancels the rest, that every error leaves in one group, that cancellations of its own
// making end here, and that an abandoned child is reported by name. The life of one child is task.ts.

import { sift } from "./absorb.ts";
import { type CancelScope, nodeOf, scopeOf } from "./cancel-scope.ts";
import { type Cancelled, originOf } from "./cancelled.ts";
import { checkDuration } from "./durations.ts";
import { AbandonedTaskError, ClosedResourceError, NurseryError, withOrigin } from "./errors.ts";
import { checkFunction, runToEnd } from "./functions.ts";
import { graceHasPassed } from "./grace.ts";
import { ScopeNode, type ScopeOwner, type TreeEntry } from "./scope-node.ts";
import { StartingTask } from "./starting-task.ts";
import { type Task, type TaskHome, TaskRun } from "./task.ts";
import { textOf } from "./unknown-values.ts";

/**
 * What {@link withNursery} hands to its body. Pass it on to whatever may start tasks there.
 *
 * @example
 * ```ts
 * import { type Nursery, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const read: string[] = [];
 * function crawl(nursery: Nursery, folder: string, depth: number): void {
 *   nursery.startSoon(async () => {
 *     read.push(folder);
 *     if (depth > 0) for (const inner of ["a", "b"]) crawl(nursery, `${folder}/${inner}`, depth - 1);
 *   });
 * }
 * await withNursery(openRoot(), (nursery) => crawl(nursery, "top", 2));
 * console.log(read.length); // 7
 * ```
 */
export interface Nursery {
  /** Cancelling it cancels the body and every child; the nursery absorbs that. */
  readonly scope: CancelScope;
  /**
   * Starts a child. Returns before the child runs. What the child returns is dropped, what it throws cancels the
   * nursery and leaves it in the group.
   *
   * @param opts.name - default: the name of the function.
   * @throws TypeError when `fn` is no function; ClosedResourceError when the nursery has been left.
   */
  startSoon(fn: (task: Task) => unknown, opts?: { readonly name?: string | undefined }): void;
  /**
   * Starts a child and waits until it says that it is ready. Until then the child belongs to `caller`: a cancel there
   * reaches it, and its error comes out here, unwrapped. From then on it is a child of the nursery.
   *
   * @param caller - the scope of the code that waits.
   * @param fn - calls `started(value)` once.
   * @returns the value given to `started`. Await it, now or later: a failure to start is told to nobody else.
   * @throws (rejects) the child's error; an Error when it ends without calling `started`; ClosedResourceError when the
   * nursery has been left.
   */
  start<T = void>(
    caller: CancelScope,
    fn: (task: Task, started: (value: T) => void) => unknown,
    opts?: { readonly name?: string | undefined },
  ): Promise<T>;
}

/**
 * What is known of a child that a nursery left without.
 *
 * @example
 * ```ts
 * import { type AbandonedTask, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const stuck = Promise.withResolvers<string>();
 * const left: AbandonedTask[] = [];
 * await withNursery(
 *   openRoot(),
 *   (nursery) => {
 *     nursery.startSoon(() => stuck.promise, { name: "deaf" });
 *     nursery.scope.cancel();
 *   },
 *   { graceMs: 1, onAbandoned: (abandoned) => left.push(abandoned) },
 * ).catch(() => {});
 * stuck.resolve("after all");
 * console.log(left.map(({ name }) => name)); // ["deaf"]
 * console.log(await left[0]?.settled); // { status: "fulfilled", value: "after all" }
 * ```
 */
export interface AbandonedTask {
  /** Of the task; for the body of the nursery, the nursery's name with "(body)" behind it. */
  readonly name: string;
  /** How long it had run, in ms. */
  readonly ageMs: number;
  /** How it ends after all. Never rejects; a late error is its `reason`. */
  readonly settled: Promise<PromiseSettledResult<unknown>>;
}

/**
 * The settings of a nursery.
 *
 * @example
 * ```ts
 * import { locateErrors, type NurseryOptions, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const options: NurseryOptions = { name: "ingest", graceMs: 10_000 };
 * const fail = () => {
 *   throw new Error("no such page");
 * };
 * const error = await withNursery(openRoot(), (nursery) => nursery.startSoon(fail), options).catch((e: unknown) => e);
 * console.log(locateErrors(error).map(({ path }) => path)); // [["ingest", "fail"]]
 * ```
 */
export interface NurseryOptions {
  /** For the listing of the tree and the names of errors; default "nursery". */
  readonly name?: string | undefined;
  /**
   * How long a cancelled nursery waits for its body and children, in ms; default `Infinity`. Of nested nurseries whose
   * time is up together the innermost gives up first, and those around it only if what waits for it does not end then.
   */
  readonly graceMs?: number | undefined;
  /**
   * Told of each child that is left behind. Called while the nursery is being left; what it throws joins the group. It
   * is not waited for: a promise that it returns comes too late for the group, and its error is dropped.
   */
  readonly onAbandoned?: ((abandoned: AbandonedTask) => void) | undefined;
}

/**
 * Runs a block that can start tasks, and waits for all of them: when it returns, nothing it started is running.
 *
 * The first error of body or child cancels the rest. An uncooperative child is waited for; with `graceMs`, no longer
 * than that after a cancel: then it is abandoned, an AbandonedTaskError joins the group and `onAbandoned` is told.
 *
 * @throws (rejects) NurseryError with every error of body and children; the Cancelled of a scope further out, alone or
 * in that group; ClosedResourceError when the block of `parent` has ended; RangeError for a `graceMs` that is negative
 * or NaN.
 * @example
 * ```ts
 * import { openRoot, sleep, withNursery } from "taskexe/concurrency";
 *
 * const done: string[] = [];
 * await withNursery(openRoot(), async (nursery) => {
 *   for (const name of ["a", "b"]) {
 *     nursery.startSoon(async (task) => {
 *       await sleep(1, task.signal);
 *       done.push(name);
 *     });
 *   }
 * });
 * console.log(done); // ["a", "b"]
 * ```
 *
 * @example A server that is ready before the body goes on
 * ```ts
 * import { openRoot, sleepForever, withNursery } from "taskexe/concurrency";
 *
 * await withNursery(openRoot(), async (nursery) => {
 *   const port = await nursery.start<number>(nursery.scope, async (task, started) => {
 *     started(8080);
 *     await sleepForever(task.signal);
 *   });
 *   console.log(port); // 8080
 *   nursery.scope.cancel("done with the server");
 * });
 * ```
 */
export async function withNursery(
  parent: CancelScope,
  body: (nursery: Nursery) => unknown,
  opts: NurseryOptions = {},
): Promise<void> {
  checkFunction(body, "withNursery");
  if (opts.graceMs !== undefined) checkDuration(opts.graceMs, "graceMs");
  const run = new NurseryRun(nodeOf(parent), opts);
  // Most short ones are over by now, and need no further promise.
  if (!run.isOver(body)) return run.left();
}

class NurseryRun implements Nursery, ScopeOwner, TreeEntry, TaskHome {
  readonly startedAt: number;
  readonly #node: ScopeNode;
  readonly #opts: NurseryOptions;
  /** What whoever opened it waits for; made when the body is not over at once. */
  #left: PromiseWithResolvers<void> | undefined;
  /** What it was left with, where nobody waits for that yet. */
  #exit: { readonly error: unknown } | undefined;
  #bodyResult: PromiseSettledResult<unknown> | undefined;
  #closed = false;
  /** Children that have not called started() yet: they belong to their callers, but keep the nursery open. */
  #starting: Set<StartingTask> | undefined;
  #errors: unknown[] | undefined;
  /** The child that each of them ended; undefined for the body. */
  #failed: (string | undefined)[] | undefined;
  /** A cancellation that ended the body or a child; one from further out rather than our own. */
  #seen: Cancelled | undefined;
  #stopGrace: (() => void) | undefined;
  #lateBody: PromiseWithResolvers<PromiseSettledResult<unknown>> | undefined;

  constructor(parent: ScopeNode, opts: NurseryOptions) {
    this.#opts = opts;
    this.#node = ScopeNode.below(parent, false, this);
    this.startedAt = this.#node.clock.now();
    if (this.#node.visible !== undefined) this.onCancelled(this.startedAt);
  }

  // ---- as the tree sees it

  get kind(): "nursery" {
    return "nursery";
  }

  get entry(): TreeEntry {
    return this;
  }

  get name(): string {
    return textOf(this.#opts.name ?? "nursery");
  }

  get abandoned(): boolean {
    return this.#lateBody !== undefined;
  }

  // ---- as its body sees it

  get scope(): CancelScope {
    return scopeOf(this.#node);
  }

  startSoon(fn: (task: Task) => unknown, opts?: { readonly name?: string | undefined }): void {
    checkFunction(fn, "startSoon");
    this.#checkOpen();
    new TaskRun(this.#node, this, fn, opts?.name);
  }

  start<T = void>(
    caller: CancelScope,
    fn: (task: Task, started: (value: T) => void) => unknown,
    opts?: { readonly name?: string | undefined },
  ): Promise<T> {
    const started = new Promise<T>((resolve, reject) => {
      checkFunction(fn, "start");
      this.#checkOpen();
      const starting = new StartingTask(nodeOf(caller), fn, opts?.name, {
        started: (task, value: T) => {
          this.#starting?.delete(starting);
          task.home = this;
          task.node.moveTo(this.#node);
          resolve(value);
        },
        ended: (value: T) => resolve(value),
        failed: reject,
        gone: () => {
          this.#starting?.delete(starting);
          this.#leaveIfEnded();
        },
      });
      this.#starting ??= new Set();
      this.#starting.add(starting);
    });
    // It may fail while its caller still waits for something else.
    started.catch(() => {});
    return started;
  }

  #checkOpen(): void {
    if (!this.#closed) return;
    throw new ClosedResourceError(`Nursery "${this.name}" has been left: nothing can be started in it any more`);
  }

  // ---- its life

  /**
   * Runs the body, and says whether the nursery has been left already.
   *
   * @throws what it was left with.
   */
  isOver(body: (nursery: Nursery) => unknown): boolean {
    runToEnd<Nursery>(body, this, (result) => this.#endBody(result));
    if (this.#exit !== undefined) throw this.#exit.error;
    return this.#closed;
  }

  /** Resolves, or rejects, when the nursery is left. For one that has not been. */
  left(): Promise<void> {
    this.#left = Promise.withResolvers();
    return this.#left.promise;
  }

  #endBody(result: PromiseSettledResult<unknown>): void {
    this.#bodyResult = result;
    if (this.#lateBody !== undefined) {
      this.#endLate();
      return;
    }
    if (result.status === "rejected") this.#judge(result.reason, this.#node, undefined);
    this.#leaveIfEnded();
  }

  taskEnded(task: TaskRun, result: PromiseSettledResult<unknown>): void {
    if (result.status === "rejected") this.#judge(result.reason, task.node, task.name);
  }

  abandonTask(task: TaskRun): Promise<PromiseSettledResult<unknown>> {
    return task.abandon();
  }

  onEmpty(): void {
    if (!this.#closed) this.#leaveIfEnded();
    else this.#endLate();
  }

  /** Sorts the error that ended the body or a child, and cancels the rest for a real one. */
  #judge(error: unknown, node: ScopeNode, task: string | undefined): void {
    const { absorbed, escaping, errors } = sift(error, node);
    if (node !== this.#node) node.caught = absorbed;
    const cancellation = escaping ?? (node === this.#node && absorbed ? this.#node.own : undefined);
    if (cancellation !== undefined && (this.#seen === undefined || this.#isOwn(this.#seen))) this.#seen = cancellation;
    for (const one of errors) this.#collect(one, task);
    if (errors.length > 0 || (cancellation !== undefined && this.#node.visible === undefined)) {
      const what = task === undefined ? "the body" : `task "${task}"`;
      this.#node.cancel({ source: "nursery", reason: `${what} of nursery "${this.name}" failed`, task });
    }
  }

  #collect(error: unknown, task: string | undefined): void {
    this.#errors ??= [];
    this.#errors.push(error);
    this.#failed ??= [];
    this.#failed.push(task);
  }

  #isOwn(cancelled: Cancelled): boolean {
    return originOf(cancelled) === this.#node;
  }

  #leaveIfEnded(): void {
    if (!this.#closed && this.#bodyResult !== undefined && this.#node.open === 0 && !this.#starting?.size)
      this.#leave();
  }

  #leave(): void {
    this.#closed = true;
    this.#stopGrace?.();
    // Those around it may be told in turn by the close: the inner one is out first.
    this.#throwOut(this.#escaping());
    this.#node.close();
  }

  /** The cancellation that goes on outwards; our own is caught here, unless one from outside has joined it. */
  #escaping(): Cancelled | undefined {
    if (this.#seen === undefined) return undefined;
    if (this.#node.outer !== undefined) return this.#node.outer;
    if (!this.#isOwn(this.#seen)) return this.#seen;
    this.#node.caught = true;
    return undefined;
  }

  #throwOut(escaping: Cancelled | undefined): void {
    const errors = this.#errors;
    if (errors === undefined) {
      if (escaping === undefined) this.#left?.resolve();
      else this.#fail(escaping);
    } else {
      const group = new NurseryError(escaping === undefined ? errors : [...errors, escaping]);
      const nursery = this.#opts.name === undefined ? undefined : this.name;
      this.#fail(withOrigin(group, { nursery, tasks: this.#failed ?? [] }));
    }
  }

  #fail(error: unknown): void {
    if (this.#left === undefined) this.#exit = { error };
    else this.#left.reject(error);
  }

  // ---- an uncooperative child

  onCancelled(at: number): void {
    const { graceMs = Infinity } = this.#opts;
    if (graceMs === Infinity || this.#closed) return;
    this.#stopGrace = this.#node.clock.schedule(at + graceMs, () =>
      graceHasPassed(this.#node, () => this.#abandonRest()),
    );
  }

  /** The grace has passed: whatever still runs is left behind, and named. */
  #abandonRest(): void {
    if (this.#closed) return;
    this.#closed = true;
    const escaping = this.#escaping();
    const now = this.#node.clock.now();
    const inside = [...this.#node.children()].map((child) => child.owner).filter((owner) => owner instanceof TaskRun);
    // A child that is still starting stands below its caller, which may be elsewhere; or here, for another nursery.
    const starting = [...(this.#starting ?? [])].map((start) => start.task);
    for (const task of new Set([...inside, ...starting])) {
      this.#giveUp(task.name, now - task.startedAt, task.home.abandonTask(task));
    }
    if (this.#bodyResult !== undefined && this.#node.open === 0) {
      this.#node.close();
    } else {
      this.#lateBody = Promise.withResolvers();
      this.#giveUp(`${this.name} (body)`, now - this.startedAt, this.#lateBody.promise);
      this.#node.abandon();
    }
    this.#throwOut(escaping);
  }

  /** The body, or a block that it never awaited, has ended after the nursery was left. */
  #endLate(): void {
    if (this.#bodyResult === undefined || this.#node.open > 0) return;
    this.#node.close();
    this.#lateBody?.resolve(this.#bodyResult);
  }

  #giveUp(name: string, ageMs: number, settled: Promise<PromiseSettledResult<unknown>>): void {
    // The error itself says who it was.
    this.#collect(new AbandonedTaskError(name, ageMs, settled), undefined);
    let isLeaving = true;
    runToEnd<AbandonedTask>(
      (abandoned) => this.#opts.onAbandoned?.(abandoned),
      { name, ageMs, settled },
      (result) => {
        if (isLeaving && result.status === "rejected") this.#collect(result.reason, undefined);
      },
    );
    isLeaving = false;
  }
}
