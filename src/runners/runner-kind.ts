/**
 * A kind of runner: what an executor knows of those that load the same handlers. How a process of it is started is a
 * function of its own, so that the pool does not know what keeps processes together.
 */
import type { ChildPipes } from "../runtime/index.ts";
import type { Death } from "./processes/death-reason.ts";

export interface RunnerKind {
  /** As logs and /status call it: `handlers`, `worker NAME`. */
  readonly name: string;
  readonly start: () => Promise<StartedRunner>;
  /** How many runs one of its shared runners has at once; what a hello says is the most where that is less. */
  readonly concurrency: number;
  /**
   * How many more are handed over to wait in a shared runner, so that it goes on without a round trip; none while what
   * it runs takes long, and more where its runs are quick (pace.ts). No more than that, or twice its concurrency, have
   * not begun.
   */
  readonly ahead: number;
  /** How many shared runners there may be. */
  readonly processes: number;
  /** Where an attempt of it runs whose type does not say. */
  readonly isolation: Isolation;
  /** The types that its hello must have; null: whatever it says. */
  readonly types: readonly string[] | null;
  /** One is replaced after so many runs; null: never. */
  readonly maxTasks?: number | null;
  /** How long one may take until it says hello, in ms; null: as long as any. */
  readonly helloMs?: number | null;
}

/** `shared`: beside others; `own`: alone in its runner. */
export type Isolation = "shared" | "own";

/** A process that was started, and has not said anything yet. */
export interface StartedRunner {
  readonly pid: number;
  readonly pipes: ChildPipes;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Resolves once it has ended, with what it died of, as `killed by SIGSEGV`. Never rejects. */
  readonly ended: Promise<Death>;
  /** What attempts leave in it, where it runs one at a time. */
  readonly leftOvers?: LeftOversOfRunner;
  /** Resolves with its memory in bytes once that is beyond its limit; with null at its end. */
  readonly beyondLimit?: Promise<number | null>;
  /** Signals its whole group. */
  kill(signal: "SIGTERM" | "SIGKILL"): unknown;
}

/** See processes/left-overs.ts. */
export interface LeftOversOfRunner {
  begin(): void;
  attemptBegins(): void;
  attemptEnded(): boolean;
  remove(): "done" | "again" | "replace";
}
