/** The arguments of `pause` and `resume`: a queue or a type, by its name. */
import type { PauseTarget } from "../../broker/contract/admin.ts";
import { wrongName } from "../../operations/pauses.ts";
import { usageError } from "../process/exit.ts";

/** @throws CommandFailure where it is neither, or the name cannot be one. */
export function pauseTargetOf(kind: string, name: string | undefined, command: string): PauseTarget {
  if (kind !== "queue" && kind !== "type") {
    throw usageError(`${command} takes queue NAME or type NAME, got ${JSON.stringify(kind)}`, command);
  }
  if (!name) throw usageError(`${command} ${kind} needs the NAME of the ${kind}`, command);
  const wrong = wrongName({ kind, name });
  if (wrong !== null) throw usageError(`${command} ${kind}: the NAME ${wrong}, got ${JSON.stringify(name)}`, command);
  return { kind, name };
}
