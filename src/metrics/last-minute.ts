/** How many attempts of each type have ended in the last minute, out of counts that only grow, noted every 10 s. */

/** Between two notes, in ms; so many are kept, so that the oldest is a minute old. */
export const NOTE_MS = 10_000;
const NOTES = 7;
const MINUTE_MS = 60_000;

/** Attempts that were done, and such as failed. */
export type Ended = readonly [done: number, failed: number];

interface Note {
  readonly at: number;
  readonly counts: ReadonlyMap<string, Ended>;
}

export class LastMinute {
  readonly #notes: Note[] = [];

  /** @param at - on a clock that only goes forward, in ms. */
  note(at: number, counts: ReadonlyMap<string, Ended>): void {
    this.#notes.push({ at, counts });
    if (this.#notes.length > NOTES) this.#notes.shift();
  }

  /** What has grown since a minute ago, or since the start; of a longer time the part of a minute. */
  of(type: string, at: number, [done, failed]: Ended): Ended {
    const before = this.#notes.findLast((note) => at - note.at >= MINUTE_MS);
    const [doneBefore, failedBefore] = before?.counts.get(type) ?? [0, 0];
    const part = before === undefined ? 1 : MINUTE_MS / (at - before.at);
    const grown = (now: number, then: number): number => Math.round(Math.max(0, now - then) * part * 10) / 10;
    return [grown(done, doneBefore), grown(failed, failedBefore)];
  }
}
