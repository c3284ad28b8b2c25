/**
 * Cron schedules: a row each. One transaction changes a schedule and enqueues, where its state is still the one that
 * was read: once for all processes.
 */
import type { SqlStatement } from "../../runtime/index.ts";
import type { TaskState } from "../../task/state.ts";
import {
  lookAt,
  type ScheduleChange,
  type ScheduleChanged,
  type ScheduleList,
  type ScheduleListQuery,
  type StoredSchedule,
  TAKEN_MS,
  type TakenSchedules,
} from "../contract/schedules.ts";
import { everySchedule, fitting, type ScheduleSource, scheduleList } from "../schedule-list.ts";
import { definitionText, readSchedule, stateText } from "../schedule-text.ts";
import { enqueueAll } from "./enqueue.ts";
import { stateName } from "./file/schema.ts";
import type { Store } from "./file/store.ts";
import type { Transaction } from "./file/transaction.ts";
import { numberOf, type Row, textOf } from "./records/rows.ts";

const ONE = "SELECT * FROM schedules WHERE name = ?";
const IS_STILL = "SELECT 1 FROM schedules WHERE name = ? AND state = ?";
/** `next_at` is what a step of the schema left; from the first change on the state tells it. */
const INSERT = "INSERT INTO schedules(name, definition, state, look_at, put) VALUES(?1, ?2, ?3, ?4, coalesce(?5, 0))";
const UPDATE = `UPDATE schedules SET definition = coalesce(?2, definition), state = ?3, next_at = NULL, look_at = ?4,
  put = coalesce(?5, put) WHERE name = ?1`;
const NAMES = "SELECT name, octet_length(definition) AS bytes FROM schedules WHERE name > ? ORDER BY name LIMIT ?";
const NAMED = "SELECT * FROM schedules WHERE name IN (SELECT value FROM json_each(?)) ORDER BY name";
const COUNT = "SELECT count(*) AS n FROM schedules";
const DUE = "SELECT * FROM schedules WHERE look_at <= ? ORDER BY look_at LIMIT ?";
const LOOK_AT = "UPDATE schedules SET look_at = ? WHERE name = ?";
const POSTPONE = "UPDATE schedules SET look_at = ?3 WHERE name = ?1 AND look_at = ?2";
const NEXT = "SELECT look_at FROM schedules WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1";
const LAST_PUT = "SELECT coalesce(max(put), 0) AS put FROM schedules";
const DUE_SIZES = "SELECT octet_length(definition) AS bytes FROM schedules WHERE look_at <= ? ORDER BY look_at LIMIT ?";
const PUT_SIZES = "SELECT octet_length(definition) AS bytes FROM schedules WHERE put > ? ORDER BY put LIMIT ?";
const PUT_SINCE = "SELECT * FROM schedules WHERE put > ? ORDER BY put LIMIT ?";
const REMOVE = "DELETE FROM schedules WHERE name = ?";
const STATES = `SELECT ids.id, tasks.state FROM json_each(?) AS asked JOIN ids ON ids.id = asked.value
  JOIN tasks ON tasks.seq = ids.seq`;

export function scheduleNamed(store: Store, name: string): Promise<StoredSchedule | null> {
  return store.read((sql) => {
    const row = sql(ONE).get(name);
    return row === undefined ? null : scheduleOf(row);
  });
}

/** As Schedules.listSchedules. */
export function listedSchedules(store: Store, query: ScheduleListQuery): Promise<ScheduleList> {
  return scheduleList(sourceOf(store), query);
}

/** As Schedules.everySchedule. */
export function storedSchedules(store: Store): AsyncGenerator<readonly StoredSchedule[]> {
  return everySchedule(sourceOf(store));
}

function sourceOf(store: Store): ScheduleSource {
  return {
    names: (after, limit) =>
      store.read((sql) =>
        sql(NAMES)
          .all(after, limit)
          .map((row) => ({ name: textOf(row, "name"), bytes: numberOf(row, "bytes") })),
      ),
    read: (names) => store.read((sql) => read(sql(NAMED).all(JSON.stringify(names)))),
  };
}

