/** A process that runs handlers, as it is told of. */

export interface RunnerFigures {
  readonly pid: number;
  /** `handlers`, or `worker NAME`. */
  readonly kind: string;
  /** Which reload has started it: 1 is the start of the executor. */
  readonly generation: number;
  readonly isolation: "shared" | "own";
  /** `blocked`: it does not answer; `retired`: it gets nothing new, and leaves. */
  readonly state: "ready" | "blocked" | "retired";
  /** How many attempts it has. */
  readonly tasks: number;
  /** How many have ended there. */
  readonly done: number;
}
