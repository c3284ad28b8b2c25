// How the core takes functions from its users: the check that one was passed, and the one way to run it to its end.
// Promises that a synchronous throw, a rejection and a plain value all arrive as a result, and that no rejection floats.

/**
 * Lets a function through.
 *
 * @throws TypeError otherwise; the commonest slip, a promise in place of the function that makes it, is named.
 */
export function checkFunction(fn: unknown, what: string): void {
  if (typeof fn === "function") return;
  if (isThenable(fn)) {
    throw new TypeError(`${what} expects a function, got a promise: pass work, or () => work(x), not work(x)`);
  }
  throw new TypeError(`${what} expects a function, got ${fn === null ? "null" : typeof fn}`);
}

/**
 * Calls a function and reports how it ended: at once when it returns no promise, else when that has settled. A promise
 * that rejects before anyone waits for its block is handled from the first moment.
 */
export function runToEnd<A>(
  fn: (arg: A) => unknown,
  arg: A,
  onEnd: (result: PromiseSettledResult<unknown>) => void,
): void {
  let value: unknown;
  try {
    value = fn(arg);
  } catch (reason) {
    onEnd({ status: "rejected", reason });
    return;
  }
  if (!isThenable(value)) {
    onEnd({ status: "fulfilled", value });
    return;
  }
  // Only a real promise is known to call back later, once, and never to throw here.
  const promise = value instanceof Promise ? value : Promise.resolve(value);
  promise.then(
    (result: unknown) => onEnd({ status: "fulfilled", value: result }),
    (reason: unknown) => onEnd({ status: "rejected", reason }),
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
