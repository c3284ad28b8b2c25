/**
 * How a runner ends, and what it says then on standard error: whoever started it reads the reason there. What is needed
 * is taken before any handler is loaded, since a handler may replace it.
 */
import { writeSync } from "node:fs";
import { readText } from "../concurrency/unknown-values.ts";
import { messagesOf, toErrorRecord } from "../handlers/error-record.ts";
import { printable } from "../task/text/printable.ts";

/** All that ran has ended, or the executor is gone. */
export const EXIT_FINE = 0;
/** An error outside of every task, or the executor does not keep to the protocol. */
export const EXIT_FAILED = 1;
/** It was started wrongly, or the handlers cannot be loaded. */
export const EXIT_USAGE = 2;

/** Longer reasons are cut, in characters. */
const MAX_REASON = 16_000;

const exit = process.exit.bind(process);

/** Ends the process at once. */
export function leave(code: number, reason = ""): never {
  if (reason !== "") sayLast(reason);
  return exit(code);
}

/** On standard error, now. */
export function sayLast(reason: string): void {
  try {
    writeSync(2, `taskexe: ${printable(reason.slice(0, MAX_REASON), "lines")}\n`);
  } catch {
    // Nobody reads it: the exit code is all there is then.
  }
}

/** An error in one line, with where it came from behind it. */
export function toldOf(error: unknown): string {
  const stack = readText(error, "stack");
  return stack === "" ? messagesOf(toErrorRecord(error)) : stack;
}
