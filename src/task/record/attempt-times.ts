/**
 * Where the time of an attempt went, from when the task was due until its end was written: it waited in line, it was
 * claimed and waited for its code to be called, its code ran, and its end waited to be recorded. Whole ms.
 */
import * as v from "valibot";
import type { TaskState } from "../state.ts";

const Ms = v.pipe(v.number(), v.minValue(0));

export const AttemptTimesSchema = v.object({
  /** From when it was queued, or due, until it was claimed; null: that is not known. */
  waited_ms: v.nullable(Ms),
  /** From its claim until its code was called; null: it was taken over, or taken up again after a start. */
  claimed_ms: v.nullable(Ms),
  ran_ms: Ms,
  /** From the end of its code until that was written. */
  recorded_ms: Ms,
});

export type AttemptTimes = v.InferOutput<typeof AttemptTimesSchema>;

/** What the executor knows of it; how long the record took is known to whoever writes it. */
export interface Spent {
  readonly waitedMs: number | null;
  readonly claimedMs: number | null;
  readonly ranMs: number;
}

/** @param about - when each step began, Unix ms on the broker's clock; null: not known. */
export function spentOf(about: {
  readonly queuedAt: number | null;
  readonly claimedAt: number | null;
  readonly begunAt: number;
  readonly endedAt: number;
}): Spent {
  const { queuedAt, claimedAt, begunAt, endedAt } = about;
  return {
    waitedMs: queuedAt === null || claimedAt === null ? null : between(queuedAt, claimedAt),
    claimedMs: claimedAt === null ? null : between(claimedAt, begunAt),
    ranMs: between(begunAt, endedAt),
  };
}

/** @param begunAt - when its code was called. @param writtenAt - when its end is written. Unix ms. */
export function timesOf({ waitedMs, claimedMs, ranMs }: Spent, begunAt: number, writtenAt: number): AttemptTimes {
  const recorded = between(Math.round(begunAt) + ranMs, writtenAt);
  return { waited_ms: waitedMs, claimed_ms: claimedMs, ran_ms: ranMs, recorded_ms: recorded };
}

/** As records keep it beside the times that they have: `WAITED CLAIMED RAN`, a dash for what is not known. */
export function packSpent({ waitedMs, claimedMs, ranMs }: Spent): string {
  return `${waitedMs ?? "-"} ${claimedMs ?? "-"} ${ranMs}`;
}

const PACKED = /^(\d{1,15}|-) (\d{1,15}|-) (\d{1,15})$/;

/**
 * Where the time of a task's last attempt went, as its record tells it; null: it has not ended, its code was never
 * called, or an older version wrote it.
 *
 * @param packed - of a task that is done or cancelled; the errors of others have it.
 */
export function lastTimes(about: {
  readonly state: TaskState;
  readonly errors: readonly { readonly times?: AttemptTimes | undefined }[];
  readonly packed: string | null;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}): AttemptTimes | null {
  const { state, errors, packed, startedAt, finishedAt } = about;
  if (state === "dead" || state === "retrying") return errors.at(-1)?.times ?? null;
  if ((state !== "done" && state !== "cancelled") || startedAt === null || finishedAt === null) return null;
  const match = PACKED.exec(packed ?? "");
  if (match === null) return null;
  const [waitedMs = null, claimedMs = null, ranMs = null] = match.slice(1).map((text) => (text === "-" ? null : +text));
  return timesOf({ waitedMs, claimedMs, ranMs: ranMs ?? 0 }, startedAt, finishedAt);
}

function between(from: number, to: number): number {
  return Math.max(0, Math.round(to) - Math.round(from));
}
