/**
 * From what somebody gave (a type, a payload, options) to a request that a broker takes, with every check that an
 * executor would make: what could not be run is refused before it is sent. Sending is the broker's and the client's.
 */
import { createHash, randomUUID } from "node:crypto";
import * as v from "valibot";
import { isInstance, textOf } from "../../concurrency/unknown-values.ts";
import { DURATION_RANGE, isDuration } from "../limits.ts";
import { DEFAULT_PRIORITIES, DEFAULT_QUEUE, type EnqueueOptions, optionIssues } from "../options/enqueue-options.ts";
import { runOptionsToJson } from "../options/run-options.ts";
import { distinctValue, JsonText } from "../text/json-text.ts";
import { unwritablePart } from "../text/unwritable.ts";
import { LATEST_TIME } from "../times/times.ts";
import type { Sending } from "../trace/sending.ts";
import type { TraceContext } from "../trace/trace-context.ts";
import { formatMessage, isTooDeep, refusalOfWritten } from "./message.ts";
import { MAX_MESSAGE_DEPTH, type TaskOptions } from "./message-schema.ts";

/** A task was refused before it was sent. The message names each place that is wrong, and what is expected there. */
export class InvalidTaskError extends Error {
  override readonly name = "InvalidTaskError";
}

/** The schema of its type refuses its payload. */
export class PayloadRefusedError extends InvalidTaskError {}

/** The same error, where it is a refusal, with the place of the task among others: `items[3]: payload.a is ...`. */
export function refusedAt(place: string, error: unknown): unknown {
  if (!isInstance(error, InvalidTaskError)) return error;
  const message = `${place}: ${error.message}`;
  return isInstance(error, PayloadRefusedError) ? new PayloadRefusedError(message) : new InvalidTaskError(message);
}

/**
 * A payload as it travels: written once, for the message, the unique key and the schema alike. A JsonText is what it
 * is.
 *
 * @throws InvalidTaskError where JSON cannot say all of it, or it is deeper than a task can be.
 */
export function payloadText(payload: unknown): JsonText {
  if (isInstance(payload, JsonText)) return checkedText(payload);
  try {
    // Looked at before it is written: writing what is very deep takes a time that grows with the square of the depth.
    checkWritable(payload);
    return JsonText.of(payload);
  } catch (error) {
    if (isInstance(error, InvalidTaskError)) throw error;
    throw new InvalidTaskError(`the payload cannot be written as JSON: ${textOf(error)}`);
  }
}

/** A stored text may be somebody else's. */
function checkedText(json: JsonText): JsonText {
  // Before it is parsed: a parser may itself fall over the depth.
  if (isTooDeep(json.text)) throw new InvalidTaskError(`the payload is nested deeper than ${MAX_MESSAGE_DEPTH} levels`);
  if (json.isSure) return json;
  try {
    json.value();
    return json;
  } catch (error) {
    throw new InvalidTaskError(`the payload is not JSON: ${textOf(error)}`);
  }
}

/** A request as brokers take it, but for the delay: that is counted when it is sent. */
export interface PreparedTask {
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  readonly priority: number;
  readonly message: string;
  readonly retentionMs: number;
  readonly unique?: { readonly key: string; readonly ttlMs: number | null };
  /** When it is to be queued, Unix ms on the broker's clock; null: at once. */
  readonly dueAt: number | null;
  /** Where somebody traces it: to be told what became of it (`sending`). */
  readonly sending?: Sending | undefined;
}

/** What the task's surroundings say. */
export interface Surroundings {
  /** The broker's clock, Unix ms. */
  readonly now: number;
  /** How long the record is kept where the options do not say, in ms. */
  readonly retentionMs: number;
  /** How many priorities the fleet has; default 2. */
  readonly priorities?: number | undefined;
  /** The id of the task whose handler asks for it. */
  readonly parent?: string | undefined;
  /** The id of the ended task that that one follows. */
  readonly follows?: string | undefined;
  /** The trace that it belongs to. */
  readonly trace?: TraceContext | null | undefined;
}

/**
 * Prepares one task. The payload is checked as the executor will see it: as JSON. A JsonText travels as it is.
 *
 * @throws InvalidTaskError when the options are wrong, or the task could not be run.
 */
export function prepareTask(
  type: string,
  payload: unknown,
  options: EnqueueOptions,
  surroundings: Surroundings,
): PreparedTask {
  return prepareWritten(type, payloadText(payload), options, surroundings);
}

/** The same for a payload that {@link payloadText} has given. */
export function prepareWritten(
  type: string,
  json: JsonText,
  options: EnqueueOptions,
  { now, retentionMs, priorities = DEFAULT_PRIORITIES, parent, follows, trace }: Surroundings,
): PreparedTask {
  const issues = optionIssues(options);
  if (issues !== null) throw new InvalidTaskError(told(issues));
  checkPriority(options.priority, priorities);
  const { id = newId(), queue = DEFAULT_QUEUE, priority = 0 } = options;
  const unique = uniqueOf(type, json, options);
  // Who ends the task, or retries it by hand, must know its key, so the message says it.
  const own = optionsOf(options);
  const said = parent === undefined ? own : { ...own, parent, ...(follows === undefined ? {} : { follows }) };
  const parts = { id, type, options: unique === null ? said : { ...said, ...keyOptions(unique) } };
  const message = formatMessage({ ...parts, payload: json, trace });
  const refusal = refusalOfWritten(message, parts);
  if (refusal !== null) throw new InvalidTaskError(refusal);
  const dueAt = dueAtOf(options, now);
  checkTimes(dueAt, options);
  if (!isDuration(retentionMs)) throw new InvalidTaskError(`retentionMs: ${DURATION_RANGE}, got ${retentionMs}`);
  const keptMs = Math.ceil(options.retentionMs ?? retentionMs);
  const task = { id, type, queue, priority, message, retentionMs: keptMs, dueAt };
  return unique === null ? task : { ...task, unique };
}

