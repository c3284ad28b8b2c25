/**
 * Cron patterns: when one comes due next, and what is wrong with one that cannot be read. Five fields, six with seconds
 * in front, a nickname (@daily) or an interval (@every 30s). The calendar itself, with its summer times, is croner's.
 */
import { Cron } from "croner";
import { nextOnGrid, readEvery } from "./every.ts";

const NICKNAMES = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/** The longest pattern, in characters. */
export const MAX_CRON_LENGTH = 200;

/**
 * The next time of patterns that were asked for: thousands of schedules share one, and croner needs 100 us for each.
 */
const KNOWN = new Map<string, { readonly after: number; readonly next: number }>();
const MOST_KNOWN = 10_000;

/** A pattern or a time zone that cannot be read; the message says which, and what is expected. */
export class CronError extends Error {
  override readonly name = "CronError";
}

/**
 * The first time after `after` at which the pattern comes due.
 *
 * @param timezone - an IANA name; null: UTC.
 * @param after - Unix ms.
 * @param anchor - what an interval counts from, Unix ms: the time that was due before. Default: `after`.
 * @returns Unix ms; null where it never comes due again, as on the 31st of February.
 * @throws CronError when the pattern or the time zone cannot be read.
 */
export function nextRun(cron: string, timezone: string | null, after: number, anchor = after): number | null {
  const known = KNOWN.get(`${timezone} ${cron}`);
  if (known !== undefined && known.after <= after && after < known.next) return known.next;
  if (cron.length > MAX_CRON_LENGTH) throw wrong(`${cron.slice(0, 40)}...`, `it has ${cron.length} characters`);
  checkTimezone(timezone);
  const pattern = cron.trim();
  const every = readEvery(pattern);
  if (every !== null) {
    if ("reason" in every) throw wrong(cron, every.reason);
    return Math.round(nextOnGrid(every.ms, anchor, after));
  }
  if (pattern.startsWith("@") && !NICKNAMES.includes(pattern.toLowerCase())) {
    throw wrong(cron, `${pattern.split(/\s/)[0]} is not supported; known are ${NICKNAMES.join(", ")} and @every`);
  }
  // croner reads these as one point in time: a task with a time of its own needs no schedule.
  if (/^\d{4}-/.test(pattern)) throw wrong(cron, "a date is no pattern");
  try {
    // UTC by its name would go through the calendar of Intl, which takes five times as long.
    const zone = timezone === null ? { utcOffset: 0 } : { timezone };
    const next = new Cron(pattern, { paused: true, ...zone }).nextRun(new Date(after))?.getTime();
    if (next !== undefined) remember(`${timezone} ${cron}`, { after, next });
    return next ?? null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw wrong(
      cron,
      reason
        .replace(/^Cron\w*: /, "")
        .replace(/ \('.*'\)/, "")
        .replace(/\.$/, ""),
    );
  }
}

function remember(pattern: string, times: { readonly after: number; readonly next: number }): void {
  if (KNOWN.size >= MOST_KNOWN) KNOWN.clear();
  KNOWN.set(pattern, times);
}

function checkTimezone(timezone: string | null): void {
  if (timezone === null) return;
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    throw new CronError(
      `${JSON.stringify(timezone)} is no time zone: expected an IANA name like Europe/Berlin, or none for UTC`,
    );
  }
}

function wrong(cron: string, reason: string): CronError {
  const expected =
    "expected five fields (minute hour day month weekday), six with seconds in front, @daily or @every 30s";
  return new CronError(`the cron pattern ${JSON.stringify(cron)} cannot be read: ${reason}; ${expected}`);
}
