/** What stands in the queues: enqueues, promotions, counts. Each batch is one call to Redis. */

import { TASK_STATES } from "../../task/state.ts";
import type { Backlog, EnqueueReceipt, EnqueueRequest, QueueCounts, RefusedTask } from "../broker.ts";
import { checkRequests } from "../check-requests.ts";
import { APPEND, appendArguments } from "./append-script.ts";
import { execute, type RedisConnections } from "./connections.ts";
import {
  cancelledKey,
  deadKey,
  doneKey,
  GROUP,
  PARKED_PREFIX,
  PARKED_TYPES_KEY,
  parkedName,
  RECORD_PREFIX,
  scheduledKey,
  streamKey,
  uniqueKey,
  waitingCancelledKey,
} from "./keys.ts";
import { runScript } from "./lua.ts";
import { FIELD_LETTERS, packFacts, packField, packMessage } from "./records/codec.ts";
import { readGroup, readRefused } from "./replies.ts";
import { callScript } from "./scripts.ts";

export class RedisQueues {
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
    return recordless ? this.#append(requests) : this.#enqueueWithRecords(requests);
  }

  async promote(max: number): Promise<{ promoted: number; nextInMs: number | null; refused: RefusedTask[] }> {
    let promoted = 0;
    const refused: RefusedTask[] = [];
    let nextInMs: number | null = null;
    for (const queue of this.#queues) {
      const reply = await this.#connections.run((redis) =>
        callScript(redis, "taskexePromote", scheduledKey(queue), RECORD_PREFIX, max),
      );
      const [count, next, ...rest]: unknown[] = Array.isArray(reply) ? reply : [];
      promoted += Number(count ?? 0);
      refused.push(...readRefused(rest));
      if (Number(next) >= 0) nextInMs = Math.min(nextInMs ?? Number.POSITIVE_INFINITY, Number(next));
    }
    return { promoted, nextInMs, refused };
  }

  async counts(): Promise<QueueCounts[]> {
    return Promise.all(this.#queues.map((queue) => this.#count(queue)));
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

  async #enqueueWithRecords(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    const args = requests.flatMap(enqueueArguments);
    const reply = await this.#connections.run((redis) => callScript(redis, "taskexeEnqueue", RECORD_PREFIX, ...args));
    if (!Array.isArray(reply)) throw new TypeError("the enqueue script gave no list");
    return requests.map((_, index) => {
      const state = TASK_STATES.find((name) => name === String(reply[3 * index + 1]));
      const created = Number(reply[3 * index]) === 1;
      return { id: String(reply[3 * index + 2]), created, state: state ?? "queued" };
    });
  }

  async #count(queue: string): Promise<QueueCounts> {
    return this.#connections.run(async (redis) => {
      const parked = (await redis.smembers(PARKED_TYPES_KEY)).filter((name) => name.startsWith(parkedName(queue, "")));
      const pipeline = redis.pipeline();
      for (let priority = 0; priority < this.#priorities; priority++) {
        pipeline.xlen(streamKey(queue, priority));
        pipeline.xinfo("GROUPS", streamKey(queue, priority));
      }
      for (const name of parked) pipeline.zcard(PARKED_PREFIX + name);
      pipeline.zcard(waitingCancelledKey(queue));
      pipeline.zcard(scheduledKey(queue));
      for (const index of [deadKey(queue), doneKey(queue), cancelledKey(queue)]) pipeline.zcard(index);
      const replies = await execute(pipeline);
      let queued = 0;
      let running = 0;
      for (let priority = 0; priority < this.#priorities; priority++) {
        const length = Number(replies[2 * priority]?.[1] ?? 0);
        const group = readGroup(replies[2 * priority + 1]?.[1], GROUP);
        const pending = group?.pending ?? 0;
        running += pending;
        // A null lag: an undelivered entry was deleted by somebody. A lag that is too large: Redis 7.0
        // does not write down how much a group has read, and goes on from an old number after a restart.
        queued += Math.min(group?.lag ?? Number.POSITIVE_INFINITY, Math.max(0, length - pending));
      }
      const sizes = replies.slice(2 * this.#priorities).map(([, count]) => Number(count ?? 0));
      const [gone = 0, scheduled = 0, dead = 0, done = 0, cancelled = 0] = sizes.slice(-5);
      queued = Math.max(0, queued - gone) + sizes.slice(0, -5).reduce((sum, count) => sum + count, 0);
      return { name: queue, queued, running, scheduled, dead, done, cancelled };
    });
  }
}

/**
 * The 10 arguments of one task, in the order that the scripts read them: id, message, the packed fields of its record
 * that do not change, 1 where it keeps one, the packed message where that stands in the record, how long it waits,
 * stream, sorted set, unique key and how long that is held.
 */
export function enqueueArguments(request: EnqueueRequest): (string | number)[] {
  const { id, type, queue, priority, message, unique } = request;
  const [delayMs, retentionMs] = [Math.round(request.delayMs ?? 0), Math.round(request.retentionMs)];
  const key = unique ? uniqueKey(queue, unique.key) : "";
  const ttlMs = Math.round(unique?.ttlMs ?? 0);
  const facts = packFacts({ retentionMs, priority, queue, type });
  const held = key === "" ? "" : packField(ttlMs > 0 ? FIELD_LETTERS.unique_for_a_time : FIELD_LETTERS.unique, key);
  return [
    ...[id, message, facts + held, retentionMs > 0 ? 1 : "", delayMs > 0 ? packMessage(id, type, message) : ""],
    ...[delayMs, streamKey(queue, priority), scheduledKey(queue), key, ttlMs],
  ];
}
