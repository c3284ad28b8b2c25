/** Retries and purges by hand. */
import { TASK_STATES } from "../../task/state.ts";
import { MAX_ADMINISTRATION_BATCH, type PurgeQuery, type RetryReceipt } from "../administration.ts";
import { firstAttempt } from "../first-attempt.ts";
import { REMOVE_SCRIPT, RETRY_SCRIPT } from "./by-hand-scripts.ts";
import type { RedisConnections } from "./connections.ts";
import { inChunks } from "./in-flight.ts";
import {
  CANCELLED_KEY,
  cancelFlagKey,
  cancelledKey,
  deadKey,
  doneKey,
  ERROR_FIELD,
  GROUP,
  LOG_PREFIX,
  RECORD_PREFIX,
  uniqueKey,
  waitingCancelledKey,
} from "./keys.ts";
import { runScript } from "./lua.ts";
import { readWhole } from "./records/read-records.ts";
import { scanIndex } from "./scan-scripts.ts";

/** How many tasks of an index are looked at, and removed, in one go: 500 held Redis for up to 12 ms. */
const PAGE = 200;
/** How many one script queues again: about 3 ms. */
const RETRY_CHUNK = 100;
/** How many Redis looks at in one call to find those of a type. */
const LOOK = 5_000;

const INDEX_OF = { done: doneKey, dead: deadKey, cancelled: cancelledKey };

export class RedisByHand {
  readonly #connections: RedisConnections;
  readonly #queues: readonly string[];

  constructor(connections: RedisConnections, queues: readonly string[]) {
    this.#connections = connections;
    this.#queues = queues;
  }

  async retry(ids: readonly string[]): Promise<RetryReceipt[]> {
    if (ids.length > MAX_ADMINISTRATION_BATCH) {
      throw new RangeError(`a retry takes at most ${MAX_ADMINISTRATION_BATCH} ids at once, got ${ids.length}`);
    }
    return inChunks(ids, RETRY_CHUNK, (chunk) => this.#retrySome(chunk));
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

  async #retrySome(ids: readonly string[]): Promise<RetryReceipt[]> {
    const tasks = (await this.#firstAttempts(ids)).flatMap(({ id, message, unique, queue }) => [
      ...[id, cancelFlagKey(id), message],
      ...[unique === undefined ? "" : uniqueKey(queue, unique.key), Math.round(unique?.ttlMs ?? 0)],
    ]);
    const reply = await this.#connections.run((redis) =>
      runScript(
        redis,
        RETRY_SCRIPT,
        ...[RECORD_PREFIX, GROUP, CANCELLED_KEY, deadKey(""), cancelledKey(""), waitingCancelledKey("")],
        ...tasks,
      ),
    );
    const told: unknown[] = Array.isArray(reply) ? reply : [];
    return ids.map((id, index) => {
      const [was, retried, heldBy] = told.slice(3 * index);
      const receipt = { id, state: TASK_STATES.find((name) => name === was) ?? null, retried: retried === 1 };
      return typeof heldBy === "string" && heldBy !== "" ? { ...receipt, heldBy } : receipt;
    });
  }

  /** What each is queued as. */
  async #firstAttempts(ids: readonly string[]) {
    const records = await readWhole(this.#connections, ids);
    return ids.map((id, index) => {
      const { message = "", queue = "", ...fields } = records[index] ?? {};
      return { id, queue, ...firstAttempt(message, errorsIn(Object.keys(fields))) };
    });
  }

  async #remove(state: PurgeQuery["state"], queue: string, ids: readonly string[]): Promise<number> {
    const index = INDEX_OF[state](queue);
    const reply = await this.#connections.run((redis) =>
      runScript(
        redis,
        REMOVE_SCRIPT,
        index,
        waitingCancelledKey(queue),
        CANCELLED_KEY,
        RECORD_PREFIX,
        LOG_PREFIX,
        state,
        GROUP,
        ...ids.flatMap((id) => [id, cancelFlagKey(id)]),
      ),
    );
    return Number(reply);
  }
}

/** How many errors of attempts a record has been given, by the names of its fields. */
function errorsIn(fields: readonly string[]): number {
  const numbers = fields
    .filter((name) => name.startsWith(ERROR_FIELD))
    .map((name) => Number(name.slice(ERROR_FIELD.length)));
  return Math.max(0, ...numbers);
}
