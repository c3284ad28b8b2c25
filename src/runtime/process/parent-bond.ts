/** How a runner knows its executor, and is bound to it: neither outlives it nor loses what its own children leave. */
import type { LinuxCalls } from "./linux-calls.ts";

/** A variable of the environment of each process that an executor starts: `PID.RANDOM.NUMBER.`, the pid its own. */
export const RUNNER_MARK = "TASKEXE_RUNNER_OF";

/**
 * For a runner of ours, at its very start, on the main thread. `bound`: the kernel kills it when its executor ends, and
 * gives it what its children leave. `unbound`: no such calls here, and the guardian alone stands for it. `orphaned`:
 * its executor has ended already, so that nobody wants it: it should leave.
 */
export function bindToParent(
  calls: LinuxCalls | null,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): "bound" | "unbound" | "orphaned" {
  const parent = Number.parseInt(environment[RUNNER_MARK] ?? "", 10);
  if (calls === null || Number.isNaN(parent)) return "unbound";
  calls.adoptOrphans();
  calls.dieWithParent();
  return calls.parent() === parent ? "bound" : "orphaned";
}
