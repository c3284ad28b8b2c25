/**
 * Changes to many as they are found, step by step: a script looks and changes in one go, and holds Redis for about
 * 2 ms. What it cannot judge by itself, as a message of another program, is read here and changed by its id.
 */
import { DEFAULT_TYPE } from "../../task/message/message-schema.ts";
import { MOVES, type TaskState } from "../../task/state.ts";
import type { ManyChanges, ManyFilter } from "../contract/many-changes.ts";
import { REASON, type RedisCancels } from "./cancels.ts";
import type { RedisConnections } from "./connection/connections.ts";
import { PARKED_PREFIX, PARKED_TYPES_KEY, parkedName } from "./keys.ts";
import { readListedMessage } from "./records/listed-message.ts";
import { type CancelledStep, cancelQueued, type QueuedStream } from "./scripts/cancel-queued.ts";
import { type RequeuedStep, requeueCancelled } from "./scripts/requeue-cancelled.ts";
import type { EntryPart } from "./scripts/scan.ts";
import { streamsOf } from "./streams.ts";

/** How many parked ones are cancelled in one step. */
const PARKED_STEP = 200;
const LIVING: readonly TaskState[] = MOVES.cancel.from;

export class RedisManyChanges implements ManyChanges {
  readonly #connections: RedisConnections;
  readonly #cancels: RedisCancels;
  readonly #queues: readonly string[];
  readonly #priorities: number;

  constructor(connections: RedisConnections, cancels: RedisCancels, queues: readonly string[], priorities: number) {
    this.#connections = connections;
    this.#cancels = cancels;
    this.#queues = queues;
    this.#priorities = priorities;
  }

  async *cancelQueued({ queue, type = "" }: ManyFilter): AsyncGenerator<number> {
    const queues = queue === undefined ? this.#queues : [queue];
    for (const { key, queue: name } of streamsOf(queues, this.#priorities)) {
      const stream = { key, queue: name, type, isDefaultType: type === DEFAULT_TYPE };
      let after: string | null = null;
      do {
        const from: string | null = after;
        const step: CancelledStep = await this.#connections.run((redis) => cancelQueued(redis, stream, from, REASON));
        await this.#cancels.push(step.flagged);
        const others = await this.#cancelOdd(stream, step.odd);
        const changed = step.cancelled + step.flagged.length + others;
        if (changed > 0) yield changed;
        after = step.next;
      } while (after !== null);
    }
    const parked = await this.#connections.run((redis) => redis.smembers(PARKED_TYPES_KEY));
    for (const name of parked.sort()) {
      if (queues.some((each) => isParkedOf(name, each, type))) yield* this.#cancelParked(PARKED_PREFIX + name);
    }
  }

  async *requeueCancelled({ queue, type = "" }: ManyFilter): AsyncGenerator<readonly string[]> {
    let before = 0;
    for (const name of queue === undefined ? this.#queues : [queue]) {
      let from: number | null = 0;
      do {
        const [at, until]: [number, number] = [from, before];
        const step: RequeuedStep = await this.#connections.run((redis) =>
          requeueCancelled(redis, { queue: name, type }, at, until),
        );
        if (step.queued.length > 0) yield step.queued;
        before = step.before;
        from = step.next;
      } while (from !== null);
    }
  }

  async #cancelOdd(stream: QueuedStream, parts: readonly EntryPart[]): Promise<number> {
    const ids: string[] = [];
    for (const part of parts) {
      const message = await readListedMessage(this.#connections, stream.key, part);
      if (message !== null && (stream.type === "" || message.type === stream.type)) ids.push(message.id);
    }
    return (await this.#cancel(ids)).changed;
  }

  async *#cancelParked(key: string): AsyncGenerator<number> {
    let from = 0;
    for (;;) {
      const [first, last] = [from, from + PARKED_STEP - 1];
      const ids = await this.#connections.run((redis) => redis.zrange(key, String(first), String(last)));
      const { changed, moved } = await this.#cancel(ids);
      if (changed > 0) yield changed;
      if (ids.length < PARKED_STEP) return;
      from += ids.length - moved;
    }
  }

  /** @returns how many of them lived, or are not known; and how many of those waited, and wait no more. */
  async #cancel(ids: readonly string[]): Promise<{ readonly changed: number; readonly moved: number }> {
    if (ids.length === 0) return { changed: 0, moved: 0 };
    const states = (await this.#cancels.cancel(ids, REASON)).map(({ state }) => state);
    const living = states.filter((state) => state !== null && LIVING.includes(state));
    const changed = living.length + states.filter((state) => state === null).length;
    return { changed, moved: living.filter((state) => state !== "running").length };
  }
}

/** @param type - "": any. */
function isParkedOf(name: string, queue: string, type: string): boolean {
  return type === "" ? name.startsWith(parkedName(queue, "")) : name === parkedName(queue, type);
}
