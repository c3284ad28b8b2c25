/** How the code of an attempt ended once it was told to stop: by itself, or not. */
import * as v from "valibot";

/**
 * `heeded`: it ended by itself; `killed`: what ran it was killed; `abandoned`: it ran on, and was left behind. Each so
 * many ms after it had been told to stop.
 */
export const ENDED_BY = ["heeded", "killed", "abandoned"] as const;

export const EndedBySchema = v.object({ how: v.picklist(ENDED_BY), after_ms: v.number() });

export interface EndedBy {
  readonly how: (typeof ENDED_BY)[number];
  readonly afterMs: number;
}

/** As records and figures tell it. */
export function endedByJson({ how, afterMs }: EndedBy): v.InferOutput<typeof EndedBySchema> {
  return { how, after_ms: Math.max(0, Math.round(afterMs)) };
}

/** `heeded after 12 ms`. */
export function showEndedBy({ how, after_ms: ms }: v.InferOutput<typeof EndedBySchema>): string {
  return `${how} after ${ms} ms`;
}
