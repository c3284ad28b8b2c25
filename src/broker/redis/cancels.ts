import type { CancelReceipt } from "../broker.ts";
import type { RedisConnections } from "./connection/connections.ts";
import type { Doubt } from "./connection/doubt.ts";
import { inChunks } from "./connection/in-flight.ts";
import { CANCEL_CHANNEL, CANCELLED_KEY, cancelFlagKey, DOUBT, ORDER_NEWS, waitingCancelledKey } from "./keys.ts";
import type { RedisFinder } from "./looks/finder.ts";
import { cancelTasks, type WaitingPlace } from "./scripts/cancel.ts";
import { forgetTaken, forgetUntil } from "./scripts/forget.ts";

/** How many flags one MGET asks for. */
const CHUNK = 500;
/** How many tasks one script cancels: about 2 ms. */
const CANCEL_CHUNK = 100;
/** How many are looked for at once that have no record. */
const FIND_CHUNK = 1_000;
/** How many marks one call forgets, and how many such calls one clean-up makes for a set. */
const FORGET_CHUNK = 1_000;
const FORGET_CALLS = 100;

/** What the records of those say that were cancelled from outside. */
export const REASON = "cancelled by a client";

export class RedisCancels {
  readonly #connections: RedisConnections;
  readonly #listeners = new Set<(ids: readonly string[]) => void>();
  readonly #onOrder = new Set<(name: string) => void>();
  readonly #now: () => number;
  readonly #doubt: Doubt;
  readonly #finder: Pick<RedisFinder, "find">;

  constructor(connections: RedisConnections, now: () => number, doubt: Doubt, finder: Pick<RedisFinder, "find">) {
    this.#connections = connections;
    this.#now = now;
    this.#doubt = doubt;
    this.#finder = finder;
    connections.subscriber.on("message", (_channel: string, text: string) => {
      if (text === DOUBT) this.#doubt.begin();
      if (text.startsWith(ORDER_NEWS)) for (const told of this.#onOrder) told(text.slice(ORDER_NEWS.length));
      const ids = readIds(text);
      if (ids.length > 0) for (const listener of this.#listeners) listener(ids);
    });
  }

  /** Subscribes to the push, and again after each reconnect. */
  async subscribe(): Promise<void> {
    await this.#connections.subscribe(CANCEL_CHANNEL);
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The listener is told for whom an order was left, in the same channel. */
  onOrder(listener: (name: string) => void): () => void {
    this.#onOrder.add(listener);
    return () => this.#onOrder.delete(listener);
  }

  async cancel(ids: readonly string[], reason: string): Promise<CancelReceipt[]> {
    const receipts = await inChunks(ids, CANCEL_CHUNK, (chunk) =>
      this.#connections.run((redis) => cancelTasks(redis, chunk, reason)),
    );
    await this.push(receipts.filter(({ state }) => state === null || state === "running").map(({ id }) => id));
    return receipts.some(({ state }) => state === null) ? this.#cancelUnrecorded(receipts, reason) : receipts;
  }

  /** Those without a record have their flags by now; where they stand in a stream, they are cancelled there. */
  async #cancelUnrecorded(receipts: readonly CancelReceipt[], reason: string): Promise<CancelReceipt[]> {
    const states = new Map<string, CancelReceipt["state"]>();
    const unknown = receipts.filter(({ state }) => state === null).map(({ id }) => id);
    const waiting = new Map<string, WaitingPlace>();
    for (let from = 0; from < unknown.length; from += FIND_CHUNK) {
      const { places } = await this.#finder.find(unknown.slice(from, from + FIND_CHUNK));
      for (const { id, holder, stream, entry, type } of places.values()) {
        if (holder === null) waiting.set(id, { queue: stream.queue, priority: stream.priority, entry, type });
        else states.set(id, "running");
      }
    }
    const cancelled = await inChunks([...waiting.keys()], CANCEL_CHUNK, (chunk) =>
      this.#connections.run((redis) => cancelTasks(redis, chunk, reason, (id) => waiting.get(id))),
    );
    for (const { id, state } of cancelled) states.set(id, state);
    return receipts.map(({ id, state }) => ({ id, state: state ?? states.get(id) ?? null }));
  }

  /** Tells the executors of flagged tasks that one of them may run. */
  async push(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#connections.run((redis) => redis.publish(CANCEL_CHANNEL, JSON.stringify(ids)));
  }

  async flagged(ids: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (let at = 0; at < ids.length; at += CHUNK) {
      const chunk = ids.slice(at, at + CHUNK);
      const flags = await this.#connections.run((redis) => redis.mget(chunk.map(cancelFlagKey)));
      for (const [index, id] of chunk.entries()) if (flags[index]) found.push(id);
    }
    return found;
  }

  /** Forgets marks whose time is over; bounded, and no call holds Redis for long. */
  async forgetOld(queues: readonly string[]): Promise<void> {
    for (const queue of queues) await this.#connections.run((redis) => forgetTaken(redis, queue, FORGET_CHUNK));
    const now = Math.floor(this.#now());
    for (const key of [CANCELLED_KEY, ...queues.map(waitingCancelledKey)]) {
      for (let call = 0; call < FORGET_CALLS; call++) {
        const forgotten = await this.#connections.run((redis) => forgetUntil(redis, key, now, FORGET_CHUNK));
        if (forgotten < FORGET_CHUNK) break;
      }
    }
  }
}

function readIds(text: string): string[] {
  try {
    const ids: unknown = JSON.parse(text);
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}
