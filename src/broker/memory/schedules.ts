/**
 * Cron schedules, as the texts that other brokers keep. One is changed, and its task enqueued, where its state is still
 * the one that was read.
 */
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
import type { KeptSchedule } from "./store/kept-schedule.ts";
import type { MemoryStore } from "./store/store.ts";
import { enqueue } from "./tasks.ts";

export function scheduleNamed(store: MemoryStore, name: string): StoredSchedule | null {
  const kept = store.schedules.get(name);
  return kept === undefined ? null : readSchedule(kept.definition, kept.state, null);
}

export function listSchedules(store: MemoryStore, query: ScheduleListQuery): Promise<ScheduleList> {
  return scheduleList(sourceOf(store), query);
}

/** All of them, some at a time. */
export function storedSchedules(store: MemoryStore): AsyncGenerator<readonly StoredSchedule[]> {
  return everySchedule(sourceOf(store));
}

function sourceOf(store: MemoryStore): ScheduleSource {
  return {
    names: async (after, limit) =>
      byName(store, after)
        .slice(0, limit)
        .map((kept) => ({ name: kept.name, bytes: bytesOf(kept) })),
    read: async (names) => names.map((name) => scheduleNamed(store, name)).filter((each) => each !== null),
  };
}

function bytesOf({ definition }: KeptSchedule): number {
  return Buffer.byteLength(definition);
}

/** Takes those that are due, and reads those that were put since. */
export function takeSchedules(store: MemoryStore, since: number | null, max: number): TakenSchedules {
  const now = store.now();
  const takenUntil = now + TAKEN_MS;
  const due = some(
    byTime(store).filter((each) => (each.lookAt ?? 0) <= now),
    max,
  );
  for (const each of due.kept) each.lookAt = takenUntil;
  const puts = [...store.schedules.values()].sort((a, b) => a.put - b.put);
  const changed = some(since === null ? [] : puts.filter(({ put }) => put > since), max);
  const next = byTime(store)[0]?.lookAt ?? null;
  return {
    due: read(due.kept),
    changed: read(changed.kept),
    seen: changed.kept.at(-1)?.put ?? since ?? puts.at(-1)?.put ?? 0,
    isMore: due.isMore || changed.isMore,
    takenUntil,
    nextInMs: next === null ? null : Math.max(0, next - now),
  };
}

/** The first: `max` at the most, and no more than are read at once. */
function some(all: readonly KeptSchedule[], max: number) {
  const kept = all.slice(0, fitting(all.slice(0, max).map(bytesOf)));
  return { kept, isMore: kept.length < all.length };
}

export function postponeSchedule(store: MemoryStore, name: string, takenUntil: number, at: number): void {
  const kept = store.schedules.get(name);
  if (kept?.lookAt === takenUntil) kept.lookAt = Math.round(at);
}

/** The request, if any, has been checked. */
export function changeSchedule(store: MemoryStore, change: ScheduleChange): ScheduleChanged {
  const { name, revision, definition, state, enqueue: enqueued } = change;
  const before = store.schedules.get(name);
  if ((before?.state ?? null) !== revision) return { changed: false };
  const text = definition === undefined ? before?.definition : definitionText(definition);
  if (text === undefined) throw new TypeError(`the schedule "${name}" is put without a definition`);
  const [receipt = null] = enqueued === undefined ? [] : enqueue(store, [enqueued.request]);
  const after = enqueued !== undefined && receipt?.created === false ? enqueued.otherwise : state;
  store.schedules.set(name, {
    name,
    definition: text,
    state: stateText(after),
    lookAt: lookAt(after, store.now()),
    put: definition === undefined ? (before?.put ?? 0) : store.next(),
  });
  return { changed: true, receipt };
}

/** Those behind a name, in order. */
function byName(store: MemoryStore, after = ""): KeptSchedule[] {
  const names = [...store.schedules.keys()].filter((name) => name > after).sort();
  return names.map((name) => store.schedules.get(name)).filter((kept) => kept !== undefined);
}

/** Those that are to be looked at some time, the first ones first. */
function byTime(store: MemoryStore): KeptSchedule[] {
  const timed = [...store.schedules.values()].filter((each) => each.lookAt !== null);
  return timed.sort((a, b) => (a.lookAt ?? 0) - (b.lookAt ?? 0));
}

/** What cannot be read is left out. */
function read(some: readonly KeptSchedule[]): StoredSchedule[] {
  return some
    .map(({ definition, state }) => readSchedule(definition, state, null))
    .filter((schedule) => schedule !== null);
}
