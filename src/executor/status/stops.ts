/**
 * How attempts ended that were told to stop, for status and heartbeats: how many heeded it, were killed or abandoned
 * since the executor booted, and the last few, each with how long it took.
 */
import type { ExecutorMetrics } from "../../metrics/executor-metrics.ts";
import { type ENDED_BY, endedByJson } from "../../task/record/ended-by.ts";
import type { Attempt, StopCause } from "../attempt/attempt.ts";

/** How many of the last ones are told. */
const LAST = 5;

type EndedByJson = ReturnType<typeof endedByJson>;

/** One that was told to stop. */
export interface Stop extends EndedByJson {
  readonly id: string;
  readonly type: string;
  /** Why: a cancel, its timeout, its deadline, a lost lease, a drain. */
  readonly why: StopCause | "timeout" | "deadline";
}

/** As status and heartbeats tell it; `last` is oldest first. */
export type StopsJson = Readonly<Record<(typeof ENDED_BY)[number], number>> & { readonly last: readonly Stop[] };

export class Stops {
  readonly #metrics: ExecutorMetrics | null;
  readonly #counts = { heeded: 0, killed: 0, abandoned: 0 };
  readonly #last: Stop[] = [];

  /** @param metrics - told of each, too; null: nobody is. */
  constructor(metrics: ExecutorMetrics | null = null) {
    this.#metrics = metrics;
  }

  /** Its code has ended, or was left behind. */
  note({ id, type, endedBy }: Pick<Attempt, "id" | "type" | "endedBy">, why: Stop["why"]): EndedByJson {
    const told = endedByJson(endedBy);
    this.#counts[told.how]++;
    if (told.how === "killed") this.#metrics?.tasks.killed(type);
    if (why === "cancel") this.#metrics?.cancelled(endedBy.afterMs / 1_000);
    if (this.#last.length === LAST) this.#last.shift();
    this.#last.push({ id, type, why, ...told });
    return told;
  }

  json(): StopsJson {
    return { ...this.#counts, last: [...this.#last] };
  }
}
