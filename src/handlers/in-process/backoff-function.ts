/** A definition's own function that says when the next attempt is due. One that gives nonsense is not followed. */
import { getLogger } from "@logtape/logtape";
import { disown, shown } from "../../concurrency/unknown-values.ts";
import { isDelay } from "../../task/options/retry.ts";
import type { TaskDefinition } from "../define-task.ts";
import { groupMessage } from "../error-record.ts";

const logger = getLogger(["taskexe", "executor"]);

/** In ms; null: the definition has no such function, or it gave no delay. Never throws. */
export function delayOfFunction(
  { type, backoff }: Pick<TaskDefinition, "type" | "backoff">,
  attempt: number,
  error: unknown,
): number | null {
  if (typeof backoff !== "function") return null;
  try {
    const delayMs = backoff(attempt, error);
    if (isDelay(delayMs)) return delayMs;
    disown(delayMs);
    logger.warn("The backoff of {type} gave {delayMs}: a delay is a number, 0 ms to 100 years", {
      type,
      delayMs: shown(delayMs),
    });
  } catch (thrown) {
    logger.warn("The backoff of {type} threw: {thrown}", { type, thrown: groupMessage(thrown) });
  }
  return null;
}
