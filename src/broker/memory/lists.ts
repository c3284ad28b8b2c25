/**
 * Pages of tasks. Each state of a queue is a source of its own, walked from where the page before ended. A filter by
 * type looks at a bounded number a page.
 */

import { bytesOf, type ListedTask, listedOf } from "../../task/record/listed-task.ts";
import type { TaskState } from "../../task/state.ts";
import { checkListQuery } from "../check-list.ts";
import { LIST_PAGE_BYTES, type ListPage, type ListQuery } from "../contract/admin.ts";
import { readCursor, writeCursor } from "../list-cursor.ts";
import { type Entry, recordOf } from "./store/entry.ts";
import { FIRST_PLACE, type Place, type SortedList } from "./store/sorted-list.ts";
import type { MemoryStore } from "./store/store.ts";

const MOST_LOOKED_AT = 5_000;
const PLACE = /^-?\d{1,16}:-?\d{1,16}$/;
/** In the order in which people look for them: what runs, what waits, what has ended. */
const ORDER: readonly TaskState[] = ["running", "queued", "scheduled", "retrying", "dead", "cancelled", "done"];

/** @throws RangeError for a limit or bytes out of their range, or a cursor that no list has given. */
export function list(store: MemoryStore, query: ListQuery, queues: readonly string[]): ListPage {
  checkListQuery(query);
  const { type, limit, maxBytes = LIST_PAGE_BYTES } = query;
  const sources = sourcesOf(store, query, queues);
  const tasks: ListedTask[] = [];
  let [bytes, looked] = [0, 0];
  const start = startOf(query.cursor);
  for (let at = start.source; at < sources.length; at += 1) {
    const source = sources[at];
    let place = at === start.source ? start.place : FIRST_PLACE;
    for (const entry of source?.behind(place) ?? []) {
      const isFull = tasks.length >= limit || bytes >= maxBytes || looked >= MOST_LOOKED_AT;
      if (isFull) return { tasks, cursor: writeCursor(at, place.join(":")) };
      looked += 1;
      place = source?.placeOf(entry) ?? place;
      if (type !== undefined && entry.type !== type) continue;
      const task = listedOf(recordOf(entry));
      bytes += bytesOf(task);
      tasks.push(task);
    }
  }
  return { tasks, cursor: null };
}

function sourcesOf(store: MemoryStore, query: ListQuery, queues: readonly string[]): (SortedList<Entry> | undefined)[] {
  const names = query.queue === undefined ? queues : [query.queue];
  return ORDER.filter((state) => query.state === undefined || query.state === state).flatMap((state) =>
    names.map((name) => store.queues.get(name)?.of(state)),
  );
}

function startOf(cursor: string | undefined): { readonly source: number; readonly place: Place } {
  if (cursor === undefined) return { source: 0, place: FIRST_PLACE };
  const { source, place } = readCursor(cursor, PLACE);
  const [first = 0, second = 0] = place.split(":").map(Number);
  return { source, place: [first, second] };
}
