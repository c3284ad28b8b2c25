/** Retries and purges by hand. */
import { TASK_STATES } from "../../task/state.ts";
import { MAX_ADMINISTRATION_BATCH, type PurgeQuery, type RetryReceipt } from "../administration.ts";
import { firstAttempt } from "../first-attempt.ts";
import { REMOVE_SCRIPT, RETRY_SCRIPT } from "./by-hand-scripts.ts";
import { execute, type RedisConnections } from "./connections.ts";
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
  recordKey,
  uniqueKey,
  waitingCancelledKey,
} from "./keys.ts";
import { runScript } from "./lua.ts";

/** How many tasks of an index are looked at, and removed, in one go: 500 held Redis for up to 12 ms. */
const PAGE = 200;

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
    const receipts: RetryReceipt[] = [];
    for (const id of ids) receipts.push(await this.#retryOne(id));
    return receipts;
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
        // Without a filter each one fits: no more is read than may go.
        const count = type === undefined ? Math.min(PAGE, max - purged) : PAGE;
        const ids = await this.#connections.run((redis) =>
          redis.zrange(index, String(offset), String(offset + count - 1)),
        );
        if (ids.length === 0) break;
        const chosen = (await this.#ofType(ids, type)).slice(0, max - purged);
        const removed = chosen.length === 0 ? 0 : await this.#remove(state, name, chosen);
        purged += removed;
        offset += ids.length - removed;
      }
    }
    return purged;
  }

  async #retryOne(id: string): Promise<RetryReceipt> {
    const [[stored, queue], fields] = await this.#connections.run((redis) =>
      Promise.all([redis.hmget(recordKey(id), "message", "queue"), redis.hkeys(recordKey(id))]),
    );
    const { message, unique } = firstAttempt(stored ?? "", errorsIn(fields));
    const reply = await this.#connections.run((redis) =>
      runScript(
        redis,
        RETRY_SCRIPT,
        RECORD_PREFIX,
        LOG_PREFIX,
        GROUP,
        CANCELLED_KEY,
        cancelFlagKey(id),
        id,
        message,
        deadKey(""),
        cancelledKey(""),
        waitingCancelledKey(""),
        unique === undefined ? "" : uniqueKey(queue ?? "", unique.key),
        Math.round(unique?.ttlMs ?? 0),
      ),
    );
    const [state, retried, heldBy] = Array.isArray(reply) ? reply : [];
    const receipt = { id, state: TASK_STATES.find((name) => name === state) ?? null, retried: retried === 1 };
    return typeof heldBy === "string" ? { ...receipt, heldBy } : receipt;
  }

  async #ofType(ids: readonly string[], type: string | undefined): Promise<readonly string[]> {
    if (type === undefined) return ids;
    const replies = await this.#connections.run(async (redis) => {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.hget(recordKey(id), "type");
      return execute(pipeline);
    });
    return ids.filter((_, index) => replies[index]?.[1] === type);
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
