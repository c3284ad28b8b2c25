// The errors of the core, one class a situation, so that a catch can say which it means.
// Cancellations are not failures and stand in cancelled.ts; taking groups apart is error-groups.ts.

import { errorsIn, isInstance, messageOf, read, textOf } from "./unknown-values.ts";

/** Where the errors of a group came from; for `locateErrors`. */
export interface GroupOrigin {
  /** The name the nursery was given. */
  readonly nursery: string | undefined;
  /** The child that each error ended, in the order of the errors; undefined for the body. */
  readonly tasks: readonly (string | undefined)[];
}

// Beside the errors and not in them: a program that prints or compares a group sees what it always saw.
const origins = new WeakMap<object, GroupOrigin>();

/** Notes where the errors of a group came from. @returns the group. */
export function withOrigin<E extends AggregateError>(group: E, origin: GroupOrigin | undefined): E {
  if (origin !== undefined) origins.set(group, origin);
  return group;
}

/** Undefined for a group that no nursery made. */
export function groupOrigin(group: object): GroupOrigin | undefined {
  return origins.get(group);
}

/**
 * What went wrong in a nursery: the errors of its body and of its children, in the order they came. Always a group,
 * even for one error, so that callers handle one shape. Groups nest as the nurseries did.
 *
 * @example
 * ```ts
 * import { findError, NurseryError, openRoot, withNursery } from "taskexe/concurrency";
 *
 * try {
 *   await withNursery(openRoot(), async (nursery) => {
 *     nursery.startSoon(async () => {
 *       throw new RangeError("too far");
 *     });
 *   });
 * } catch (error) {
 *   console.log(error instanceof NurseryError); // true
 *   console.log(findError(error, RangeError)?.message); // "too far"
 * }
 * ```
 */
export class NurseryError extends AggregateError {
  override readonly name = "NurseryError";

  /** @param message - by default a line that counts and quotes the errors. */
  constructor(errors: Iterable<unknown>, message?: string) {
    const list = [...errors];
    super(list, message ?? summarise(list));
  }
}

function summarise(errors: readonly unknown[]): string {
  const quoted = errors.slice(0, 3).map(quote).join("; ");
  const more = errors.length > 3 ? `; and ${errors.length - 3} more` : "";
  return `${errors.length} ${errors.length === 1 ? "error" : "errors"} in a nursery: ${quoted}${more}`;
}

function quote(error: unknown): string {
  // Only a group's name is quoted: a group of groups of groups would repeat its leaves at each level.
  if (isInstance(error, AggregateError)) return `${textOf(read(error, "name"))} of ${errorsIn(error).length}`;
  if (isInstance(error, Error)) return `${textOf(read(error, "name"))}: ${messageOf(error)}`;
  return `${typeof error} was thrown`;
}

/**
 * A {@link failAfter} block did not end in time and was cancelled. `cause` is the Cancelled.
 *
 * @example
 * ```ts
 * import { failAfter, openRoot, sleepForever, TooSlowError } from "taskexe/concurrency";
 *
 * const error = await failAfter(openRoot(), 1, (scope) => sleepForever(scope.signal)).catch((e: unknown) => e);
 * console.log(error instanceof TooSlowError); // true
 * ```
 */
export class TooSlowError extends Error {
  override readonly name = "TooSlowError";
}

/**
 * A child went on although its nursery was cancelled and its grace had passed; the nursery left without it.
 *
 * @example
 * ```ts
 * import { AbandonedTaskError, findError, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const stuck = Promise.withResolvers<void>();
 * const error = await withNursery(
 *   openRoot(),
 *   async (nursery) => {
 *     nursery.startSoon(() => stuck.promise, { name: "deaf" });
 *     nursery.scope.cancel();
 *   },
 *   { graceMs: 1 },
 * ).catch((e: unknown) => e);
 * const abandoned = findError(error, AbandonedTaskError);
 * console.log(abandoned?.taskName); // "deaf"
 * stuck.resolve();
 * console.log((await abandoned?.settled)?.status); // "fulfilled"
 * ```
 */
export class AbandonedTaskError extends Error {
  override readonly name = "AbandonedTaskError";
  /** The task, or a nursery's name with "(body)" behind it. */
  readonly taskName: string;
  /** How long the task had run when it was abandoned, in ms. */
  readonly ageMs: number;
  /** How the task ends after all. Never rejects; a late error is its `reason`. */
  readonly settled: Promise<PromiseSettledResult<unknown>>;

  /** @internal */
  constructor(taskName: string, ageMs: number, settled: Promise<PromiseSettledResult<unknown>>) {
    super(
      `Task "${taskName}" did not end within its grace after the cancel and was abandoned, ${Math.round(ageMs)} ms old`,
    );
    this.taskName = taskName;
    this.ageMs = ageMs;
    this.settled = settled;
  }
}

/**
 * The thing at hand (a channel's handle, a nursery, a scope) was closed on this side already.
 *
 * @example
 * ```ts
 * import { ClosedResourceError, openChannel } from "taskexe/concurrency";
 *
 * const [sender] = openChannel<number>(1);
 * sender.close();
 * try {
 *   sender.sendNowait(1);
 * } catch (error) {
 *   console.log(error instanceof ClosedResourceError); // true
 * }
 * ```
 */
export class ClosedResourceError extends Error {
  override readonly name = "ClosedResourceError";
}

/**
 * The other side is gone: every receiver of a channel was closed, so a value sent could never arrive.
 *
 * @example
 * ```ts
 * import { BrokenResourceError, openChannel } from "taskexe/concurrency";
 *
 * const [sender, receiver] = openChannel<number>(1);
 * receiver.close();
 * try {
 *   sender.sendNowait(1);
 * } catch (error) {
 *   console.log(error instanceof BrokenResourceError); // true
 * }
 * ```
 */
export class BrokenResourceError extends Error {
  override readonly name = "BrokenResourceError";
}

/**
 * Every sender of a channel was closed and its buffer is drained: nothing will ever come.
 *
 * @example
 * ```ts
 * import { EndOfChannelError, openChannel } from "taskexe/concurrency";
 *
 * const [sender, receiver] = openChannel<number>(1);
 * sender.close();
 * try {
 *   receiver.receiveNowait();
 * } catch (error) {
 *   console.log(error instanceof EndOfChannelError); // true
 * }
 * ```
 */
export class EndOfChannelError extends Error {
  override readonly name = "EndOfChannelError";
}

/**
 * A nowait form could not be served at once.
 *
 * @example
 * ```ts
 * import { CapacityLimiter, WouldBlockError } from "taskexe/concurrency";
 *
 * try {
 *   new CapacityLimiter(0).acquireNowait();
 * } catch (error) {
 *   console.log(error instanceof WouldBlockError); // true
 * }
 * ```
 */
export class WouldBlockError extends Error {
  override readonly name = "WouldBlockError";
}
