import { isOpenTo, MOVES, TASK_STATES, type TaskState } from "../../../task/state.ts";
import { MAX_ADMINISTRATION_BATCH, type PurgeQuery, type RetryReceipt } from "../../contract/admin.ts";
import { type ChangedMessage, messageWith } from "../../contract/edit-rules.ts";
import { firstAttempt } from "../../first-attempt.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { inChunks } from "../connection/in-flight.ts";
import { cancelledKey, deadKey, doneKey, ERROR_FIELD } from "../keys.ts";
import { removeRecords } from "../scripts/remove.ts";
import { type Retry, retryTasks, retryUsual } from "../scripts/retry.ts";
import { scanIndex } from "../scripts/scan.ts";
import { readWhole } from "./read-records.ts";

/** How many tasks of an index are looked at, and removed, in one go: 500 held Redis for up to 12 ms. */
const PAGE = 200;
/** How many one script queues again: about 3 ms. */
const RETRY_CHUNK = 100;
/** How many Redis looks at in one call to find those of a type. */
const LOOK = 5_000;

const INDEX_OF = { done: doneKey, dead: deadKey, cancelled: cancelledKey };

export class RedisRetryAndPurge {
  readonly #connections: RedisConnections;
  readonly #queues: readonly string[];

  constructor(connections: RedisConnections, queues: readonly string[]) {
    this.#connections = connections;
    this.#queues = queues;
  }

  async retry(ids: readonly string[], payload?: string): Promise<RetryReceipt[]> {
    if (ids.length > MAX_ADMINISTRATION_BATCH) {
      throw new RangeError(`a retry takes at most ${MAX_ADMINISTRATION_BATCH} ids at once, got ${ids.length}`);
    }
    // Most often all of them are of the usual kind, or none.
    let areUsual = payload === undefined;
    return inChunks(ids, RETRY_CHUNK, async (chunk) => {
      if (!areUsual) return this.#retrySome(chunk, payload);
      const done = await this.#connections.run((redis) => retryUsual(redis, chunk));
      const rest = chunk.filter((_, index) => !done[index]);
      areUsual = rest.length < chunk.length / 2;
      const others = rest.length === 0 ? [] : await this.#retrySome(rest);
      let next = 0;
      return chunk.flatMap((id, index) => {
        return done[index] ? { id, state: "cancelled" as const, retried: true } : (others[next++] ?? []);
      });
    });
  }

  async purge({ state, queue, type }: PurgeQuery, max: number): Promise<number> {
    if (!Number.isInteger(max) || max < 1 || max > MAX_ADMINISTRATION_BATCH) {
      throw new RangeError(`a purge removes 1 to ${MAX_ADMINISTRATION_BATCH} records at once, got ${max}`);
    }
    let purged = 0;
    for (const name of queue === undefined ? this.#queues : [queue]) {
      const index = INDEX_OF[state](name);
      let offset = 0;
      while (purged < max) {
        const find = Math.min(PAGE, max - purged);
        const { found, next } = await scanIndex(this.#connections, index, { from: offset, type, find, look: LOOK });
        const removed =
          found.length === 0
            ? 0
            : await this.#remove(
                state,
                name,
                found.map(({ id }) => id),
              );
        purged += removed;
        if (next === null) break;
        offset = Number(next) - removed;
      }
    }
    return purged;
  }

  async #retrySome(ids: readonly string[], payload?: string): Promise<RetryReceipt[]> {
    const tasks = await this.#firstAttempts(ids, payload);
    const taken = tasks.filter(({ refused }) => refused === undefined);
    const made = await this.#connections.run((redis) => retryTasks(redis, taken));
    if (taken.length === tasks.length) return made;
    const receipts = new Map(made.map((receipt) => [receipt.id, receipt]));
    return tasks.map(({ id, state, refused = "" }) => receipts.get(id) ?? { id, state, retried: false, refused });
  }

  /** What each is queued as. */
  async #firstAttempts(ids: readonly string[], payload: string | undefined): Promise<Wanted[]> {
    const records = await readWhole(this.#connections, ids);
    return ids.map((id, index) => {
      const { message = "", queue = "", ...fields } = records[index] ?? {};
      const state = TASK_STATES.find((name) => name === fields.state) ?? null;
      const isRetried = state !== null && isOpenTo(MOVES.revive, state);
      // Of one that is not retried only its state is told.
      const changed: ChangedMessage = isRetried ? messageWith(message, payload) : { message };
      const first = firstAttempt(changed.message ?? "", errorsIn(Object.keys(fields)));
      const isAsItIs = first.message === message && message !== "";
      return { id, queue, state, refused: changed.refused, ...first, isAsItIs };
    });
  }

  #remove(state: PurgeQuery["state"], queue: string, ids: readonly string[]): Promise<number> {
    const which = { index: INDEX_OF[state](queue), queue, state };
    return this.#connections.run((redis) => removeRecords(redis, which, ids));
  }
}

/** A task to be queued again, or why it cannot be with that payload. */
interface Wanted extends Retry {
  readonly state: TaskState | null;
  readonly refused: string | undefined;
}

/** How many errors of attempts a record has been given, by the names of its fields. */
function errorsIn(fields: readonly string[]): number {
  const numbers = fields
    .filter((name) => name.startsWith(ERROR_FIELD))
    .map((name) => Number(name.slice(ERROR_FIELD.length)));
  return Math.max(0, ...numbers);
}
