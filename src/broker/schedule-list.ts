/**
 * A page of schedules by name, for people and programs that list them. Payloads are not part of a list where they are
 * long, and they are read a few MB at a time, since each may have 4 MB; others get their turn between.
 */
import { checkpoint, openRoot } from "../concurrency/index.ts";
import type { ListedSchedule, ScheduleList, ScheduleListQuery, StoredSchedule } from "./contract/schedules.ts";

/** The longest payload that a list gives, in bytes. */
export const LISTED_PAYLOAD_BYTES = 1_000;
/** How many schedules one page may have. */
export const MAX_LISTED_SCHEDULES = 1_000;

/** How many bytes are read at once, and how many for one page. */
const BYTES_AT_ONCE = 8_000_000;
const MOST_BYTES = 64_000_000;

/** How a broker reads. */
export interface ScheduleSource {
  /** The names that come behind one, in order, with how many bytes each takes to read. */
  names(after: string, limit: number): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  read(names: readonly string[]): Promise<readonly StoredSchedule[]>;
}

/** One page; it may have less than `limit` though there are more. @throws (rejects) RangeError for a wrong limit. */
export async function scheduleList(source: ScheduleSource, { after, limit }: ScheduleListQuery): Promise<ScheduleList> {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LISTED_SCHEDULES) {
    throw new RangeError(`the limit must be 1 to ${MAX_LISTED_SCHEDULES}, got ${limit}`);
  }
  const { signal } = openRoot();
  const found = await source.names(after, limit);
  const schedules: ListedSchedule[] = [];
  let [at, left] = [0, MOST_BYTES];
  while (at < found.length && left > 0) {
    const names: string[] = [];
    for (let bytes = 0; at < found.length && (names.length === 0 || bytes < BYTES_AT_ONCE) && left > 0; at++) {
      const one = found[at];
      if (one === undefined) break;
      names.push(one.name);
      bytes += one.bytes;
      left -= one.bytes;
    }
    for (const schedule of await source.read(names)) schedules.push(listed(schedule));
    await checkpoint(signal);
  }
  const isLast = at === found.length && found.length < limit;
  return { schedules, next: isLast ? null : (found[at - 1]?.name ?? null) };
}

function listed(schedule: StoredSchedule): ListedSchedule {
  const payloadBytes = Buffer.byteLength(schedule.payload);
  return { ...schedule, payloadBytes, ...(payloadBytes > LISTED_PAYLOAD_BYTES ? { payload: "null" } : {}) };
}
