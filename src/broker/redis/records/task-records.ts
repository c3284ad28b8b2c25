/**
 * The records of tasks (records/codec.ts). Which state a queued task is really in is not written but asked: it is
 * running while its entry is pending, so that a claim costs no write.
 */

import * as v from "valibot";
import { parseMessage } from "../../../task/message/message.ts";
import { lastTimes } from "../../../task/record/attempt-times.ts";
import { endedByOf } from "../../../task/record/ended-by.ts";
import { type ListedTask, listedOf } from "../../../task/record/listed-task.ts";
import {
  type AttemptError,
  AttemptErrorSchema,
  ErrorRecordSchema,
  type TaskRecord,
} from "../../../task/record/record.ts";
import { TASK_STATES, type TaskState } from "../../../task/state.ts";
import type { ProgressWrite } from "../../broker.ts";
import { ownDelivery } from "../claims/delivery.ts";
import type { TaskStarts } from "../claims/task-starts.ts";
import { execute, type RedisConnections } from "../connection/connections.ts";
import { type PendingEntry, readEntries, readPending } from "../connection/replies.ts";
import { ERROR_FIELD, GROUP, recordKey, streamKey } from "../keys.ts";
import { runScript } from "../scripts/lua.ts";
import { PROGRESS } from "../scripts/progress.ts";
import type { RecordFields } from "./codec.ts";
import { readListed } from "./read-listed.ts";
import { readWhole } from "./read-records.ts";

const StoredSchema = v.object({
  type: v.string(),
  queue: v.string(),
  priority: v.optional(v.string(), "0"),
  state: v.picklist(TASK_STATES),
});

export class RedisRecords {
  readonly #connections: RedisConnections;
  readonly #starts: TaskStarts;

  constructor(connections: RedisConnections, starts: TaskStarts) {
    this.#connections = connections;
    this.#starts = starts;
  }

  async get(id: string): Promise<TaskRecord | null> {
    return (await this.getMany([id]))[0] ?? null;
  }

  /**
   * Many records at once, in order.
   *
   * @param known - what is known of their entries; Redis is asked for that of each other one that says queued.
   */
  async getMany(ids: readonly string[], known: readonly KnownEntry[] = []): Promise<(TaskRecord | null)[]> {
    const stored = await readWhole(this.#connections, ids);
    return this.#readAll(ids, stored, known);
  }

  /** As `getMany`, with long texts cut where they lie. */
  async listMany(ids: readonly string[], known: readonly KnownEntry[] = []): Promise<(ListedTask | null)[]> {
    const listed = await readListed(this.#connections, ids);
    const stored = listed.map((each) => each?.fields ?? null);
    const records = await this.#readAll(ids, stored, known);
    return records.map((record, index) => {
      if (record === null) return null;
      const { messageBytes = null, resultBytes = null } = listed[index] ?? {};
      const whole = messageBytes ?? known[index]?.bytes;
      const task = listedOf(record);
      const { message_bytes, result_bytes } = task;
      return { ...task, message_bytes: whole ?? message_bytes, result_bytes: resultBytes ?? result_bytes };
    });
  }

  async #readAll(
    ids: readonly string[],
    stored: (RecordFields | null)[],
    known: readonly KnownEntry[],
  ): Promise<(TaskRecord | null)[]> {
    const entries = [...known];
    const asked = ids.flatMap((_, index) => (known[index] === undefined && entryOf(stored[index]) ? [index] : []));
    const places = asked.map((index) => entryOf(stored[index]) ?? { stream: "", entry: "" });
    const found = await readEntryStates(this.#connections, places);
    const gone = asked.filter((_, at) => found[at]?.message === null && found[at].holder === null);
    for (const [at, index] of asked.entries()) entries[index] = found[at] ?? NO_ENTRY;
    // Those that ended between the two questions say so now.
    const again = await readWhole(
      this.#connections,
      gone.map((index) => ids[index] ?? ""),
    );
    for (const [at, index] of gone.entries()) stored[index] = again[at] ?? null;
    const records: (TaskRecord | null)[] = [];
    for (const [index, id] of ids.entries()) {
      const fields = stored[index];
      records.push(fields ? await this.#read(id, fields, entries[index] ?? NO_ENTRY) : null);
    }
    return records;
  }

  /** From what is stored, and what stands in the stream, to the record. */
  async #read(id: string, fields: RecordFields, entry: KnownEntry): Promise<TaskRecord | null> {
    const stored = v.safeParse(StoredSchema, fields);
    if (!stored.success) return null;
    // One that has ended may still be pending: its completion was not acknowledged.
    const holder = stored.output.state === "queued" ? entry.holder : null;
    const state: TaskState = stored.output.state === "queued" && holder !== null ? "running" : stored.output.state;
    // A long message is not in the record of a task that waits; once it has ended, what stands in the entry is old.
    const { message: own = null } = fields;
    const message = (stored.output.state === "queued" ? (entry.message ?? own) : (own ?? entry.message)) ?? "";
    // What the record itself says of both may be of the attempt before.
    const attempt = holder === null ? (number(fields.attempt) ?? 0) : (entry.attempt ?? attemptIn(message));
    const isOfThis = number(fields.attempt) === attempt && fields.executor === holder?.consumer;
    const told = isOfThis || holder === null ? number(fields.started_at) : null;
    const about = { state, reason: fields.reason ?? null, errors: errorsOf(fields) };
    const finishedAt = number(fields.finished_at);
    return {
      ...about,
      ended_by: endedByOf(about),
      times: lastTimes({ ...about, packed: fields.times ?? null, startedAt: told, finishedAt }),
      id,
      type: stored.output.type,
      queue: stored.output.queue,
      priority: Number(stored.output.priority),
      attempt,
      crashes: number(fields.crashes) ?? 0,
      completions: number(fields.completions) ?? 0,
      progress: number(fields.progress) ?? 0,
      progress_msg: fields.progress_msg ?? "",
      result: parse(fields.result),
      result_omitted: fields.result_omitted || null,
      // That of an earlier attempt is no error of a task that ended well, or by a cancel.
      error: state === "done" || state === "cancelled" ? null : errorOf(parse(fields.error)),
      executor: holder?.consumer ?? fields.executor ?? null,
      message,
      enqueued_at: number(fields.enqueued_at),
      started_at: holder === null ? told : await this.#starts.of(id, holder, told),
      finished_at: finishedAt,
      due_at: number(fields.due_at),
    };
  }

  async writeProgress(writes: readonly ProgressWrite[], executor: string): Promise<void> {
    if (writes.length === 0) return;
    await this.#connections.run(async (redis) => {
      const written = await Promise.allSettled(
        writes.map((write) => runScript(redis, PROGRESS, ...told(write, executor))),
      );
      const failed = written.find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
    });
  }
}

