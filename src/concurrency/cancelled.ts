// The cancellation itself: one object for each cancel, the same for everybody it reaches.
// Promises that only the core makes one, and that it knows the scope it came from. Who absorbs it is absorb.ts.

/**
 * What set a cancellation off: a call, a deadline, a failure in a nursery, or the signal a root was opened with.
 *
 * @example
 * ```ts
 * import { type CancelSource, moveOnAfter, openRoot, sleepForever } from "taskexe/concurrency";
 *
 * const outcome = await moveOnAfter(openRoot(), 1, (scope) => sleepForever(scope.signal));
 * const source: CancelSource | undefined = outcome.cancelled ? outcome.reason.source : undefined;
 * console.log(source); // "deadline"
 * ```
 */
export type CancelSource = "explicit" | "deadline" | "nursery" | "signal";

/** How a cancellation came about. */
export interface CancelCause {
  readonly source: CancelSource;
  readonly reason?: string | undefined;
  readonly task?: string | undefined;
  readonly cause?: unknown;
}

let create: (origin: object, at: number, how: CancelCause) => Cancelled;
let origin: (cancelled: Cancelled) => object;
let time: (cancelled: Cancelled) => number;
let isOne: (value: unknown) => value is Cancelled;

const key = Symbol("only the core makes a Cancelled");

/**
 * What every signal-aware wait throws in a cancelled scope, and the `reason` of its signal. Let it pass: the scope
 * that was cancelled absorbs it. It cannot be constructed; cancel a scope instead.
 *
 * @example
 * ```ts
 * import { checkpoint, openRoot, withScope } from "taskexe/concurrency";
 *
 * const outcome = await withScope(openRoot(), {}, async (scope) => {
 *   scope.cancel("changed my mind");
 *   await checkpoint(scope.signal); // throws the Cancelled
 * });
 * if (outcome.cancelled) {
 *   console.log(outcome.reason.source); // "explicit"
 *   console.log(outcome.reason.reason); // "changed my mind"
 * }
 * ```
 */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
  /** What set it off. */
  readonly source: CancelSource;
  /** The text given to `cancel`, or one that says which deadline or failure it was. */
  readonly reason?: string;
  /** The task it came from: for a failure the child that failed, else the task whose code opened the scope. */
  readonly task?: string;
  readonly #origin: object;
  readonly #at: number;

  private constructor(permission: symbol, scope: object, at: number, how: CancelCause) {
    if (permission !== key) {
      throw new TypeError("A Cancelled cannot be constructed: cancel a scope with scope.cancel(reason)");
    }
    super(describe(how), how.cause === undefined ? undefined : { cause: how.cause });
    this.source = how.source;
    if (how.reason !== undefined) this.reason = how.reason;
    if (how.task !== undefined) this.task = how.task;
    this.#origin = scope;
    this.#at = at;
  }

  static {
    create = (scope, at, how) => new Cancelled(key, scope, at, how);
    origin = (cancelled) => cancelled.#origin;
    time = (cancelled) => cancelled.#at;
    isOne = (value): value is Cancelled => typeof value === "object" && value !== null && #at in value;
  }
}

function describe(how: CancelCause): string {
  const reason = how.reason === undefined ? "" : `: ${how.reason}`;
  const task = how.task === undefined ? "" : `, task "${how.task}"`;
  return `Cancelled (${how.source}${task})${reason}`;
}

/** Makes the one Cancelled of a cancel. @param at - on the clock's scale, in ms. */
export function createCancelled(scope: object, at: number, how: CancelCause): Cancelled {
  return create(scope, at, how);
}

/** Whether a value is a Cancelled that the core made, which an imitation of its prototype is not. */
export function isCancelled(value: unknown): value is Cancelled {
  return isOne(value);
}

/** The scope that was cancelled. */
export function originOf(cancelled: Cancelled): object {
  return origin(cancelled);
}

/** When it was cancelled, in ms on the clock's scale. */
export function cancelledAt(cancelled: Cancelled): number {
  return time(cancelled);
}
