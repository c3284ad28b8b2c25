/** Changes to any number of tasks, in steps of a size that brokers take. */
import { MAX_ADMINISTRATION_BATCH } from "../broker/administration.ts";

/**
 * Asks for all ids, each once, in batches.
 *
 * @returns the answers of all batches, in order.
 */
export async function inBatches<T>(
  which: readonly string[],
  ask: (batch: readonly string[]) => Promise<readonly T[]>,
): Promise<T[]> {
  const ids = [...new Set(which)];
  const answers: T[] = [];
  for (let from = 0; from < ids.length; from += MAX_ADMINISTRATION_BATCH) {
    answers.push(...(await ask(ids.slice(from, from + MAX_ADMINISTRATION_BATCH))));
  }
  return answers;
}

/** Goes through all steps and adds them up. */
export async function total(steps: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const step of steps) sum += step;
  return sum;
}
