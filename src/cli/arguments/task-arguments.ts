/** The arguments of commands that make tasks: payload, queue, priority, and the options of an enqueue. */
import { existsSync, readFileSync } from "node:fs";
import { MAX_DURATION_MS } from "../../task/limits.ts";
import { boundedDuration, EXPECTED_BACKOFF, parseBackoff } from "../../task/options/backoff-text.ts";
import { type EnqueueOptions, QueueNameSchema } from "../../task/options/enqueue-options.ts";
import { type Backoff, RUN_OPTION_ROWS, type RunOption } from "../../task/options/run-options.ts";
import { JsonText } from "../../task/text/json-text.ts";
import { formatDuration, parseDuration } from "../../task/times/durations.ts";
import { readTime } from "../../task/times/times.ts";
import { CommandFailure, EXIT_USAGE, usageError } from "../process/exit.ts";
import { checkQueue } from "./filters.ts";
import { type Options, optionOf, text } from "./flags.ts";
import { readText } from "./input.ts";
import { readJson } from "./json-text.ts";

/** A payload as it was given: JSON, `@FILE`, or `-` for standard input; null where none was. */
export async function payloadOf(given: string | undefined): Promise<JsonText> {
  if (given === undefined) return new JsonText("null");
  const source = given === "-" ? "-" : given.startsWith("@") ? given.slice(1) : null;
  if (source === null && !isWhole(given)) throw new CommandFailure("the payload: it is not UTF-8", EXIT_USAGE);
  const json = source === null ? given : await readText(source);
  const read = readJson(json);
  if (read.ok) return new JsonText(json);
  const where = source === null ? "the payload" : source === "-" ? "standard input" : source;
  throw new CommandFailure(`${where}: ${read.reason}`, EXIT_USAGE);
}

/**
 * Whether an argument is what was typed: runtimes put U+FFFD in the place of bytes that are no UTF-8. Where there is
 * one, and Linux tells the bytes, they say whether it was typed.
 */
function isWhole(argument: string): boolean {
  if (!argument.includes("\ufffd") || !existsSync("/proc/self/cmdline")) return true;
  const typed = readFileSync("/proc/self/cmdline");
  return Buffer.from(typed.toString("utf8")).equals(typed);
}

export function queueOf(options: Options, command: string): string {
  const queue = text(options.queue) ?? "common";
  checkQueue(queue, command, QueueNameSchema);
  return queue;
}

/** @param priorities - how many the fleet has. */
export function priorityOf(options: Options, priorities: number, command: string): number {
  const given = text(options.priority) ?? "0";
  const priority = /^\d$/.test(given) ? Number(given) : priorities;
  if (priority < priorities) return priority;
  const expected = `expected 0 (ordinary) to ${priorities - 1} (the setting priorities is ${priorities})`;
  throw usageError(`flag --priority: ${expected}, got ${JSON.stringify(given)}`, command);
}

/** The flags of `enqueue` that say how one task is run: JSON lines say it themselves. */
export const ENQUEUE_FLAGS = [
  "delay",
  "at",
  ...RUN_OPTION_ROWS.map(([, { flag }]) => optionOf(flag)),
  "deadline",
  "unique",
  "uniqueFor",
];

/** Options of an enqueue; its deadline may be counted from now. */
export type TaskFlagValues = EnqueueOptions & { readonly deadlineMs?: number | undefined };

/** What those flags say. */
export function enqueueOptionsOf(options: Options): TaskFlagValues {
  return { ...runOptionsOf(options, "enqueue"), at: timeOf(options, "at", "enqueue"), ...deadlineOf(options) };
}

/** What they say of how a task is run, but for points in time. */
export function runOptionsOf(options: Options, command: string): Omit<EnqueueOptions, "id" | "at" | "deadlineAt"> {
  return {
    delayMs: durationOf(options, "delay", command),
    ...Object.fromEntries(RUN_OPTION_ROWS.map(([key, row]) => [key, runOptionOf(options, row, command)])),
    unique: uniqueOf(options, command),
  };
}

/** What the flag of an option says, read as its kind. */
function runOptionOf(options: Options, row: RunOption, command: string): string | number | Backoff | undefined {
  const name = optionOf(row.flag);
  switch (row.kind) {
    case "number":
      return numberOf(options, name, row.range, command);
    case "duration":
      return durationOf(options, name, command);
    case "backoff":
      return backoffOf(options, name, command);
    case "type":
      return text(options[name]);
  }
}

function uniqueOf(options: Options, command: string): EnqueueOptions["unique"] {
  const forMs = durationOf(options, "uniqueFor", command, 1);
  if (options.unique !== undefined) return { key: text(options.unique), forMs };
  if (forMs === undefined) return undefined;
  throw usageError("--unique-for goes with --unique", command);
}

function backoffOf(options: Options, name: string, command: string): Backoff | undefined {
  const given = text(options[name]);
  if (given === undefined) return undefined;
  const backoff = parseBackoff(given);
  if (backoff !== null) return backoff;
  throw usageError(`flag ${flagOf(name)}: expected ${EXPECTED_BACKOFF}, got ${JSON.stringify(given)}`, command);
}

/**
 * A time, or a duration from now, which is counted by the broker's clock and so from when that is known. A plain number
 * counts seconds, as everywhere, unless it has so many digits that it is no duration: then it is Unix ms.
 */
function deadlineOf(options: Options): Pick<TaskFlagValues, "deadlineMs" | "deadlineAt"> {
  const given = text(options.deadline);
  if (given === undefined) return {};
  const isDuration = parseDuration(given) !== null && !/^\d{9,}$/.test(given.trim());
  if (isDuration) return { deadlineMs: durationOf(options, "deadline", "enqueue") };
  return { deadlineAt: timeOf(options, "deadline", "enqueue", ", or a duration from now") };
}

const LONGEST = formatDuration(MAX_DURATION_MS);

/** A duration in ms; undefined where the flag was not given. */
export function durationOf(options: Options, name: string, command: string, leastMs = 0): number | undefined {
  const given = text(options[name]);
  if (given === undefined) return undefined;
  const ms = boundedDuration(given);
  if (ms !== null && ms >= leastMs) return ms;
  const range = leastMs === 0 ? `up to ${LONGEST}` : `from ${formatDuration(leastMs)} to ${LONGEST}`;
  const expected = `expected a duration ${range} (500ms, 30s, 5m, 1h; a plain number counts seconds)`;
  throw usageError(`flag ${flagOf(name)}: ${expected}, got ${JSON.stringify(given)}`, command);
}

/** A point in time, Unix ms; undefined where the flag was not given. */
export function timeOf(options: Options, name: "at" | "deadline", command: string, orElse = ""): number | undefined {
  const given = text(options[name])?.trim();
  if (given === undefined) return undefined;
  const read = readTime(/^-?\d+(\.\d+)?$/.test(given) ? Number(given) : given);
  if (read.ok) return read.at;
  const expected = read.reason.replace(/^must (be|have)/, "expected");
  throw usageError(`flag ${flagOf(name)}: ${expected}${orElse}, got ${JSON.stringify(given)}`, command);
}

function numberOf(
  options: Options,
  name: string,
  [least, most]: readonly [number, number],
  command: string,
): number | undefined {
  const given = text(options[name]);
  if (given === undefined) return undefined;
  const number = /^\d{1,9}$/.test(given) ? Number(given) : -1;
  if (number >= least && number <= most) return number;
  const expected = `expected a whole number from ${least} to ${most}`;
  throw usageError(`flag ${flagOf(name)}: ${expected}, got ${JSON.stringify(given)}`, command);
}

/** As it is typed. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
