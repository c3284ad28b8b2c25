/** The count of what was changed, shown as it grows; a cancel stops between two steps. */
import type { Broker, QueueCounts } from "../../broker/broker.ts";
import { type CancelScope, checkpoint } from "../../concurrency/index.ts";
import { countMatching } from "../../operations/changes/count.ts";
import type { TaskState } from "../../task/state.ts";
import type { TaskFlags } from "../arguments/filters.ts";
import type { Options } from "../arguments/flags.ts";
import { howMany } from "./how-many.ts";
import { note, printJson, printLine } from "./print.ts";
import { progressBar } from "./progress-bar.ts";

/** How a change is told of while it goes on, and after. */
export interface Told {
  /** "cancelling". */
  readonly doing: string;
  /** "cancelled". */
  readonly done: string;
  /** "task" or "record". */
  readonly what: string;
  /** About how many there are; null: nobody knows. */
  readonly total: number | null;
  /** Told how many were changed, once, however it ended; absent: nothing is changed. */
  readonly record?: (count: number, isWhole: boolean) => Promise<void>;
}

/**
 * Goes through the steps of a change and adds them up; a cancel of `scope` stops between two. Where it ends early, by
 * that or by an error, it says how many were changed by then.
 */
export async function counted(
  { doing, done, what, total, record }: Told,
  steps: AsyncIterable<number>,
  scope: CancelScope,
): Promise<number> {
  const bar = progressBar(doing, total);
  let count = 0;
  let isWhole = false;
  try {
    for await (const step of steps) {
      count += step;
      bar.update(count, String(count));
      await checkpoint(scope.signal);
    }
    isWhole = true;
  } finally {
    bar.end(String(count), isWhole);
    await record?.(count, isWhole);
    const changed = `${howMany(count, what)} ${done} by then`;
    if (!isWhole) note(`taskexe: stopped early: ${changed}; the same command does the rest`, "warning");
  }
  return count;
}

/** Tells how many tasks a change would reach. Returns the exit code. */
export async function wouldChange(
  broker: Pick<Broker, "list" | "counts">,
  filter: TaskFlags,
  states: readonly TaskState[],
  { json }: Options,
  scope: CancelScope,
): Promise<number> {
  const told = { doing: "counting", done: "counted", what: "task", total: null };
  const count = await counted(told, countMatching(broker, filter, states), scope);
  if (json) printJson({ matching: count });
  else printLine(`${howMany(count, "task")} would be changed; nothing was`);
  return 0;
}

/** How many tasks match by now; null: nobody knows without looking at each, as of a type. */
export async function matching(
  broker: Pick<Broker, "counts">,
  { type, queue }: TaskFlags,
  of: readonly Exclude<keyof QueueCounts, "name">[],
): Promise<number | null> {
  if (type !== undefined) return null;
  const queues = (await broker.counts()).filter(({ name }) => queue === undefined || name === queue);
  return queues.reduce((sum, counts) => sum + of.reduce((all, state) => all + counts[state], 0), 0);
}
