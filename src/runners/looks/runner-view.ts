/** What is told of a runner to whoever looks at its executor. */
import type { RunnerFigures } from "../../handlers/runner-figures.ts";
import type { Runner } from "../runner.ts";

export interface RunnerView extends RunnerFigures {
  /** Unix ms; the second is null where it has nothing to do. */
  readonly startedAt: number;
  readonly busySince: number | null;
}

/** @param kind - the name of its kind. */
export function viewOf(runner: Runner, kind: string, generation: number): RunnerView {
  return {
    pid: runner.process.pid,
    kind,
    generation,
    isolation: runner.isShared ? "shared" : "own",
    state: runner.isRetired ? "retired" : runner.silence.isBlocked ? "blocked" : "ready",
    tasks: runner.size,
    done: runner.done,
    startedAt: runner.startedAt,
    busySince: runner.runs().reduce<number | null>((least, { givenAt }) => Math.min(least ?? givenAt, givenAt), null),
  };
}
