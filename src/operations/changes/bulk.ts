/**
 * Changes to whatever matches a filter (cancel, retry, promote, purge), in batches that the broker takes. The client,
 * the command line and HTTP stand on these. Each is a generator that tells after every batch how many it has changed,
 * so that a caller can show it, stop, or go on later; nothing is kept between two batches.
 */

import type { Broker } from "../../broker/broker.ts";
import { type ListPage, MAX_ADMINISTRATION_BATCH, type PurgeQuery } from "../../broker/contract/admin.ts";
import { checkpoint } from "../../concurrency/index.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import { MOVES, type RetriedState, type TaskState } from "../../task/state.ts";
import { conditionsOf } from "../filters.ts";
import { promote } from "./edit.ts";

/** Which tasks: of a type, of a queue, or of both. */
export interface TaskFilter {
  readonly type?: string | undefined;
  readonly queue?: string | undefined;
}

/** What is retried where nobody says. */
export const DEFAULT_RETRIED_STATE: RetriedState = "dead";

/** How many ids one call hands to the broker. */
const BATCH = MAX_ADMINISTRATION_BATCH;

/**
 * How often the list of one state is gone through. Pages may count from the start of a list, and tasks that leave it
 * move the rest up past a page, so one walk can miss some; each further walk halves what is left.
 */
const MOST_WALKS = 40;

/** How many ids are remembered, so that none is cancelled twice in vain. */
const MOST_ASKED = 1_000_000;

/** How far what two processes take for the broker's time may be apart, in ms. */
const CLOCK_SKEW_MS = 1_000;

// In the order in which tasks move, so that one which moves meanwhile is met again.
export const LIVING: readonly TaskState[] = ["scheduled", "retrying", "queued", "running"];

/** Cancels every living task that matches. Yields how many more were cancelled, running ones included. */
export async function* cancelMatching(
  broker: Pick<Broker, "list" | "cancel" | "many">,
  filter: TaskFilter,
): AsyncGenerator<number> {
  for (const state of LIVING) {
    if (state === "queued" && broker.many !== undefined) {
      yield* broker.many.cancelQueued(conditionsOf(filter));
      continue;
    }
    // A running one stays in the list until it has ended, and one may stand in its stream as long: each is asked once.
    const asked = new Set<string>();
    yield* walk(broker, { ...filter, state, brief: state !== "running" }, async (tasks, walks) => {
      const fresh = tasks.map(({ id }) => id).filter((id) => !asked.has(id));
      if (fresh.length === 0) return NO_CHANGE;
      for (const id of fresh) if (state === "running" || asked.size < MOST_ASKED) asked.add(id);
      const states = (await broker.cancel(fresh)).map((receipt) => receipt.state);
      const moved = states.filter((each) => each !== null && LIVING.includes(each)).length;
      // One without a record stays in the list until it is claimed: it is told once and calls for no further walk.
      const flagged = walks === 0 ? states.filter((each) => each === null).length : 0;
      return { moved, told: moved + flagged };
    });
  }
}

/**
 * Queues every dead (or cancelled) task that matches once more, as they are now: one that ends again meanwhile is not
 * taken again. Yields how many more were queued.
 */
export async function* retryMatching(
  broker: Pick<Broker, "list" | "retry" | "now" | "many">,
  { state = DEFAULT_RETRIED_STATE, ...filter }: TaskFilter & { readonly state?: RetriedState | undefined },
): AsyncGenerator<number> {
  const begun = broker.now();
  const taken = new Set<string>();
  // What ends again later than this says so by its time.
  const take = (ids: readonly string[]): void => {
    if (broker.now() <= begun + 2 * CLOCK_SKEW_MS) for (const id of ids) taken.add(id);
  };
  if (state === "cancelled" && broker.many !== undefined) {
    for await (const ids of broker.many.requeueCancelled(conditionsOf(filter))) {
      take(ids);
      yield ids.length;
    }
  }
  const wasMeant = ({ id, finished_at: at }: TaskRecord): boolean =>
    (at === null || at <= begun + CLOCK_SKEW_MS) && !taken.has(id);
  yield* walk(broker, { ...filter, state, brief: true }, async (tasks) => {
    const ids = tasks.filter(wasMeant).map(({ id }) => id);
    if (ids.length === 0) return NO_CHANGE;
    take(ids);
    const moved = (await broker.retry(ids)).filter(({ retried }) => retried).length;
    return { moved, told: moved };
  });
}

