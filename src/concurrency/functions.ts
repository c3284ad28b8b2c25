// The one check that a function was passed, made before anything is opened for it.

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

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
