/**
 * What went wrong in SQLite, told apart by its result code: busy (try again), away (the file cannot be opened),
 * refusing (it is there and does not work: disk full, read-only, damaged, locked for long), a file that is not ours
 * (the user's mistake), or a fault of our own statement.
 */
import { BrokerRefusedError, BrokerUnavailableError, BrokerUnfitError } from "../../broker.ts";

/**
 * The file cannot serve as a taskexe database: another program's, a newer version's, not readable. Waiting won't help.
 */
export class SqliteFileError extends BrokerUnfitError {
  override readonly name: string = "SqliteFileError";
}

const BUSY = 5;
const LOCKED = 6;
const FULL = 13;
const CANTOPEN = 14;
const PROTOCOL = 15;

/** What to do, by result code. */
const ADVICE: ReadonlyMap<number, string> = new Map([
  [3, "this user may not use it: look at the owner and the mode of the file and its folder"],
  [BUSY, "another process holds it: one that was stopped in the midst of a write, or another program"],
  [LOCKED, "another process holds it: one that was stopped in the midst of a write, or another program"],
  [8, "this user may not write to it: look at the owner and the mode of the file and its folder, and at the mount"],
  [10, "the disk or its file system fails: the log of the kernel says more"],
  [11, "restore it from a backup, or move it away to begin anew"],
  [FULL, "make room on its disk; nothing is lost meanwhile"],
  [26, "something else was written over it: restore it, or move it away to begin anew"],
]);

/**
 * Result codes that speak of our statements and values, not of the file: error, toobig, constraint, mismatch, misuse,
 * range.
 */
const OUR_FAULT = new Set([1, 18, 19, 20, 21, 25]);

/** Deno gives no code with some errors; the texts are those of sqlite3_errstr, the same in every version. */
const CODES_BY_TEXT: readonly (readonly [string, number])[] = [
  ["database is locked", BUSY],
  ["table is locked", LOCKED],
  ["database or disk is full", FULL],
  ["locking protocol", PROTOCOL],
  ["attempt to write a readonly database", 8],
  ["disk I/O error", 10],
  ["database disk image is malformed", 11],
  ["unable to open database file", 14],
  ["file is not a database", 26],
];

/**
 * The primary result code of an error that SQLite threw, or that was wrapped around one; null for a verdict of ours.
 */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || error instanceof SqliteFileError) return null;
  if ("errcode" in error && typeof error.errcode === "number") return error.errcode & 0xff;
  const known = CODES_BY_TEXT.find(([text]) => error.message.includes(text));
  if (known !== undefined) return known[1];
  return error.cause === undefined ? null : sqliteCode(error.cause);
}

/** Somebody else holds the lock just now. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === BUSY || code === LOCKED || code === PROTOCOL;
}

/** The file or its disk does not work just now; a fault of our statements is no such thing. */
export function isUnavailable(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== null && !OUR_FAULT.has(code);
}

/** Whether the connection itself is in doubt, so that the file should be opened anew; a full disk only needs room. */
export function needsReopening(error: unknown): boolean {
  return isUnavailable(error) && !isBusy(error) && sqliteCode(error) !== FULL;
}

/** Whether the file is there at all. */
export function stateOf(error: unknown): "away" | "refusing" {
  if (error instanceof SqliteFileError || error instanceof BrokerRefusedError) return "refusing";
  const code = sqliteCode(error);
  return code === null || code === CANTOPEN ? "away" : "refusing";
}

/** What SQLite said, and what to do about it where that is known. */
export function reasonOf(error: unknown): string {
  const advice = ADVICE.get(sqliteCode(error) ?? -1);
  return advice === undefined ? messageOf(error) : `${messageOf(error)}; ${advice}`;
}

/** Says where it happened and what SQLite said. */
export function unavailable(url: string, error: unknown): BrokerUnavailableError {
  const message = `the database ${url} does not work just now: ${reasonOf(error)}`;
  const Kind = stateOf(error) === "away" ? BrokerUnavailableError : BrokerRefusedError;
  return new Kind(message, { cause: error });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
