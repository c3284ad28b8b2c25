/**
 * The rules of progress: 0..1, or -1 for failed; which write is taken, and how the log of messages grows.
 */

/** How many characters of the log are kept: the last ones. */
export const PROGRESS_LOG_LENGTH = 3000;

/** From this page on a task has no real pages. */
const NO_PAGE = 100_000_000;

/** Tells whether a write is taken: -1 always, else one that is larger than the present value; after -1 none. */
export function takesProgress(present: number, next: number): boolean {
  return present !== -1 && (next === -1 || next > present);
}

/** One line of the log: `HH:MM:SS message`. `at` is Unix ms. */
export function progressLine(at: number, message: string): string {
  return `${new Date(at).toTimeString().slice(0, 8)} ${message}`;
}

/** Appends a line and keeps the last `PROGRESS_LOG_LENGTH` characters, from the beginning of a line on. */
export function appendLog(log: string, line: string): string {
  const whole = log === "" ? line : `${log}\n${line}`;
  if (whole.length <= PROGRESS_LOG_LENGTH) return whole;
  const from = whole.length - PROGRESS_LOG_LENGTH;
  const next = whole.indexOf("\n", from - 1) + 1;
  // Of a line that is longer than all that is kept, its end.
  return whole.slice(next === 0 ? from : next);
}

/**
 * What a message is told as: with `Page(a~b): ` before it where the task names pages, which count from 1 in messages
 * and from 0 in tasks; and `[ERROR]` behind that where it failed.
 */
export function messageText(
  fields: Readonly<Record<string, unknown>> | undefined,
  message: string,
  options?: { readonly failed?: boolean },
): string {
  return `${pagePrefix(fields)}${options?.failed ? "[ERROR]" : ""}${message}`;
}

function pagePrefix(fields: Readonly<Record<string, unknown>> | undefined): string {
  const from = fields?.from_page;
  const to = fields?.to_page;
  if (typeof from !== "number" || typeof to !== "number" || to <= 0 || to >= NO_PAGE || from >= to) return "";
  return `Page(${from + 1}~${to}): `;
}
