/**
 * What went wrong in SQLite, told apart by its result code: busy (try again), away (disk full, I/O, file gone), a file
 * that is not ours (the user's mistake), or a fault of our own statement.
 */
import { BrokerUnavailableError } from "../broker.ts";

/** The file cannot serve as a taskexe database: another program's, a newer version's, not readable. Waiting won't help. */
export class SqliteFileError extends Error {
  override readonly name = "SqliteFileError";
}

const BUSY = 5;
const LOCKED = 6;
const FULL = 13;
const PROTOCOL = 15;

/** Result codes that speak of our statements and values, not of the file: error, toobig, constraint, mismatch, misuse, range. */
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

/** The primary result code of an error that SQLite threw, or that was wrapped around one; null for a verdict of ours. */
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

/** Says where it happened and what SQLite said. */
export function unavailable(url: string, error: unknown): BrokerUnavailableError {
  return new BrokerUnavailableError(`the database ${url} does not work just now: ${messageOf(error)}`, {
    cause: error,
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