/** What is known of the entry of a task: who holds it, and its message; null where it is gone. */
export interface KnownEntry {
  readonly holder: PendingEntry | null;
  readonly message: string | null;
  /** Of a message that is cut: its whole length, in bytes. */
  readonly bytes?: number | undefined;
  /** Which attempt it is for, where that is known; else the message is asked. */
  readonly attempt?: number | undefined;
}

const NO_ENTRY: KnownEntry = { holder: null, message: null };
const NO_REPLY = [null, null] as const;

/** Where an entry stands. */
interface EntryPlace {
  readonly stream: string;
  readonly entry: string;
}

/** Of entries who holds each, and the message, in order. */
export async function readEntryStates(
  connections: RedisConnections,
  places: readonly EntryPlace[],
): Promise<KnownEntry[]> {
  if (places.length === 0) return [];
  return connections.run(async (redis) => {
    const pipeline = redis.pipeline();
    for (const { stream, entry } of places) {
      pipeline.call("XPENDING", stream, GROUP, entry, entry, 1);
      pipeline.xrange(stream, entry, entry);
    }
    const replies = await execute(pipeline);
    return places.map((_, index) => {
      const [[failed, pending], [failedToo, there]] = [
        replies[2 * index] ?? NO_REPLY,
        replies[2 * index + 1] ?? NO_REPLY,
      ];
      if (failed && !failed.message.startsWith("NOGROUP")) throw failed;
      if (failedToo) throw failedToo;
      const message: unknown = readEntries(there).map(([, fields]) => (Array.isArray(fields) ? fields[1] : null))[0];
      return { holder: readPending(pending)[0] ?? null, message: typeof message === "string" ? message : null };
    });
  });
}

/** Where a record that says queued has its entry; null where it has none, as a parked task. */
function entryOf(fields: RecordFields | null | undefined): EntryPlace | null {
  const { state, queue, priority = "0", entry } = fields ?? {};
  if (state !== "queued" || queue === undefined || !entry) return null;
  return { stream: streamKey(queue, Number(priority)), entry };
}

/** Which attempt a message is for. */
function attemptIn(message: string): number {
  const parsed = parseMessage(message);
  return parsed.ok ? (parsed.message.options.attempt ?? 1) : 1;
}

function told(write: ProgressWrite, executor: string): (string | number)[] {
  const { queue, priority, stream, entry, queuedAt } = ownDelivery(write.delivery);
  const { id, type, attempt, startedAt, progress, progressMsg } = write;
  return [
    ...[recordKey(id), stream, executor, entry, queuedAt],
    ...["type", type, "queue", queue, "priority", priority, "entry", entry],
    ...["attempt", attempt, "executor", executor, "started_at", Math.round(startedAt), "progress", progress],
    ...["progress_msg", progressMsg],
  ];
}

function number(text: string | undefined): number | null {
  if (text === undefined || text === "") return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function parse(text: string | undefined): unknown {
  if (text === undefined || text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The errors of its attempts, each a field of its own, by the number in its name. */
function errorsOf(fields: Readonly<Record<string, string>>): AttemptError[] {
  const errors: { readonly number: number; readonly error: AttemptError }[] = [];
  for (const [name, text] of Object.entries(fields)) {
    if (!name.startsWith(ERROR_FIELD)) continue;
    const checked = v.safeParse(AttemptErrorSchema, parse(text));
    if (checked.success) errors.push({ number: Number(name.slice(ERROR_FIELD.length)), error: checked.output });
  }
  return errors.sort((a, b) => a.number - b.number).map(({ error }) => error);
}

function errorOf(value: unknown): TaskRecord["error"] {
  const checked = v.safeParse(ErrorRecordSchema, value);
  return checked.success ? checked.output : null;
}
