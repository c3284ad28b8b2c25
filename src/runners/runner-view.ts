/** What is told of a runner to whoever looks at its executor. */
import type { Runner } from "./runner.ts";

export interface RunnerView {
  readonly pid: number;
  readonly kind: string;
  readonly isolation: "shared" | "own";
  readonly state: "ready" | "blocked" | "retired";
  /** How many runs it has. */
  readonly tasks: number;
  /** How many have ended there. */
  readonly done: number;
  /** Unix ms. */
  readonly startedAt: number;
}

/** @param kind - the name of its kind. */
export function viewOf(runner: Runner, kind: string): RunnerView {
  return {
    pid: runner.process.pid,
    kind,
    isolation: runner.isShared ? "shared" : "own",
    state: runner.isRetired ? "retired" : runner.silence.isBlocked ? "blocked" : "ready",
    tasks: runner.size,
    done: runner.done,
    startedAt: runner.startedAt,
  };
}
