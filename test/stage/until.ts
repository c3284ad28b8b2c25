/**
 * Waiting for what others do: a condition is asked again and again until it holds or its time is over. The bound is
 * there so that a test which fails says what it waited for.
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import type { Broker } from "../../src/broker/broker.ts";
import type { TaskRecord } from "../../src/task/record/record.ts";
import type { TaskState } from "../../src/task/state.ts";
import type { ExecutorProcess } from "./executor.ts";

const EVERY_MS = 20;

/** How long anything may take that another process does, in ms: the machine may be busy. */
export const PATIENCE_MS = 30_000;

type There<T> = Exclude<T, false | null | undefined>;

/** Asks with the patience of PATIENCE_MS. The question itself stands in the error when it is never answered. */
export async function until<T>(ask: () => T | Promise<T>): Promise<There<T>>;
/**
 * Asks until the answer is neither false, null nor undefined, and gives that answer. An error counts as "not yet".
 * Once more after the time is over: what was waited for may have come while this process itself was held up.
 *
 * @param what - what is waited for; stands in the error when it does not come.
 * @param withinMs - how long it may take at most, in ms.
 */
export async function until<T>(what: string, withinMs: number, ask: () => T | Promise<T>): Promise<There<T>>;
export async function until<T>(
  ...given: [ask: () => T | Promise<T>] | [what: string, withinMs: number, ask: () => T | Promise<T>]
): Promise<There<T>> {
  const [what, withinMs, ask] = given.length === 1 ? [String(given[0]), PATIENCE_MS, given[0]] : given;
  const begun = performance.now();
  let last: unknown;
  while (true) {
    const isLast = performance.now() - begun > withinMs;
    try {
      const answer = await ask();
      if (isThere(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (isLast) {
      throw new Error(`waited ${withinMs} ms in vain until ${what}; the last answer was ${describe(last)}`);
    }
    await pause(EVERY_MS);
  }
}

/** Asks again and again, until the answer is true; fails after `ms`, and at once where the question fails. */
export async function eventually(ms: number, ask: () => Promise<boolean> | boolean): Promise<void> {
  const last = performance.now() + ms;
  while (!(await ask())) {
    assert.ok(performance.now() < last, `it did not become true within ${ms} ms`);
    await pause(EVERY_MS);
  }
}

const ENDED = Symbol("ended");

/** Asks as `until` does, as long as the executor lives, and once more after that: then nothing will come any more. */
export async function untilBy<T>(
  executor: ExecutorProcess,
  what: string,
  ask: () => T | Promise<T>,
): Promise<There<T>> {
  const tail = () => executor.output().slice(-4_000);
  const answer = await until(what, PATIENCE_MS, async () => {
    const { hasEnded } = executor;
    try {
      const found = await ask();
      if (!hasEnded || isThere(found)) return found;
    } catch (error) {
      if (!hasEnded) throw error;
    }
    return ENDED;
  }).catch((error) => {
    throw new Error(`the executor's log ends with:\n${tail()}`, { cause: error });
  });
  if (answer === ENDED) throw new Error(`the executor ended before ${what}:\n${tail()}`);
  return answer as There<T>;
}

/** Waits until the record of a task has this state. */
export async function recordOnce(
  state: TaskState,
  executor: ExecutorProcess,
  broker: Broker,
  id: string,
): Promise<TaskRecord> {
  return untilBy(executor, `${id} is ${state}`, async () => {
    const record = await broker.record(id);
    return record?.state === state && record;
  });
}

/** Waits until the executor's log matches; gives the match. */
export async function said(executor: ExecutorProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return untilBy(executor, `it says ${pattern}`, () => pattern.exec(executor.output()));
}

/** What `until` takes for an answer. */
function isThere<T>(answer: T): answer is There<T> {
  return answer !== false && answer !== null && answer !== undefined;
}

function describe(last: unknown): string {
  return last instanceof Error ? `${last.name}: ${last.message}` : String(last);
}
