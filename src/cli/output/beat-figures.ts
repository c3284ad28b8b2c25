/**
 * The figures of one executor out of its last heartbeat, the same for `top` and `status`. A heartbeat of RagFlow's
 * executor does not tell dead and cancelled apart: both stand in its `failed`.
 */
import type { FleetMember } from "../../broker/broker.ts";

export interface BeatFigures {
  readonly busy: number;
  readonly concurrency: number;
  /** Taken and all of them, `2/5`. */
  readonly slots: string;
  readonly done: number;
  readonly dead: number;
  readonly cancelled: number;
}

export function beatFigures({ beat }: Pick<FleetMember, "beat">): BeatFigures {
  const busy = beat?.slots_taken ?? Object.keys(beat?.current ?? {}).length;
  const concurrency = beat?.concurrency ?? 0;
  return {
    busy,
    concurrency,
    slots: `${busy}/${concurrency}${beat?.quiet === true ? " quiet" : ""}`,
    done: beat?.done ?? 0,
    dead: beat?.dead ?? beat?.failed ?? 0,
    cancelled: beat?.cancelled ?? 0,
  };
}

/** A process that runs handlers as a row of a table. */
export const RUNNER_HEAD = ["runner", "kind", "generation", "isolation", "state", "tasks", "done", "memory"] as const;

export interface ShownRunner {
  readonly pid: number;
  readonly kind: string;
  /** Which load of the handlers it has, from 1. */
  readonly generation?: number | undefined;
  readonly isolation: string;
  readonly state: string;
  readonly tasks: number;
  readonly done: number;
  readonly rss_bytes: number;
}

/** The cells below `RUNNER_HEAD`. */
export function runnerCells(runner: ShownRunner): readonly (string | number)[] {
  const { pid, kind, generation = "", isolation, state, tasks, done, rss_bytes: bytes } = runner;
  return [pid, kind, generation, isolation, state, tasks, done, `${(bytes / 1024 / 1024).toFixed(1)} MB`];
}
