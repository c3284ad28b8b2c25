/**
 * Pages of tasks. Each state of a queue is a source of its own, walked along an index by the last key of the page
 * before, so that the millionth page costs as much as the first. A filter by type looks at `MOST_LOOKED_AT` at the
 * most. Long tasks are read a few at a time, since SQLite reads a text whole to cut it; others get their turn between.
 */
import { checkpoint, openRoot } from "../../../concurrency/index.ts";
import type { SqlStatement, SqlValue } from "../../../runtime/index.ts";
import type { ListedTask } from "../../../task/record/listed-task.ts";
import type { TaskState } from "../../../task/state.ts";
import { checkListQuery } from "../../check-list.ts";
import { LIST_PAGE_BYTES, type ListPage, type ListQuery } from "../../contract/admin.ts";
import { readCursor, writeCursor } from "../../list-cursor.ts";
import { PARKED, STATE } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import { BRIEF_COLUMNS, BYTES_READ, bytesOf, LISTED_COLUMNS, listedOf, numberOf } from "./rows.ts";

const MOST_LOOKED_AT = 5000;
/** The key of the last row looked at; -1: none yet. */
const PLACE = /^(-1|\d{1,15})$/;
/** How many bytes are read at once: 8 MB take 5 ms. How many one call reads. */
const BYTES_AT_ONCE = 8_000_000;
const MOST_BYTES = 256_000_000;

type Sql = (text: string) => SqlStatement;

/** Tasks that an index has one after the other. */
interface Source {
  readonly index: "tasks_running" | "tasks_queued" | "tasks_listed";
  /** What holds for all of them; its parameters are the values. */
  readonly where: string;
  readonly values: readonly SqlValue[];
  /** The unique column in whose order they come. */
  readonly key: "seq" | "place";
}

/** @throws (rejects) RangeError for a limit or bytes out of their range, or a cursor that no list has given. */
export async function list(
  store: Store,
  query: ListQuery,
  queues: readonly string[],
  priorities: number,
): Promise<ListPage> {
  checkListQuery(query);
  const sources = sourcesOf(query, queues, priorities);
  let { index, place } = startOf(query.cursor);
  const tasks: ListedTask[] = [];
  const left = {
    tasks: query.limit,
    looks: MOST_LOOKED_AT,
    bytes: query.maxBytes ?? LIST_PAGE_BYTES,
    reads: MOST_BYTES,
  };
  const { signal } = openRoot();
  while (Math.min(left.tasks, left.looks, left.bytes, left.reads) > 0) {
    const source = sources[index];
    if (source === undefined) break;
    const slice = await store.read((sql) => sliceOf(sql, source, place, query, left));
    tasks.push(...slice.tasks);
    left.tasks -= slice.tasks.length;
    left.looks -= slice.looked;
    left.bytes -= slice.bytes;
    left.reads -= slice.read;
    if (slice.next === null) index += 1;
    place = slice.next ?? -1;
    if (slice.read > BYTES_AT_ONCE / 8) await checkpoint(signal);
  }
  return { tasks, cursor: index < sources.length ? writeCursor(index, String(place)) : null };
}

/** In the order in which people look for them: what runs, what waits, what has ended. */
function sourcesOf(query: ListQuery, queues: readonly string[], priorities: number): Source[] {
  const names = query.queue === undefined ? queues : [query.queue];
  const wants = (state: TaskState): boolean => query.state === undefined || query.state === state;
  const sources: Source[] = [];
  if (wants("running")) sources.push(running(names));
  if (wants("queued")) {
    for (const name of names) {
      for (let priority = priorities - 1; priority >= 0; priority -= 1) sources.push(inLine(name, priority));
    }
    sources.push(...names.map((name) => listed(name, PARKED)));
  }
  for (const state of ["scheduled", "retrying", "dead", "cancelled", "done"] as const) {
    if (wants(state)) sources.push(...names.map((name) => listed(name, STATE[state])));
  }
  return sources;
}

