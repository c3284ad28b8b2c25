/** How the code of an attempt ended once it was told to stop: by itself, or not. */
import * as v from "valibot";
import type { TaskState } from "../state.ts";

/**
 * `heeded`: it ended by itself; `killed`: what ran it was killed; `abandoned`: it ran on, and was left behind. Each so
 * many ms after it had been told to stop.
 */
export const ENDED_BY = ["heeded", "killed", "abandoned"] as const;

export const EndedBySchema = v.object({ how: v.picklist(ENDED_BY), after_ms: v.number() });

export type EndedByJson = v.InferOutput<typeof EndedBySchema>;

export interface EndedBy {
  readonly how: (typeof ENDED_BY)[number];
  readonly afterMs: number;
}

/** As records and figures tell it. */
export function endedByJson({ how, afterMs }: EndedBy): EndedByJson {
  return { how, after_ms: Math.max(0, Math.round(afterMs)) };
}

/** `heeded after 12 ms`. */
export function showEndedBy({ how, after_ms: ms }: EndedByJson): string {
  return `${how} after ${ms} ms`;
}

const IN_REASON = new RegExp(`: (${ENDED_BY.join("|")}) after (\\d{1,15}) ms$`);

/** The reason of a task that was cancelled while its code ran. `endedByOf` finds in it how that ended. */
export function cancelReason(reason: string, endedBy: EndedByJson): string {
  return `${reason}: ${showEndedBy(endedBy)}`;
}

/**
 * How the code of the last attempt ended, as its record tells it; null: it was not told to stop, or runs.
 *
 * @param about - its state, and what is kept of the ends of its attempts.
 */
export function endedByOf(about: {
  readonly state: TaskState;
  readonly reason: string | null;
  readonly errors: readonly { readonly ended_by?: EndedByJson | undefined }[];
}): EndedByJson | null {
  const { state, reason, errors } = about;
  if (state === "dead" || state === "retrying") return errors.at(-1)?.ended_by ?? null;
  if (state !== "cancelled" || reason === null) return null;
  const [, how, ms] = IN_REASON.exec(reason) ?? [];
  return ms === undefined ? null : v.parse(EndedBySchema, { how, after_ms: Number(ms) });
}
