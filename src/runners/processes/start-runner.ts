/** A runner or a worker for a pool: it speaks the protocol on two pipes, and is kept as runner-processes.ts says. */
import type { StartedRunner } from "../runner-kind.ts";
import type { LeftOvers } from "./left-overs.ts";
import type { RunnerEnd } from "./runner-process.ts";
import type { RunnerOptions, RunnerProcesses } from "./runner-processes.ts";

export interface BoundRunner extends StartedRunner {
  readonly ended: Promise<RunnerEnd>;
  /** What attempts leave in it, where it runs one at a time. */
  readonly leftOvers: LeftOvers;
  /** With all that it started, in bytes, as last looked at. */
  readonly memoryBytes: number;
  /** Resolves with its memory in bytes once that is beyond its limit; with null at its end. */
  readonly beyondLimit: Promise<number | null>;
}

/**
 * Starts it. A runner of ours binds itself (`bound: "itself"`), a worker in another language is bound by us.
 *
 * @throws (rejects) Error that names the command where it cannot be started.
 */
export async function startRunner(
  processes: RunnerProcesses,
  command: string,
  args: readonly string[],
  options: Omit<RunnerOptions, "pipes" | "stdin">,
): Promise<BoundRunner> {
  const runner = await processes.start(command, args, { ...options, pipes: true });
  const { pipes, stdout, stderr } = runner.child;
  return {
    pid: runner.pid,
    pipes,
    stdout,
    stderr,
    ended: runner.ended,
    leftOvers: runner.leftOvers,
    beyondLimit: runner.beyondLimit,
    get memoryBytes() {
      return runner.memoryBytes;
    },
    kill: (signal) => runner.kill(signal),
  };
}
