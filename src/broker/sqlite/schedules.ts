/** Cron schedules: a row each. One transaction moves the next time on and enqueues, so that each fires once. */
import type { Schedule, ScheduleDefinition } from "../administration.ts";
import type { EnqueueRequest } from "../broker.ts";
import { enqueueAll } from "./queue-entry.ts";
import { numberOf, type Row, textOf } from "./rows.ts";
import type { Store } from "./store.ts";

const PUT = `INSERT INTO schedules(name, cron, timezone, type, queue, priority, payload, retention_ms, next_at)
  VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET cron = excluded.cron, timezone = excluded.timezone,
  type = excluded.type, queue = excluded.queue, priority = excluded.priority, payload = excluded.payload,
  retention_ms = excluded.retention_ms, next_at = excluded.next_at`;
const REMOVE = "DELETE FROM schedules WHERE name = ?";
const ALL = "SELECT * FROM schedules ORDER BY name";
const FIRE = "UPDATE schedules SET next_at = ?, last_at = ? WHERE name = ? AND next_at = ?";

/** Stores a schedule, or replaces the one of that name; when that one fired last is kept. */
export function putSchedule(store: Store, schedule: ScheduleDefinition, nextAt: number | null): Promise<void> {
  const { name, cron, timezone, type, queue, priority, payload, retentionMs } = schedule;
  const values = [name, cron, timezone, type, queue, priority, payload, Math.ceil(retentionMs), rounded(nextAt)];
  return store.write(1, (tx) => {
    tx.sql(PUT).run(...values);
  });
}

export function removeSchedule(store: Store, name: string): Promise<boolean> {
  return store.write(1, (tx) => tx.sql(REMOVE).run(name).changes === 1);
}

export function schedules(store: Store): Promise<Schedule[]> {
  return store.read((sql) => sql(ALL).all().map(scheduleOf));
}

/** False where it is not due at `dueAt` any more. */
export function fireSchedule(
  store: Store,
  name: string,
  dueAt: number,
  nextAt: number | null,
  request: EnqueueRequest,
): Promise<boolean> {
  return store.write(1, (tx) => {
    if (tx.sql(FIRE).run(rounded(nextAt), rounded(dueAt), name, rounded(dueAt)).changes !== 1) return false;
    enqueueAll(tx, [request]);
    return true;
  });
}

function rounded(at: number | null): number | null {
  return at === null ? null : Math.round(at);
}

function scheduleOf(row: Row): Schedule {
  return {
    name: textOf(row, "name"),
    cron: textOf(row, "cron"),
    timezone: row.timezone === null ? null : textOf(row, "timezone"),
    type: textOf(row, "type"),
    queue: textOf(row, "queue"),
    priority: numberOf(row, "priority"),
    payload: textOf(row, "payload"),
    retentionMs: numberOf(row, "retention_ms"),
    nextAt: row.next_at === null ? null : numberOf(row, "next_at"),
    lastAt: row.last_at === null ? null : numberOf(row, "last_at"),
  };
}
