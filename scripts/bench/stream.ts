/** The stream that ours and Redis's own limit empty, under the names that executors use by default. */
import type { Redis } from "ioredis";
import type { QueueSight } from "./drain.ts";

export const DATABASE = 1;
export const STREAM = "te.0.common";
export const GROUP = "rag_flow_svr_task_broker";

/** Claimed once anything was read; an entry is left until it is deleted and acknowledged. */
export async function lookAtStream(redis: Redis, count: number): Promise<QueueSight> {
  const [length, groups] = await Promise.all([redis.xlen(STREAM), redis.xinfo("GROUPS", STREAM)]);
  const inProgress = pendingOf(groups);
  return { claimed: inProgress > 0 || length < count, left: Math.max(length, inProgress) };
}

/** How many entries the group has claimed and not acked, out of XINFO GROUPS: a flat list of names and values each. */
function pendingOf(groups: unknown): number {
  // The group is created by who consumes, so there may be none yet.
  for (const fields of Array.isArray(groups) ? groups : []) {
    if (Array.isArray(fields) && fields[fields.indexOf("name") + 1] === GROUP) {
      return Number(fields[fields.indexOf("pending") + 1]);
    }
  }
  return 0;
}