function checkPriority(priority: number | undefined, priorities: number): void {
  if (priority === undefined || priority < priorities) return;
  throw new InvalidTaskError(
    `priority: must be 0 to ${priorities - 1}, got ${priority}: the setting priorities is ${priorities}, and ` +
      "nobody looks into others",
  );
}

/** Each time is one that can be by now; together they may still say that the task never runs. */
function checkTimes(dueAt: number | null, { deadlineAt }: EnqueueOptions): void {
  if (dueAt === null) return;
  if (dueAt >= LATEST_TIME) {
    const due = new Date(dueAt).toISOString();
    throw new InvalidTaskError(`the delay is too long: the task would be due at ${due}, and times go up to 2100-01-01`);
  }
  if (deadlineAt === undefined || Number(deadlineAt) > dueAt) return;
  const [due, deadline] = [dueAt, Number(deadlineAt)].map((at) => new Date(at).toISOString());
  throw new InvalidTaskError(
    `the task could never run: its deadline, ${deadline}, is not after ${due}, when it is due`,
  );
}

/** The request for a broker: what was prepared, with the delay that is left now. */
export function requestOf(
  { id, type, queue, priority, message, retentionMs, unique, dueAt }: PreparedTask,
  now: number,
): Omit<PreparedTask, "dueAt" | "sending"> & { delayMs?: number } {
  const task = { id, type, queue, priority, message, retentionMs };
  const whole = unique === undefined ? task : { ...task, unique };
  return dueAt === null || dueAt <= now ? whole : { ...whole, delayMs: dueAt - now };
}

/**
 * An id that nobody else has: a UUID of version 7 (RFC 9562) as 32 hex digits. It begins with the time, so that ids of
 * one time stand together in an index: with a million tasks in an SQLite file, random ones would each touch a page of
 * theirs.
 */
export function newId(now = Date.now()): string {
  const time = timeText(now);
  // All but the time and the version is as in a version 4, whose random numbers are at hand in bulk.
  const random = randomUUID();
  return `${time}7${random.slice(15, 18)}${random.slice(19, 23)}${random.slice(24)}`;
}

/** A time as 12 hex digits. Thousands of tasks are made in one millisecond, so the last one is kept. */
function timeText(now: number): string {
  if (now !== lastTime.at) lastTime = { at: now, text: now.toString(16).padStart(12, "0") };
  return lastTime.text;
}

let lastTime = { at: 0, text: "0".repeat(12) };

/** What valibot found, as text: each place and what is wrong there. */
export function told(issues: readonly v.BaseIssue<unknown>[], prefix = ""): string {
  return issues
    .slice(0, 10)
    .map((issue) => {
      const path = [prefix, v.getDotPath(issue)].filter(Boolean).join(".");
      return path === "" ? issue.message : `${path}: ${wordsOf(issue)}`;
    })
    .join("; ");
}

function wordsOf(issue: v.BaseIssue<unknown>): string {
  if (issue.expected === "never") return "is not known";
  return issue.input === undefined && issue.kind === "schema" ? "is missing" : issue.message;
}

function checkWritable(payload: unknown): void {
  if (payload === undefined) return;
  const bad = unwritablePart(payload, MAX_MESSAGE_DEPTH);
  if (bad === null) return;
  const where = bad.path === "" ? "it" : `payload${bad.path}`;
  throw new InvalidTaskError(`the payload cannot be written as JSON: ${where} is ${bad.what}`);
}

function optionsOf(options: EnqueueOptions): TaskOptions {
  const { deadlineAt, retentionMs } = options;
  const said = runOptionsToJson(options);
  if (deadlineAt === undefined && retentionMs === undefined) return said;
  return {
    ...said,
    ...(deadlineAt === undefined ? {} : { deadline_at: Number(deadlineAt) }),
    ...(retentionMs === undefined ? {} : { retention_ms: Math.ceil(retentionMs) }),
  };
}

function dueAtOf({ delayMs, at }: EnqueueOptions, now: number): number | null {
  if (at !== undefined) return Number(at);
  return delayMs === undefined || delayMs === 0 ? null : now + delayMs;
}

function keyOptions({ key, ttlMs }: NonNullable<PreparedTask["unique"]>): TaskOptions {
  return ttlMs === null ? { unique_key: key } : { unique_key: key, unique_for_ms: ttlMs };
}

function uniqueOf(
  type: string,
  payload: JsonText,
  { unique }: EnqueueOptions,
): NonNullable<PreparedTask["unique"]> | null {
  if (unique === undefined || unique === null) return null;
  const { key = `${type}:${digest(payload)}`, forMs = "until-done" } = unique;
  return { key, ttlMs: forMs === "until-done" ? null : forMs };
}

/** The same for payloads that are equal as JSON, in whatever order their keys were written. */
function digest(payload: JsonText): string {
  return createHash("sha256")
    .update(JSON.stringify(distinctValue(payload), inOrder))
    .digest("hex");
}

function inOrder(_key: string, part: unknown): unknown {
  if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
  return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
}