/** No index has them in an order that stays, so each page looks through all; they are no more than executors hold. */
function running(queues: readonly string[]): Source {
  const where = `state = ${STATE.running} AND queue IN (SELECT value FROM json_each(?))`;
  return { index: "tasks_running", where, values: [JSON.stringify(queues)], key: "seq" };
}

function inLine(queue: string, priority: number): Source {
  const where = `state = ${STATE.queued} AND queue = ? AND priority = ?`;
  return { index: "tasks_queued", where, values: [queue, priority], key: "place" };
}

function listed(queue: string, state: number): Source {
  return { index: "tasks_listed", where: `state > 1 AND state = ${state} AND queue = ?`, values: [queue], key: "seq" };
}

interface Slice {
  readonly tasks: readonly ListedTask[];
  readonly looked: number;
  /** How many bytes are given, and how many were read for them. */
  readonly bytes: number;
  readonly read: number;
  /** Where this source goes on; null at its end. */
  readonly next: number | null;
}

/** What a call may still give, look at and read. */
interface Bounds {
  readonly tasks: number;
  readonly looks: number;
  readonly bytes: number;
}

function sliceOf(sql: Sql, source: Source, after: number, { type, brief }: ListQuery, bounds: Bounds): Slice {
  const limit = Math.min(bounds.tasks, bounds.looks);
  // With a filter, a page ends where enough has been looked at: most of what is there may be of other types.
  const { end, looked } = type === undefined ? { end: null, looked: 0 } : look(sql, source, after, bounds.looks);
  const { index, where, values, key } = source;
  const ofType = type === undefined ? "" : "AND type = ?";
  const found = `seq IN (SELECT seq FROM tasks INDEXED BY ${index}
    WHERE ${where} AND ${key} > ? AND ${key} <= ? ${ofType} ORDER BY ${key} LIMIT ?)`;
  const select = (columns: string, until: number) =>
    sql(`SELECT ${columns}, ${key} AS k FROM tasks WHERE ${found} ORDER BY k`).all(
      ...[...values, after, until, ...(type === undefined ? [] : [type]), limit],
    );
  const there = select(`${brief ? "0" : BYTES_READ} AS n`, end ?? Number.MAX_SAFE_INTEGER);
  let [read, count] = [0, 0];
  for (const row of there) {
    if (count > 0 && read + numberOf(row, "n") > BYTES_AT_ONCE) break;
    read += numberOf(row, "n");
    count += 1;
  }
  const until = there[count - 1];
  const tasks: ListedTask[] = [];
  let bytes = 0;
  for (const row of until === undefined ? [] : select(brief ? BRIEF_COLUMNS : LISTED_COLUMNS, numberOf(until, "k"))) {
    if (bytes >= bounds.bytes) break;
    bytes += bytesOf(row);
    tasks.push(listedOf(row));
  }
  const last = there[tasks.length - 1];
  const isWhole = tasks.length === there.length && there.length < limit;
  const next = isWhole || last === undefined ? end : numberOf(last, "k");
  return { tasks, looked: isWhole ? Math.max(looked, tasks.length) : tasks.length, bytes, read, next };
}

/** How many come next, `most` of them at the most, and the key of the last; null where they end before that. */
function look(sql: Sql, { index, where, values, key }: Source, after: number, most: number) {
  const row = sql(
    `SELECT count(*) AS n, max(k) AS k FROM (SELECT ${key} AS k FROM tasks INDEXED BY ${index}
      WHERE ${where} AND ${key} > ? ORDER BY ${key} LIMIT ?)`,
  ).get(...values, after, most);
  const looked = row === undefined ? 0 : numberOf(row, "n");
  return { looked, end: row !== undefined && looked === most ? numberOf(row, "k") : null };
}

function startOf(cursor: string | undefined): { readonly index: number; readonly place: number } {
  if (cursor === undefined) return { index: 0, place: -1 };
  const { source, place } = readCursor(cursor, PLACE);
  return { index: source, place: Number(place) };
}
