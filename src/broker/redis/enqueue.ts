/** What stands in the queues: enqueues, promotions, counts. Each batch is one call to Redis. */

import type { Backlog, EnqueueReceipt, EnqueueRequest, QueueCounts, RefusedTask } from "../broker.ts";
import { checkRequests } from "../check-requests.ts";
import { voidRange } from "./claims/void-entries.ts";
import { execute, type RedisConnections } from "./connection/connections.ts";
import { readGroup } from "./connection/replies.ts";
import {
  cancelledKey,
  deadKey,
  doneKey,
  GROUP,
  PARKED_PREFIX,
  PARKED_TYPES_KEY,
  parkedName,
  scheduledKey,
  streamKey,
  VOID_ENTRIES_KEY,
  waitingCancelledKey,
} from "./keys.ts";
import { APPEND, appendArguments } from "./scripts/append.ts";
import { backlogOf } from "./scripts/backlog.ts";
import { enqueueTasks } from "./scripts/enqueue.ts";
import { runScript } from "./scripts/lua.ts";
import { oldestIn } from "./scripts/oldest.ts";
import { promoteDue } from "./scripts/promote.ts";

export class RedisEnqueue {
  readonly #connections: RedisConnections;
  readonly #queues: readonly string[];
  readonly #priorities: number;

  constructor(connections: RedisConnections, queues: readonly string[], priorities: number) {
    this.#connections = connections;
    this.#queues = queues;
    this.#priorities = priorities;
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    checkRequests(requests, this.#priorities);
    if (requests.length === 0) return [];
    const recordless = requests.every(({ retentionMs, delayMs, unique }) => retentionMs === 0 && !delayMs && !unique);
    return recordless ? this.#append(requests) : this.#connections.run((redis) => enqueueTasks(redis, requests));
  }

  async promote(max: number): Promise<{ promoted: number; nextInMs: number | null; refused: RefusedTask[] }> {
    let promoted = 0;
    const refused: RefusedTask[] = [];
    let nextInMs: number | null = null;
    for (const queue of this.#queues) {
      const one = await this.#connections.run((redis) => promoteDue(redis, queue, max));
      promoted += one.promoted;
      refused.push(...one.refused);
      if (one.nextInMs !== null) nextInMs = Math.min(nextInMs ?? Number.POSITIVE_INFINITY, one.nextInMs);
    }
    return { promoted, nextInMs, refused };
  }

  async counts(queues: readonly string[] = this.#queues): Promise<QueueCounts[]> {
    return Promise.all(queues.map((queue) => this.#count(queue)));
  }

  /** As BrokerFigures.oldest. */
  async oldest(queues: readonly string[]): Promise<(number | null)[]> {
    const streams = Array.from({ length: this.#priorities }, (_, priority) => priority);
    return this.#connections.run((redis) =>
      Promise.all(
        queues.map(async (queue) => {
          const found = await Promise.all(streams.map((priority) => oldestIn(redis, streamKey(queue, priority))));
          return found.reduce<number | null>((least, at) => (at === null ? least : Math.min(least ?? at, at)), null);
        }),
      ),
    );
  }

  async backlog(): Promise<Backlog> {
    const counts = await this.counts();
    return {
      pending: counts.reduce((sum, { running }) => sum + running, 0),
      lag: counts.reduce((sum, { queued }) => sum + queued, 0),
    };
  }

  /** Tasks that keep nothing: entries and no more. */
  async #append(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    const tasks = requests.map(({ queue, priority, message }) => ({ stream: streamKey(queue, priority), message }));
    await this.#connections.run((redis) => runScript(redis, APPEND, ...appendArguments(tasks)));
    return requests.map(({ id }) => ({ id, created: true, state: "queued" }));
  }

  async #count(queue: string): Promise<QueueCounts> {
    return this.#connections.run(async (redis) => {
      const parked = (await redis.smembers(PARKED_TYPES_KEY)).filter((name) => name.startsWith(parkedName(queue, "")));
      const pipeline = redis.pipeline();
      for (let priority = 0; priority < this.#priorities; priority++) {
        pipeline.xlen(streamKey(queue, priority));
        pipeline.xinfo("GROUPS", streamKey(queue, priority));
        pipeline.zlexcount(VOID_ENTRIES_KEY, ...voidRange(streamKey(queue, priority)));
      }
      for (const name of parked) pipeline.zcard(PARKED_PREFIX + name);
      pipeline.zcard(waitingCancelledKey(queue));
      pipeline.zcard(scheduledKey(queue));
      for (const index of [deadKey(queue), doneKey(queue), cancelledKey(queue)]) pipeline.zcard(index);
      const replies = await execute(pipeline);
      let queued = 0;
      let running = 0;
      for (let priority = 0; priority < this.#priorities; priority++) {
        const [size, groups, voids] = replies.slice(3 * priority, 3 * priority + 3).map(([, reply]) => reply);
        const length = Number(size ?? 0);
        const group = readGroup(groups, GROUP);
        const pending = group?.pending ?? 0;
        running += pending;
        const lag = group === null ? length : (group.lag ?? (await backlogOf(redis, streamKey(queue, priority))));
        // A lag that is too large: Redis 7.0 does not write down how much a group has read, and goes on from an old
        // number after a restart.
        queued += Math.max(0, Math.min(lag, length - pending) - Number(voids ?? 0));
      }
      const sizes = replies.slice(3 * this.#priorities).map(([, count]) => Number(count ?? 0));
      const [gone = 0, scheduled = 0, dead = 0, done = 0, cancelled = 0] = sizes.slice(-5);
      queued = Math.max(0, queued - gone) + sizes.slice(0, -5).reduce((sum, count) => sum + count, 0);
      return { name: queue, queued, running, scheduled, dead, done, cancelled };
    });
  }
}
