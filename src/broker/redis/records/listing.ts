/**
 * Pages of tasks, from where each state has its tasks: streams for queued and running ones, sorted sets for the rest.
 * A cursor names the source and the place in it. A call looks at a bounded number of tasks.
 * With a type, Redis looks through them itself and gives only those that may be of it.
 */

import { bytesOf, type ListedTask, listedOf } from "../../../task/record/listed-task.ts";
import { hasEnded, type TaskState } from "../../../task/state.ts";
import { checkListQuery } from "../../check-list.ts";
import { LIST_PAGE_BYTES, type ListPage, type ListQuery } from "../../contract/admin.ts";
import { readCursor, writeCursor } from "../../list-cursor.ts";
import type { Holder, TaskStarts } from "../claims/task-starts.ts";
import { voidAmong } from "../claims/void-entries.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { readPairs, readPending } from "../connection/replies.ts";
import {
  cancelledKey,
  deadKey,
  doneKey,
  GROUP,
  PARKED_PREFIX,
  PARKED_TYPES_KEY,
  parkedName,
  scheduledKey,
} from "../keys.ts";
import { type EntryPart, readParts, type Scan, scanIndex, scanStream } from "../scripts/scan.ts";
import { type StreamName, streamsOf } from "../streams.ts";
import { type ListedMessage, readListedMessage } from "./listed-message.ts";
import { readHeads } from "./read-records.ts";
import type { RedisRecords } from "./task-records.ts";

/**
 * How many tasks a call looks at: those that are read whole cost as much as many that Redis looks through by itself.
 */
const MOST_READ = 5_000;
const MOST_LOOKED_AT = 20_000;
const PAGE = 250;

/** Where tasks of a state are found. */
type Source = { readonly kind: "waiting" | "pending"; readonly stream: StreamName } | IndexSource;

interface IndexSource {
  readonly kind: "index";
  readonly key: string;
  /** Null: of one of several. */
  readonly queue: string | null;
}

/** A task of a source, and where that goes on behind it. */
interface Found {
  readonly task: ListedTask;
  readonly after: string;
}

interface Slice {
  readonly tasks: readonly Found[];
  readonly looked: number;
  /** Where this source goes on; null at its end. */
  readonly next: string | null;
}

export class RedisListing {
  readonly #connections: RedisConnections;
  readonly #records: RedisRecords;
  readonly #starts: TaskStarts;
  readonly #priorities: number;
  readonly #queues: readonly string[];

  constructor(
    connections: RedisConnections,
    records: RedisRecords,
    starts: TaskStarts,
    queues: readonly string[],
    priorities: number,
  ) {
    this.#connections = connections;
    this.#records = records;
    this.#starts = starts;
    this.#queues = queues;
    this.#priorities = priorities;
  }

  async list(query: ListQuery): Promise<ListPage> {
    checkListQuery(query);
    const sources = await this.#sources(query);
    let { source: index, place } = query.cursor === undefined ? FIRST : readCursor(query.cursor, PLACE);
    const tasks: ListedTask[] = [];
    let [looked, bytes] = [0, 0];
    const { maxBytes = LIST_PAGE_BYTES } = query;
    const most = query.type === undefined ? MOST_READ : MOST_LOOKED_AT;
    while (index < sources.length && tasks.length < query.limit && looked < most) {
      const source = sources[index];
      if (source === undefined) break;
      const find = Math.min(PAGE, query.limit - tasks.length);
      const slice = await this.#slice(source, place, { type: query.type, find, look: most - looked }, query);
      looked += slice.looked;
      for (const { task, after } of slice.tasks) {
        if (!matches(task, query)) continue;
        tasks.push(task);
        bytes += bytesOf(task);
        if (bytes >= maxBytes) return { tasks, cursor: writeCursor(index, after) };
      }
      if (slice.next === null) {
        index++;
        place = "";
      } else {
        place = slice.next;
      }
    }
    return { tasks, cursor: index < sources.length ? writeCursor(index, place) : null };
  }

