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
  const current = beat?.current;
  const tasks = typeof current === "object" && current !== null ? Object.keys(current).length : 0;
  const busy = numberOf(beat?.slots_taken, tasks);
  const concurrency = numberOf(beat?.concurrency);
  return {
    busy,
    concurrency,
    slots: `${busy}/${concurrency}`,
    done: numberOf(beat?.done),
    dead: numberOf(beat?.dead, numberOf(beat?.failed)),
    cancelled: numberOf(beat?.cancelled),
  };
}

function numberOf(value: unknown, otherwise = 0): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}
