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
    slots: `${busy}/${concurrency}`,
    done: beat?.done ?? 0,
    dead: beat?.dead ?? beat?.failed ?? 0,
    cancelled: beat?.cancelled ?? 0,
  };
}
