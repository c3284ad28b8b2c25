/** A lock that a handler holds for a block: taken by its attempt, and given back when the block has ended. */
import type { CancelScope } from "../../concurrency/index.ts";
import { shown } from "../../concurrency/unknown-values.ts";
import { type HeldLock, LockNotTakenError, type LockOptions, lockTerms, whileHeld } from "../../task/lock/lock.ts";
import type { CodeAttempt } from "../handler.ts";

/** @throws (rejects) as `lock` of a handler's context does. */
export async function holdLock<T>(
  { attempt, scope }: { readonly attempt: Pick<CodeAttempt, "takeLock">; readonly scope: CancelScope },
  name: string,
  options: LockOptions,
  body: (lock: HeldLock) => Promise<T> | T,
): Promise<T> {
  // Handler files run without a type check.
  if (typeof body !== "function") throw new TypeError(`lock(name, options, body) takes a function; got ${shown(body)}`);
  const terms = lockTerms(name, options);
  const lock = await attempt.takeLock(terms, scope.signal);
  if (lock === null) throw new LockNotTakenError(name, terms.waitMs);
  try {
    return await whileHeld(scope, lock, body);
  } finally {
    await lock.free();
  }
}
