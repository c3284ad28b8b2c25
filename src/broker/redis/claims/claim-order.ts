/**
 * In which order a claim looks at the streams, and whether a plain read may do it. Urgent first; within a priority
 * another queue is first each time, so that a full one holds up none of the others.
 * While all but one stream are known to be empty, a plain read over all of them gives as much as the script does, at
 * half the cost. It takes too many once, when a second stream gets entries: the surplus is handed back to its place,
 * and the next claims go in order until all but one are empty again.
 */
import type { StreamEntries } from "../connection/replies.ts";
import type { StreamName } from "../streams.ts";

export interface ClaimTurn {
  /** The streams to look at. */
  readonly keys: readonly string[];
  /** Whether one after the other, or all at once. */
  readonly inOrder: boolean;
  /** Whether nothing found means that there is nothing. */
  readonly isWhole: boolean;
}

/** Whether a stream is not looked at just now. */
type IsLeftOut = (stream: StreamName) => boolean;

export class ClaimOrder {
  readonly #levels: readonly (readonly StreamName[])[];
  #turn = 0;
  /** The stream that alone gave the last claim. */
  #only: string | null = null;
  /** Whether all but one at the most were seen to be empty. */
  #isAlone = false;

  /** @param streams - urgent first. */
  constructor(streams: readonly StreamName[]) {
    this.#levels = [...Map.groupBy(streams, ({ priority }) => priority).values()];
  }

  /** The streams for the next claim, but for those that are left out. */
  next(isLeftOut: IsLeftOut): ClaimTurn {
    const keys = this.all(isLeftOut);
    const [first] = keys;
    if (keys.length === 1 || this.#isAlone) return { keys, inOrder: false, isWhole: true };
    // What is the most urgent of all needs no look at the others.
    if (first !== undefined && first === this.#only) return { keys: [first], inOrder: false, isWhole: false };
    return { keys, inOrder: true, isWhole: true };
  }

  /** All streams, urgent first, but for those that are left out. */
  all(isLeftOut: IsLeftOut): readonly string[] {
    this.#turn++;
    const turned = this.#levels.flatMap((level) => {
      const from = this.#turn % level.length;
      return from === 0 ? level : [...level.slice(from), ...level.slice(0, from)];
    });
    return turned.filter((stream) => !isLeftOut(stream)).map(({ key }) => key);
  }

  /** The streams that are more urgent than the least urgent ones. */
  urgent(isLeftOut: IsLeftOut): readonly string[] {
    const streams = this.#levels.slice(0, -1).flat();
    return streams.filter((stream) => !isLeftOut(stream)).map(({ key }) => key);
  }

  /** Learns from what a claim of `max` was given. */
  learn({ keys, inOrder, isWhole }: ClaimTurn, given: readonly StreamEntries[], max: number): void {
    const [one, ...others] = given;
    const isFull = one !== undefined && one[1].length >= max;
    this.#only = isFull && others.length === 0 ? one[0] : null;
    // In order, those behind the one that filled the claim were not looked at.
    const lookedAtAll = isWhole && (!inOrder || !isFull || one[0] === keys.at(-1));
    this.#isAlone = lookedAtAll && others.length === 0;
  }
}