  async #sources({ state, queue, type }: ListQuery): Promise<Source[]> {
    const queues = queue === undefined ? this.#queues : [queue];
    const streams = streamsOf(queues, this.#priorities);
    const wants = (...states: TaskState[]): boolean => state === undefined || states.includes(state);
    const sources: Source[] = [];
    if (wants("running")) for (const stream of streams) sources.push({ kind: "pending", stream });
    if (wants("queued")) {
      for (const stream of streams) sources.push({ kind: "waiting", stream });
      const parked = await this.#connections.run((redis) => redis.smembers(PARKED_TYPES_KEY));
      for (const name of parked.sort()) {
        const fits = queues.some((each) => name.startsWith(parkedName(each, type ?? "")));
        if (fits) sources.push({ kind: "index", key: PARKED_PREFIX + name, queue: null });
      }
    }
    const indexes: [(queue: string) => string, TaskState[]][] = [
      [scheduledKey, ["scheduled", "retrying"]],
      [deadKey, ["dead"]],
      [cancelledKey, ["cancelled"]],
      [doneKey, ["done"]],
    ];
    for (const [keyOf, states] of indexes) {
      if (wants(...states)) for (const name of queues) sources.push({ kind: "index", key: keyOf(name), queue: name });
    }
    return sources;
  }

  #slice(source: Source, place: string, scan: Scan, query: ListQuery): Promise<Slice> {
    switch (source.kind) {
      case "index":
        return this.#fromIndex(source, Number(placeIn(place, OFFSET) || "0"), scan, query);
      case "pending":
        return this.#fromPending(source.stream, placeIn(place, ENTRY), scan);
      case "waiting":
        return this.#fromStream(source.stream, placeIn(place, ENTRY), scan, query.brief === true);
    }
  }

  async #fromIndex({ key, queue }: IndexSource, from: number, scan: Scan, query: ListQuery): Promise<Slice> {
    const { found, looked, next } = await scanIndex(this.#connections, key, { ...scan, from });
    const { brief, state, type } = query;
    if (brief && state !== undefined && queue !== null) {
      const isRead = found.every(({ finishedAt }) => finishedAt !== undefined);
      const ends = hasEnded(state) && !isRead ? await this.#endsOf(found.map(({ id }) => id)) : [];
      const tasks = found.map(({ id, after, finishedAt = null }, index) => {
        const finished_at = ends[index] ?? finishedAt;
        return { task: { ...BARE, ...NOT_READ, id, queue, type: type ?? "", state, finished_at }, after };
      });
      return { tasks, looked, next };
    }
    const listed = await this.#records.listMany(found.map(({ id }) => id));
    const tasks = found.flatMap(({ after }, index) => {
      const task = listed[index] ?? null;
      return task === null ? [] : [{ task, after }];
    });
    return { tasks, looked, next };
  }

  /** When each of them has ended. */
  async #endsOf(ids: readonly string[]): Promise<(number | null)[]> {
    const records = await readHeads(this.#connections, ids);
    return records.map((record) => (record?.finished_at === undefined ? null : Number(record.finished_at)));
  }

  async #fromPending(stream: StreamName, after: string, { type, find }: Scan): Promise<Slice> {
    const from = after === "" ? "-" : `(${after}`;
    const pending = await this.#connections.run(async (redis) => {
      try {
        return readPending(await redis.call("XPENDING", stream.key, GROUP, from, "+", find));
      } catch (error) {
        if (error instanceof Error && error.message.startsWith("NOGROUP")) return [];
        throw error;
      }
    });
    const entries = await readParts(
      this.#connections,
      stream.key,
      pending.map(({ entry }) => entry),
    );
    const holders = new Map(pending.map((each) => [each.entry, each]));
    const tasks = await this.#tasksOf(stream, entries, type, (entry) => holders.get(entry) ?? null);
    const next = pending.length < find ? null : (pending.at(-1)?.entry ?? null);
    return { tasks, looked: pending.length, next };
  }

  async #fromStream(stream: StreamName, place: string, scan: Scan, brief: boolean): Promise<Slice> {
    const after = place === "" ? await this.#lastDelivered(stream.key) : place;
    const { found: all, looked, next } = await scanStream(this.#connections, stream.key, { ...scan, after, brief });
    const voids = await voidAmong(
      this.#connections,
      stream.key,
      all.map(({ entry }) => entry),
    );
    const found = all.filter(({ entry }) => !voids.has(entry));
    const parts = found.filter((each) => "fields" in each);
    const read = await this.#tasksOf(stream, parts, scan.type, () => null, brief);
    if (parts.length === found.length) return { tasks: read, looked, next };
    const byEntry = new Map(read.map((each) => [each.after, each]));
    const tasks = found.flatMap((each) => {
      if ("fields" in each) return byEntry.get(each.entry) ?? [];
      const { entry, id, type } = each;
      const { queue, priority } = stream;
      return { task: { ...BARE, ...NOT_READ, id, type, queue, priority, state: "queued" as const }, after: entry };
    });
    return { tasks, looked, next };
  }

  async #lastDelivered(stream: string): Promise<string> {
    return this.#connections.run(async (redis) => {
      try {
        const groups: unknown = await redis.xinfo("GROUPS", stream);
        if (!Array.isArray(groups)) return "0-0";
        const ours = groups.map(readPairs).find((group) => group.get("name") === GROUP);
        return String(ours?.get("last-delivered-id") ?? "0-0");
      } catch (error) {
        if (error instanceof Error && error.message.includes("no such key")) return "0-0";
        throw error;
      }
    });
  }

  /** The records of stream entries of a type; where none is kept, what the message itself says. */
  async #tasksOf(
    stream: StreamName,
    entries: readonly EntryPart[],
    type: string | undefined,
    holderOf: (entry: string) => Holder | null,
    brief = false,
  ): Promise<Found[]> {
    const wanted: (ListedMessage & { readonly entry: string })[] = [];
    for (const part of entries) {
      const message = await readListedMessage(this.#connections, stream.key, part);
      if (message === null || (type !== undefined && message.type !== type)) continue;
      wanted.push({ ...message, entry: part.entry });
    }
    const holders = wanted.map(({ entry }) => holderOf(entry));
    const known = wanted.map(({ text, bytes, attempt }, index) => {
      return { holder: holders[index] ?? null, message: text, bytes, attempt };
    });
    const records = brief
      ? []
      : await this.#records.listMany(
          wanted.map(({ id }) => id),
          known,
        );
    const tasks: Found[] = [];
    for (const [index, { entry, id, text, bytes, ...message }] of wanted.entries()) {
      const record = records[index];
      if (record) {
        // Cancelled while it waited: its entry still stands here, the task is listed among the cancelled.
        if (record.state === "queued" || record.state === "running") tasks.push({ task: record, after: entry });
        continue;
      }
      const holder = holders[index] ?? null;
      const task = listedOf({
        ...BARE,
        id,
        type: message.type,
        queue: stream.queue,
        priority: stream.priority,
        state: holder === null ? "queued" : "running",
        attempt: holder === null ? 0 : message.attempt,
        executor: holder?.consumer ?? null,
        started_at: holder === null ? null : await this.#starts.of(id, holder, null),
        message: text,
        enqueued_at: Number(entry.slice(0, entry.indexOf("-"))),
      });
      tasks.push({ task: { ...task, message_bytes: bytes }, after: entry });
    }
    return tasks;
  }
}

