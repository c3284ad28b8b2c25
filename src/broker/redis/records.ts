/**
 * The records of tasks: one hash each. Which state a queued task is really in is not written but asked: it is running
 * while its entry is pending, so that a claim costs no write.
 */
import * as v from "valibot";
import { parseMessage } from "../../task/message.ts";
import { type AttemptError, AttemptErrorSchema, ErrorRecordSchema, type TaskRecord } from "../../task/record.ts";
import { TASK_STATES, type TaskState } from "../../task/state.ts";
import type { ProgressWrite } from "../broker.ts";
import { execute, type RedisConnections } from "./connections.ts";
import { ownDelivery } from "./delivery.ts";
import { readEnd } from "./done-records.ts";
import { ERROR_FIELD, GROUP, recordKey } from "./keys.ts";
import { runScript } from "./lua.ts";
import { PROGRESS } from "./progress-script.ts";
import { type PendingEntry, readPending } from "./replies.ts";
import type { TaskStarts } from "./task-starts.ts";

const StoredSchema = v.object({
  id: v.string(),
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
    return this.#read(await this.#connections.run((redis) => redis.hgetall(recordKey(id))));
  }

  /**
   * Many records at once, in order.
   *
   * @param holders - who holds their entries, where that is known; else Redis is asked for each that says queued.
   */
  async getMany(ids: readonly string[], holders?: readonly (PendingEntry | null)[]): Promise<(TaskRecord | null)[]> {
    if (ids.length === 0) return [];
    const replies = await this.#connections.run(async (redis) => {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.hgetall(recordKey(id));
      return execute(pipeline);
    });
    const records: (TaskRecord | null)[] = [];
    for (const [index, [, fields]] of replies.entries()) {
      const there = typeof fields === "object" && fields !== null;
      records.push(there ? await this.#read({ ...fields }, holders?.[index]) : null);
    }
    return records;
  }

  /** From a hash to the record. @param held - who holds its entry; undefined: Redis is asked. */
  async #read(fields: Record<string, string>, held?: PendingEntry | null): Promise<TaskRecord | null> {
    const stored = v.safeParse(StoredSchema, fields);
    if (!stored.success) return null;
    // One that has ended may still be pending: its completion was not acknowledged.
    const holder = stored.output.state !== "queued" ? null : held === undefined ? await this.#holder(fields) : held;
    const end = readEnd(fields.end);
    const state: TaskState = stored.output.state === "queued" && holder !== null ? "running" : stored.output.state;
    // What the record itself says of both may be of the attempt before.
    const attempt = holder === null ? (end?.attempt ?? number(fields.attempt) ?? 0) : attemptIn(fields.message);
    const isOfThis = number(fields.attempt) === attempt && fields.executor === holder?.consumer;
    const told = isOfThis || holder === null ? number(fields.started_at) : null;
    return {
      id: stored.output.id,
      type: stored.output.type,
      queue: stored.output.queue,
      priority: Number(stored.output.priority),
      state,
      attempt,
      // Those of earlier attempts are written, those of this one counted by its entry.
      crashes: (number(fields.crashes) ?? 0) + (holder?.deliveries ?? 1) - 1,
      completions: (number(fields.completions) ?? 0) + (end === null ? 0 : 1),
      progress: end === null ? (number(fields.progress) ?? 0) : 1,
      progress_msg: fields.progress_msg ?? "",
      result: parse(fields.result),
      result_omitted: fields.result_omitted || null,
      reason: fields.reason ?? null,
      // That of an earlier attempt is no error of a task that ended well, or by a cancel.
      error: state === "done" || state === "cancelled" ? null : errorOf(parse(fields.error)),
      errors: errorsOf(fields),
      executor: end?.executor ?? holder?.consumer ?? fields.executor ?? null,
      message: fields.message ?? "",
      enqueued_at: number(fields.enqueued_at),
      started_at: end?.startedAt ?? (holder === null ? told : await this.#starts.of(stored.output.id, holder, told)),
      finished_at: end?.finishedAt ?? number(fields.finished_at),
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

  /** Who holds the entry of a queued record; null when nobody has claimed it. */
  async #holder(fields: Record<string, string>): Promise<PendingEntry | null> {
    const { stream, entry } = fields;
    if (!stream || !entry) return null;
    return this.#connections.run(async (redis) => {
      try {
        return readPending(await redis.call("XPENDING", stream, GROUP, entry, entry, 1))[0] ?? null;
      } catch (error) {
        if (error instanceof Error && error.message.startsWith("NOGROUP")) return null;
        throw error;
      }
    });
  }
}

/** Which attempt a message is for. */
function attemptIn(message: string | undefined): number {
  const parsed = parseMessage(message ?? "");
  return parsed.ok ? (parsed.message.options.attempt ?? 1) : 1;
}

function told(write: ProgressWrite, executor: string): (string | number)[] {
  const { queue, priority, stream, entry, raw, queuedAt } = ownDelivery(write.delivery);
  const { id, type, attempt, startedAt, progress, progressMsg } = write;
  return [
    ...[recordKey(id), stream, executor, entry, raw ?? "", queuedAt],
    ...["id", id, "type", type, "queue", queue, "priority", priority, "stream", stream, "entry", entry],
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
