/** The arguments of commands that make tasks: payload, queue, priority, and the options of an enqueue. */
import { parseDuration } from "../config/durations.ts";
import type { EnqueueOptions } from "../task/enqueue-options.ts";
import { CommandFailure, EXIT_USAGE, usageError } from "./exit.ts";
import { checkQueue } from "./filters.ts";
import { type Options, text } from "./flags.ts";
import { readText } from "./input.ts";
import { readJson } from "./json-text.ts";

/** A payload as it was given: JSON, `@FILE`, or `-` for standard input; null where none was. */
export async function payloadOf(given: string | undefined): Promise<unknown> {
  if (given === undefined) return null;
  const source = given === "-" ? "-" : given.startsWith("@") ? given.slice(1) : null;
  const read = readJson(source === null ? given : await readText(source));
  if (read.ok) return read.value;
  const where = source === null ? "the payload" : source === "-" ? "standard input" : source;
  throw new CommandFailure(`${where}: ${read.reason}`, EXIT_USAGE);
}

export function queueOf(options: Options, command: string): string {
  const queue = text(options.queue) ?? "common";
  checkQueue(queue, command);
  return queue;
}

export function priorityOf(options: Options, command: string): 0 | 1 {
  const priority = text(options.priority) ?? "0";
  if (priority === "0" || priority === "1") return priority === "0" ? 0 : 1;
  const expected = "expected 0 (ordinary) or 1 (urgent)";
  throw usageError(`flag --priority: ${expected}, got ${JSON.stringify(priority)}`, command);
}

/** --delay, --at, --attempts, --timeout, --retention, --unique. */
export function enqueueOptionsOf(options: Options): EnqueueOptions {
  const { unique } = options;
  return {
    delayMs: durationOf(options, "delay"),
    at: timeOf(options),
    attempts: attemptsOf(options),
    timeoutMs: durationOf(options, "timeout"),
    retentionMs: durationOf(options, "retention"),
    unique: unique === undefined ? undefined : { key: text(unique) },
  };
}

function durationOf(options: Options, name: string): number | undefined {
  const given = text(options[name]);
  if (given === undefined) return undefined;
  const ms = parseDuration(given);
  if (ms !== null) return ms;
  const expected = "expected a duration (500ms, 30s, 5m, 1h; a plain number counts seconds)";
  throw usageError(`flag --${name}: ${expected}, got ${JSON.stringify(given)}`, "enqueue");
}

function timeOf(options: Options): number | undefined {
  const given = text(options.at);
  if (given === undefined) return undefined;
  const at = /^\d{9,15}$/.test(given) ? Number(given) : Date.parse(given);
  if (Number.isFinite(at)) return at;
  const expected = "expected a time like 2026-01-31T12:00:00Z, or Unix ms";
  throw usageError(`flag --at: ${expected}, got ${JSON.stringify(given)}`, "enqueue");
}

function attemptsOf(options: Options): number | undefined {
  const given = text(options.attempts);
  if (given === undefined) return undefined;
  const attempts = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (attempts >= 1 && attempts <= 1_000) return attempts;
  throw usageError(`flag --attempts: expected a whole number from 1 to 1000, got ${JSON.stringify(given)}`, "enqueue");
}
