// How the core takes functions from its users: the check that one was passed, and the one way to run it to its end.
// Promises that a synchronous throw, a rejection and a plain value all arrive as a result, and that no rejection
// floats.

import { disown, read } from "./unknown-values.ts";

/**
 * Lets a function through.
 *
 * @throws TypeError otherwise; the commonest slip, a promise in place of the function that makes it, is named.
 */
export function checkFunction(fn: unknown, what: string): void {
  if (typeof fn === "function") return;
  if (typeof fn === "object" && fn !== null && typeof read(fn, "then") === "function") {
    throw new TypeError(`${what} expects a function, got a promise: pass work, or () => work(x), not work(x)`);
  }
  throw new TypeError(`${what} expects a function, got ${fn === null ? "null" : typeof fn}`);
}

/** The name of a function; undefined where it has none, or something else in its place. */
export function nameOf(fn: object): string | undefined {
  const name = read(fn, "name");
  return typeof name === "string" && name !== "" ? name : undefined;
}

/**
 * Calls a function and reports how it ended, once: at once when it returns no promise, else when that has settled. A
 * promise that rejects before anyone waits for its block is handled from the first moment.
 */
export function runToEnd<A>(
  fn: (arg: A) => unknown,
  arg: A,
  onEnd: (result: PromiseSettledResult<unknown>) => void,
): void {
  let value: unknown;
  try {
    value = fn(arg);
    const promise = promiseOf(value);
    if (promise !== undefined) {
      promise.then(
        (result: unknown) => onEnd({ status: "fulfilled", value: result }),
        (reason: unknown) => onEnd({ status: "rejected", reason }),
      );
      return;
    }
  } catch (reason) {
    onEnd({ status: "rejected", reason });
    return;
  }
  onEnd({ status: "fulfilled", value });
}

const nativeThen = Promise.prototype.then;

/** Whether it is a promise that is known to call back later, once, and never to throw when it is asked to. */
export function isPlainPromise<T = unknown>(value: PromiseLike<T> | object): value is Promise<T> {
  return value instanceof Promise && value.constructor === Promise && value.then === nativeThen;
}

/**
 * What `await` would wait for: a plain promise itself, for anything else with a `then` a promise around it. That `then`
 * is read and called once, as it may do work.
 *
 * @returns undefined for a plain value.
 * @throws what reading `then` throws.
 */
function promiseOf(value: unknown): Promise<unknown> | undefined {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  if (isPlainPromise(value)) return value;
  const then: unknown = Reflect.get(value, "then");
  if (typeof then !== "function") return undefined;
  return new Promise((resolve, reject) => {
    try {
      Reflect.apply(then, value, [resolve, reject]);
    } catch (error) {
      reject(error);
      // A promise of a class of its own may be rejected besides, and nobody else will handle that.
      disown(value);
    }
  });
}
