/**
 * An exception or a rejection that nobody caught: it has left its task, so what is known of it is told at once,
 * whatever the log shows otherwise: its stack, and the tasks one of which most likely let it go.
 */
import { getLogger } from "@logtape/logtape";
import { readText } from "../../concurrency/unknown-values.ts";
import type { TaskName } from "../../executor/attempt/ended-lately.ts";

const log = getLogger(["taskexe"]);

const MOST_NAMES = 50;
const MOST_LINES = 50;

export interface Names {
  readonly running: readonly TaskName[];
  readonly ended: readonly TaskName[];
}

/** Logs it: for people with the stack line by line, for machines in one record. */
export function logStrayError(error: unknown, { running, ended }: Names, format: "pretty" | "json"): void {
  const stack = readText(error, "stack");
  const known = { error, running: told(running), ended: told(ended) };
  const message = "an error outside of every task: {error}; running: {running}; ended last: {ended}; draining";
  log.fatal(message, format === "json" ? { ...known, stack } : known);
  if (format === "json") return;
  for (const line of stack.split("\n").slice(0, MOST_LINES)) if (line.trim() !== "") log.fatal("{line}", { line });
}

function told(names: readonly TaskName[]): string {
  const shown = names.slice(0, MOST_NAMES).map(({ id, type }) => `${type} ${id}`);
  if (names.length > MOST_NAMES) shown.push(`and ${names.length - MOST_NAMES} more`);
  return shown.length === 0 ? "none" : shown.join(", ");
}