/**
 * Queues every scheduled and retrying task that matches at once. Yields how many more were queued. One that fails
 * meanwhile and waits for its next attempt is not queued again.
 */
export async function* promoteMatching(
  broker: Pick<Broker, "list" | "edit">,
  filter: TaskFilter,
): AsyncGenerator<number> {
  const asked = new Set<string>();
  for (const state of MOVES.promote.from) {
    yield* walk(broker, { ...filter, state, brief: true }, async (tasks) => {
      const fresh = tasks.map(({ id }) => id).filter((id) => !asked.has(id));
      if (fresh.length === 0) return NO_CHANGE;
      for (const id of fresh) if (asked.size < MOST_ASKED) asked.add(id);
      const moved = (await promote(broker, fresh)).filter(({ promoted }) => promoted).length;
      return { moved, told: moved };
    });
  }
}

/** Removes every ended record that matches. Yields how many more are gone. */
export async function* purgeMatching(
  broker: Pick<Broker, "purge">,
  query: TaskFilter & Pick<PurgeQuery, "state">,
): AsyncGenerator<number> {
  for (;;) {
    const purged = await broker.purge(conditionsOf(query), BATCH);
    if (purged > 0) yield purged;
    // Less than could go: all were gone, and what ends from now on was not meant.
    if (purged < BATCH) return;
  }
}

/**
 * Asks for all ids, each once, in batches that a broker takes.
 *
 * @param signal - its abort stops between two batches.
 * @returns the answers of all batches, in order.
 */
export async function inBatches<T>(
  which: readonly string[],
  ask: (batch: readonly string[]) => Promise<readonly T[]>,
  signal?: AbortSignal,
): Promise<T[]> {
  const ids = [...new Set(which)];
  const answers: T[] = [];
  for (let from = 0; from < ids.length; from += BATCH) {
    if (signal !== undefined) await checkpoint(signal);
    answers.push(...(await ask(ids.slice(from, from + BATCH))));
  }
  return answers;
}

/** Goes through all steps of a change and adds them up. */
export async function total(steps: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const step of steps) sum += step;
  return sum;
}

/** Goes through the steps of a change until it has changed `most`, or `longestMs` are over. */
export async function bounded(
  steps: AsyncGenerator<number>,
  { most, longestMs }: { readonly most: number; readonly longestMs: number },
): Promise<{ readonly count: number; readonly more: boolean }> {
  const until = performance.now() + longestMs;
  let count = 0;
  for await (const step of steps) {
    count += step;
    if (count >= most || performance.now() > until) return { count, more: true };
  }
  return { count, more: false };
}

/** What a change did to a page: how many tasks left the list, and how many are to be told of. */
interface Change {
  readonly moved: number;
  readonly told: number;
}

const NO_CHANGE: Change = { moved: 0, told: 0 };

async function* walk(
  broker: Pick<Broker, "list">,
  { state, queue, type, brief = false }: TaskFilter & { readonly state: TaskState; readonly brief?: boolean },
  change: (tasks: readonly TaskRecord[], walks: number) => Promise<Change>,
): AsyncGenerator<number> {
  const filter = { ...conditionsOf({ queue, type }), state, limit: BATCH, ...(brief ? { brief } : {}) };
  const pageFrom = (cursor: string | null): Promise<ListPage> =>
    broker.list(cursor === null ? filter : { ...filter, cursor });
  for (let walks = 0; walks < MOST_WALKS; walks++) {
    let changed = 0;
    for (let page: ListPage | null = await pageFrom(null); page !== null; ) {
      const { tasks, cursor }: ListPage = page;
      // The broker looks for the next ones while these are changed. Whatever that misses, the next walk meets.
      const [made, next]: [PromiseSettledResult<Change>, PromiseSettledResult<ListPage | null>] =
        await Promise.allSettled([
          tasks.length > 0 ? change(tasks, walks) : NO_CHANGE,
          cursor === null ? null : pageFrom(cursor),
        ]);
      if (made.status === "rejected") throw made.reason;
      changed += made.value.moved;
      // What was changed is told, whatever became of the look.
      if (tasks.length > 0) yield made.value.told;
      if (next.status === "rejected") throw next.reason;
      page = next.value;
    }
    if (changed === 0) return;
  }
}
