/**
 * The rules of progress: 0..1, or -1 for failed; which write is taken, and how the log of messages grows.
 */

/** How many characters of the log are kept: the last ones. */
export const PROGRESS_LOG_LENGTH = 3000;

/**
 * Tells whether a write is taken: always at 1 or more; else only where the present value is not -1 and the new one
 * is -1 or larger.
 */
export function takesProgress(present: number, next: number): boolean {
  return next >= 1 || (present !== -1 && next >= -1);
}

/** One line of the log: `HH:MM:SS message`, with `[ERROR]` where the task failed. `at` is Unix ms. */
export function progressLine(at: number, message: string, options?: { readonly failed?: boolean }): string {
  const clock = new Date(at).toTimeString().slice(0, 8);
  return `${clock} ${options?.failed ? `[ERROR]${message}` : message}`;
}

/** Appends a line and keeps the last `PROGRESS_LOG_LENGTH` characters. */
export function appendLog(log: string, line: string): string {
  const whole = log === "" ? line : `${log}\n${line}`;
  return whole.length > PROGRESS_LOG_LENGTH ? whole.slice(-PROGRESS_LOG_LENGTH) : whole;
}

/** `Page(a~b): ` where the message names pages, else nothing. Pages count from 1 in messages, from 0 in tasks. */
export function pagePrefix(fields: Readonly<Record<string, unknown>> | undefined): string {
  const from = fields?.from_page;
  const to = fields?.to_page;
  if (typeof from !== "number" || typeof to !== "number" || to <= 0 || from >= to) return "";
  return `Page(${from + 1}~${to + 1}): `;
}