export function countSchedules(store: Store): Promise<number> {
  return store.read((sql) => Number(sql(COUNT).get()?.n));
}

/** Nothing is written where none is due. */
export async function takeSchedules(store: Store, since: number | null, max: number): Promise<TakenSchedules> {
  const isDue = await store.read((sql) => sql(DUE).get(Date.now(), 1) !== undefined);
  const takenUntil = Date.now() + TAKEN_MS;
  const taken = isDue ? await store.write(max, (tx) => take(tx, takenUntil, max)) : NONE;
  return store.read((sql) => {
    const put = since === null ? NONE : some(sql, PUT_SIZES, PUT_SINCE, since, max);
    const last = put.rows.at(-1);
    const seen = since === null ? numberOf(sql(LAST_PUT).get() ?? {}, "put") : since;
    const next = sql(NEXT).get();
    return {
      due: read(taken.rows),
      changed: read(put.rows),
      seen: last === undefined ? seen : numberOf(last, "put"),
      isMore: taken.isMore || put.isMore,
      takenUntil,
      nextInMs: next === undefined ? null : Math.max(0, numberOf(next, "look_at") - Date.now()),
    };
  });
}

type Sql = (text: string) => SqlStatement;

interface Some {
  readonly rows: readonly Row[];
  readonly isMore: boolean;
}

const NONE: Some = { rows: [], isMore: false };

function take(tx: Transaction, takenUntil: number, max: number): Some {
  const taken = some((text) => tx.sql(text), DUE_SIZES, DUE, tx.now, max);
  for (const row of taken.rows) tx.sql(LOOK_AT).run(takenUntil, textOf(row, "name"));
  return taken;
}

/** The first rows: `max` at the most, and no more than are read at once. */
function some(sql: Sql, sizes: string, rows: string, from: number, max: number): Some {
  const bytes = sql(sizes)
    .all(from, max)
    .map((row) => numberOf(row, "bytes"));
  const count = fitting(bytes);
  return { rows: sql(rows).all(from, count), isMore: count > 0 && (count < bytes.length || count === max) };
}

export function postponeSchedule(store: Store, name: string, takenUntil: number, at: number): Promise<void> {
  return store.write(1, (tx) => {
    tx.sql(POSTPONE).run(name, takenUntil, Math.round(at));
  });
}

function read(rows: readonly Row[]): StoredSchedule[] {
  return rows.map(scheduleOf).filter((schedule) => schedule !== null);
}

/** Changes it and enqueues, where nobody has changed it since it was read. */
export function changeSchedule(store: Store, change: ScheduleChange): Promise<ScheduleChanged> {
  const { name, revision, definition, state, enqueue } = change;
  return store.write(1, (tx): ScheduleChanged => {
    const still = revision === null ? tx.sql(ONE).get(name) === undefined : tx.sql(IS_STILL).get(name, revision);
    if (!still) return { changed: false };
    const [receipt = null] = enqueue === undefined ? [] : enqueueAll(tx, [enqueue.request]);
    const after = enqueue !== undefined && receipt?.created === false ? enqueue.otherwise : state;
    const text = definition === undefined ? null : definitionText(definition);
    const put = definition === undefined ? null : tx.nextNumber();
    tx.sql(revision === null ? INSERT : UPDATE).run(name, text, stateText(after), lookAt(after, tx.now), put);
    return { changed: true, receipt };
  });
}

export function removeSchedule(store: Store, name: string): Promise<boolean> {
  return store.write(1, (tx) => tx.sql(REMOVE).run(name).changes === 1);
}

export async function statesOf(store: Store, ids: readonly string[]): Promise<(TaskState | null)[]> {
  if (ids.length === 0) return [];
  const rows = await store.read((sql) => sql(STATES).all(JSON.stringify(ids)));
  const states = new Map(rows.map((row) => [textOf(row, "id"), stateName(numberOf(row, "state"))]));
  return ids.map((id) => states.get(id) ?? null);
}

function scheduleOf(row: Row): StoredSchedule | null {
  const nextAt = row.next_at === null ? null : numberOf(row, "next_at");
  return readSchedule(textOf(row, "definition"), textOf(row, "state"), nextAt);
}
