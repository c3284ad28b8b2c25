/**
 * What a handler asks for with RetryLaterError: another try in so many ms, which costs no attempt. Whoever wrote the
 * error may have said anything there, so what is no delay is not followed: the attempt has then failed as by any other
 * error.
 */
import { getLogger } from "@logtape/logtape";
import { flattenErrors } from "../../concurrency/index.ts";
import { isInstance } from "../../concurrency/unknown-values.ts";
import { isDelay, RetryLaterError } from "../../task/options/retry.ts";

const logger = getLogger(["taskexe", "executor"]);

export interface Later {
  /** The longest delay that an error of the group asks for, in ms. */
  readonly delayMs: number;
  /** Whether nothing else went wrong: only then it costs no attempt. */
  readonly only: boolean;
}

/** Null: no error of the group asks for it, or for no delay that can be. */
export function askedLater(error: unknown, type: string): Later | null {
  const leaves = flattenErrors(error);
  const asking = leaves.filter((leaf) => isInstance(leaf, RetryLaterError));
  if (asking.length === 0) return null;
  const delays = asking.map(delayOf);
  const wrong = delays.find((delay) => !isDelay(delay));
  if (wrong !== undefined) {
    logger.warn(
      "A RetryLaterError of {type} asks for a delay of {delay}, where 0 ms to 100 years can be: it counts as any " +
        "other error",
      {
        type,
        delay: typeof wrong === "number" ? `${wrong} ms` : wrong,
      },
    );
  }
  const right = delays.filter(isDelay);
  if (right.length === 0) return null;
  return { delayMs: right.reduce((most, delayMs) => Math.max(most, delayMs)), only: right.length === leaves.length };
}

/** What it says; a text for what is no number. */
function delayOf(error: RetryLaterError): unknown {
  try {
    const delay: unknown = error.delayMs;
    return typeof delay === "number" ? delay : `a value of the type ${typeof delay}`;
  } catch {
    return "a getter that throws";
  }
}
