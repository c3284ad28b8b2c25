/**
 * Schedules by name: a page for people and programs that list them, and all of them for an executor at its start.
 * They are read a few MB at a time, since each may have 4 MB; others get their turn between. Payloads are not part of
 * a list where they are long.
 */
import { checkpoint, openRoot } from "../concurrency/index.ts";
import type { ListedSchedule, ScheduleList, ScheduleListQuery, StoredSchedule } from "./contract/schedules.ts";

/** The longest payload that a list gives, in bytes. */
export const LISTED_PAYLOAD_BYTES = 1_000;
/** How many schedules one page may have. */
export const MAX_LISTED_SCHEDULES = 1_000;

/** How many bytes are read at once: one schedule more than that at the most. How many are read for one page. */
export const BYTES_AT_ONCE = 8_000_000;
const MOST_BYTES = 64_000_000;
/** How many schedules are read at once. */
const MOST_AT_ONCE = 250;

/** A schedule that is there, and how many bytes it takes to read. */
export interface SizedName {
  readonly name: string;
  readonly bytes: number;
}

/** How a broker reads, for one call. */
export interface ScheduleSource {
  /** The names that come behind one, in order. */
  names(after: string, limit: number): Promise<readonly SizedName[]>;
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
  for (const some of parts(found)) {
    if (left <= 0) break;
    for (const schedule of await source.read(some.map(({ name }) => name))) schedules.push(listed(schedule));
    for (const { bytes } of some) left -= bytes;
    at += some.length;
    await checkpoint(signal);
  }
  const isLast = at === found.length && found.length < limit;
  return { schedules, next: isLast ? null : (found[at - 1]?.name ?? null) };
}

/** As Schedules.everySchedule. */
export async function* everySchedule(source: ScheduleSource): AsyncGenerator<readonly StoredSchedule[]> {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const found: readonly SizedName[] = await source.names(after, MOST_AT_ONCE);
    for (const some of parts(found)) yield await source.read(some.map(({ name }) => name));
    after = found.at(-1)?.name;
  }
}

/** How many of the first are read at once; 0 where there are none. */
export function fitting(sizes: readonly number[]): number {
  let count = 0;
  for (let bytes = 0; count < sizes.length && bytes < BYTES_AT_ONCE; count++) bytes += sizes[count] ?? 0;
  return count;
}

function* parts(found: readonly SizedName[]): Generator<readonly SizedName[]> {
  for (let left = found; left.length > 0; ) {
    const count = fitting(left.map(({ bytes }) => bytes));
    yield left.slice(0, count);
    left = left.slice(count);
  }
}

function listed(schedule: StoredSchedule): ListedSchedule {
  const payloadBytes = Buffer.byteLength(schedule.payload);
  return { ...schedule, payloadBytes, ...(payloadBytes > LISTED_PAYLOAD_BYTES ? { payload: "null" } : {}) };
}
