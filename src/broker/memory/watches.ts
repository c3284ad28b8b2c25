/** What is asked of tasks again and again: how they stand, their states, and how many there are. */

import type { TaskState } from "../../task/state.ts";
import type { QueueCounts } from "../broker.ts";
import type { BrokerFigures, OtherQueues, TaskGlance } from "../contract/admin.ts";
import { queueCounts } from "../contract/queue-counts.ts";
import { FIRST_PLACE } from "./store/sorted-list.ts";
import type { MemoryStore } from "./store/store.ts";

/** As Admin.glance. */
export function glance(
  store: MemoryStore,
  asked: readonly { readonly id: string; readonly seen: string | null }[],
): (TaskGlance | "same" | null)[] {
  return asked.map(({ id, seen }) => {
    const entry = store.tasks.get(id);
    if (entry === undefined) return null;
    const { state, attempt, crashes, token, startedAt, finishedAt, dueAt, queuedAt, progress, progressMsg } = entry;
    const record = JSON.stringify([state, attempt, crashes, token, startedAt, finishedAt, dueAt, queuedAt]);
    const lastLine = entry.log.last;
    const now = JSON.stringify([record, progress, progressMsg, lastLine]);
    return now === seen ? "same" : { seen: now, record, progress, progressMsg, lastLine };
  });
}

export function statesOf(store: MemoryStore, ids: readonly string[]): (TaskState | null)[] {
  return ids.map((id) => store.tasks.get(id)?.state ?? null);
}

export function counts(store: MemoryStore, queues: readonly string[]): QueueCounts[] {
  return queues.map((name) => queueCounts(name, (state) => store.queues.get(name)?.of(state).size ?? 0));
}

/** As Admin.figures. Nothing of it is stored but in this process. */
export function figures(store: MemoryStore, queues: readonly string[]): BrokerFigures {
  const oldest = queues.map((name) => {
    let least: number | null = null;
    for (const { queuedAt } of store.queues.get(name)?.of("queued").behind(FIRST_PLACE) ?? []) {
      if (queuedAt !== null) least = Math.min(least ?? queuedAt, queuedAt);
    }
    return least;
  });
  return { oldest, gauges: [] };
}

/** Queues beside these, the latest used first. */
export function otherQueues(store: MemoryStore, own: readonly string[], max: number): OtherQueues {
  const others = [...store.queues.values()]
    .filter(({ name }) => !own.includes(name))
    .sort((a, b) => b.usedAt - a.usedAt)
    .map(({ name }) => name);
  return { names: others.slice(0, max), count: others.length };
}
