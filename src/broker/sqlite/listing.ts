/**
 * Pages of tasks. Each state of a queue is a source of its own, walked along an index by the last key of the page
 * before, so that the millionth page costs as much as the first. A filter by type looks at `MOST_LOOKED_AT` at the
 * most.
 */
import type { SqlStatement, SqlValue } from "../../runtime/index.ts";
import type { TaskRecord } from "../../task/record.ts";
import type { TaskState } from "../../task/state.ts";
import { type ListPage, type ListQuery, MAX_ADMINISTRATION_BATCH } from "../administration.ts";
import { numberOf, recordOf } from "./rows.ts";
import { PARKED, STATE } from "./schema.ts";
import type { Store } from "./store.ts";

const MOST_LOOKED_AT = 5000;

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

/** @throws (rejects) RangeError for a limit that is not 1..1 000, or a cursor that no list has given. */
export async function list(
  store: Store,
  query: ListQuery,
  queues: readonly string[],
  priorities: number,
): Promise<ListPage> {
  const { limit } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_ADMINISTRATION_BATCH) {
    throw new RangeError(`the limit of a list must be 1 to ${MAX_ADMINISTRATION_BATCH}, got ${limit}`);
  }
  const sources = sourcesOf(query, queues, priorities);
  const from = readCursor(query.cursor);
  return store.read((sql) => {
    const tasks: TaskRecord[] = [];
    let { index, place } = from;
    let left = MOST_LOOKED_AT;
    while (index < sources.length && tasks.length < limit && left > 0) {
      const source = sources[index];
      if (source === undefined) break;
      const slice = sliceOf(sql, source, place, query.type, { limit: limit - tasks.length, looks: left });
      tasks.push(...slice.tasks);
      left -= slice.looked;
      if (slice.next === null) index += 1;
      place = slice.next ?? -1;
    }
    return { tasks, cursor: index < sources.length ? `${index}:${place}` : null };
  });
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
  readonly tasks: readonly TaskRecord[];
  readonly looked: number;
  /** Where this source goes on; null at its end. */
  readonly next: number | null;
}

/** What a call may still give, and look at. */
interface Bounds {
  readonly limit: number;
  readonly looks: number;
}

function sliceOf(sql: Sql, source: Source, after: number, type: string | undefined, bounds: Bounds): Slice {
  const limit = Math.min(bounds.limit, bounds.looks);
  // With a filter, a page ends where enough has been looked at: most of what is there may be of other types.
  const { end, looked } = type === undefined ? { end: null, looked: 0 } : look(sql, source, after, bounds.looks);
  const until = end ?? Number.MAX_SAFE_INTEGER;
  const { index, where, values, key } = source;
  const ofType = type === undefined ? "" : "AND type = ?";
  const rows = sql(
    `SELECT *, ${key} AS k FROM tasks WHERE seq IN (SELECT seq FROM tasks INDEXED BY ${index}
      WHERE ${where} AND ${key} > ? AND ${key} <= ? ${ofType} ORDER BY ${key} LIMIT ?) ORDER BY k`,
  ).all(...values, after, until, ...(type === undefined ? [] : [type]), limit);
  const last = rows.at(-1);
  const next = rows.length === limit && last !== undefined ? numberOf(last, "k") : end;
  return { tasks: rows.map(recordOf), looked: Math.max(looked, rows.length), next };
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

function readCursor(cursor: string | undefined): { readonly index: number; readonly place: number } {
  if (cursor === undefined) return { index: 0, place: -1 };
  const match = /^(\d{1,6}):(-1|\d{1,15})$/.exec(cursor);
  if (match === null) throw new RangeError(`the cursor "${cursor}" is not one that a list has given`);
  return { index: Number(match[1]), place: Number(match[2]) };
}