/** What is not told of a task that was not read. */
const NOT_READ = {
  ...{ priority: 0, attempt: 0, executor: null, message: "", enqueued_at: null },
  ...{ message_bytes: 0, result_bytes: 0 },
};

/** What is told of a task that has no record. */
export const BARE = {
  crashes: 0,
  completions: 0,
  progress: 0,
  progress_msg: "",
  result_omitted: null,
  result: null,
  reason: null,
  ended_by: null,
  times: null,
  error: null,
  errors: [],
  started_at: null,
  finished_at: null,
  due_at: null,
};

function matches(task: ListedTask, { state, queue, type }: ListQuery): boolean {
  if (state !== undefined && task.state !== state) return false;
  if (queue !== undefined && task.queue !== queue) return false;
  return type === undefined || task.type === type;
}

const OFFSET = /^\d{0,18}$/;
const ENTRY = /^(\d{1,18}-\d{1,18})?$/;
/** An offset, an entry, or nothing yet. */
const PLACE = /^(\d{1,18}(-\d{1,18})?)?$/;
const FIRST = { source: 0, place: "" };

/** @throws RangeError for the place of another kind of source: the cursor is of another list. */
function placeIn(place: string, pattern: RegExp): string {
  if (pattern.test(place)) return place;
  throw new RangeError(`the cursor with "${place}" is not one that this list has given`);
}
