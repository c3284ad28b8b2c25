/**
 * Cron schedules: a row each. One transaction changes a schedule and enqueues, where its state is still the one that was
 * read: once for all processes.
 */
import type { TaskState } from "../../task/state.ts";
import { definitionText, readSchedule, stateText } from "../schedule-text.ts";
import type { ScheduleChange, ScheduleChanged, StoredSchedule } from "../schedules.ts";
import { enqueueAll } from "./queue-entry.ts";
import { numberOf, type Row, textOf } from "./rows.ts";
import { stateName } from "./schema.ts";
import type { Store } from "./store.ts";

const ALL = "SELECT * FROM schedules ORDER BY name";
const ONE = "SELECT * FROM schedules WHERE name = ?";
const IS_STILL = "SELECT 1 FROM schedules WHERE name = ? AND state = ?";
/** `next_at` is what a step of the schema left; from the first change on the state tells it. */
const INSERT = "INSERT INTO schedules(name, definition, state) VALUES(?, ?, ?)";
const UPDATE = "UPDATE schedules SET definition = coalesce(?, definition), state = ?, next_at = NULL WHERE name = ?";
const REMOVE = "DELETE FROM schedules WHERE name = ?";
const STATES = `SELECT ids.id, tasks.state FROM json_each(?) AS asked JOIN ids ON ids.id = asked.value
  JOIN tasks ON tasks.seq = ids.seq`;

export function schedules(store: Store): Promise<StoredSchedule[]> {
  return store.read((sql) =>
    sql(ALL)
      .all()
      .map(scheduleOf)
      .filter((schedule) => schedule !== null),
  );
}

export function scheduleNamed(store: Store, name: string): Promise<StoredSchedule | null> {
  return store.read((sql) => {
    const row = sql(ONE).get(name);
    return row === undefined ? null : scheduleOf(row);
  });
}

/** Changes it and enqueues, where nobody has changed it since it was read. */
export function changeSchedule(store: Store, change: ScheduleChange): Promise<ScheduleChanged> {
  const { name, revision, definition, state, enqueue } = change;
  return store.write(1, (tx): ScheduleChanged => {
    const still = revision === null ? tx.sql(ONE).get(name) === undefined : tx.sql(IS_STILL).get(name, revision);
    if (!still) return { changed: false };
    const [receipt = null] = enqueue === undefined ? [] : enqueueAll(tx, [enqueue.request]);
    const after = stateText(enqueue !== undefined && receipt?.created === false ? enqueue.otherwise : state);
    const text = definition === undefined ? null : definitionText(definition);
    if (revision === null) tx.sql(INSERT).run(name, text, after);
    else tx.sql(UPDATE).run(text, after, name);
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
