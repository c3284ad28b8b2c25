/**
 * Beats as both brokers keep and read them. The next beat takes the place of one that was not due, and leaves of one
 * that was due its small form: only the last one of a series names the tasks that run.
 */
import type { FleetMember } from "./broker.ts";

/** A beat that has been sent, and what is to stay of it; null: nothing. */
export interface Replaced {
  readonly json: string;
  /** Unix ms on the broker's clock. */
  readonly at: number;
  readonly kept: string | null;
}

/** So many beats are remembered that were sent and not answered. */
const MOST_UNANSWERED = 2;

export class BeatSeries {
  #replaced: Replaced[] = [];

  /** What the next beat, this one, takes the place of; to be asked before it is sent. */
  next(beat: Replaced): readonly Replaced[] {
    const replaced = this.#replaced;
    // Should no answer come, it may have been stored all the same. The first is the last that was answered.
    this.#replaced = [...replaced.slice(0, 1), ...replaced.slice(1).slice(1 - MOST_UNANSWERED), beat];
    return replaced;
  }

  /** It is stored. */
  answered(): void {
    this.#replaced = this.#replaced.slice(-1).filter(({ json, kept }) => json !== kept);
  }

  /** What the last beat of all takes the place of. */
  last(): readonly Replaced[] {
    return this.#replaced;
  }
}

/** The same member without the tasks that it runs; a beat that tells no number of slots is given that of the tasks. */
export function withoutTasks({ beat, ...member }: FleetMember): FleetMember {
  if (beat === null) return { ...member, beat };
  const { current, started: _started, ...rest } = beat;
  const isCounted = rest.slots_taken !== undefined || current === undefined;
  return { ...member, beat: isCounted ? rest : { ...rest, slots_taken: Object.keys(current).length } };
}
