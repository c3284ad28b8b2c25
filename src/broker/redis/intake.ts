/**
 * Takes new entries from the streams: one read over all priorities, urgent first. While there is work the read does not
 * block and travels with the completions; once one finds nothing, it blocks on a connection of its own. The read's
 * COUNT holds for each stream, so a reply can bring more than was asked for: the surplus is given out first by the next
 * claim, and handed back if none comes within `SURPLUS_MS`. Two claims may be under way at once: Redis then serves the
 * second while we work on the first.
 */
import { abortable, sleep } from "../../concurrency/index.ts";
import type { Delivery } from "../broker.ts";
import { type LeaseStamp, stampLease } from "../lease-stamp.ts";
import { CommandBatch } from "./command-batch.ts";
import { BLOCK_MS, type RedisConnections } from "./connections.ts";
import { RedisDelivery } from "./delivery.ts";
import { CANCELLED_KEY, GROUP, PAUSED_KEY, streamKey } from "./keys.ts";
import type { RedisPauses } from "./pauses.ts";
import type { Reply } from "./redis-line.ts";
import { type RawEntry, readStreams } from "./replies.ts";
import type { RedisWire } from "./wire.ts";

/** How long a surplus waits for the next claim, in ms. */
const SURPLUS_MS = 1_000;
/** How long a claim waits before it looks again while every queue is paused, in ms. */
const ALL_PAUSED_MS = 250;
/** The pause between two attempts to wake a blocked read, in ms. */
const UNBLOCK_PAUSE_MS = 10;
/** A signal that never aborts, for the little that must be finished after an abort. */
const NEVER = new AbortController().signal;

export interface StreamName {
  readonly key: string;
  readonly queue: string;
  readonly priority: number;
}

/** The streams of some queues, urgent first; queues in the given order within a priority. */
export function streamsOf(queues: readonly string[], priorities: number): StreamName[] {
  const streams: StreamName[] = [];
  for (let priority = priorities - 1; priority >= 0; priority--) {
    for (const queue of queues) streams.push({ key: streamKey(queue, priority), queue, priority });
  }
  return streams;
}

/** What holds for all entries of one reply. */
export interface DeliveryFacts {
  readonly lease: LeaseStamp;
  readonly mayBeCancelled: boolean;
  deliveriesOf(entry: string): number;
}

export class RedisIntake {
  readonly #connections: RedisConnections;
  readonly #wire: RedisWire;
  readonly #executor: string;
  readonly #streams: readonly StreamName[];
  readonly #byKey: ReadonlyMap<string, StreamName>;
  readonly #pauses: RedisPauses;
  /** Entries of a queue that was paused while the read was under way: to be handed back. */
  #unwanted: RedisDelivery[] = [];
  #surplus: RedisDelivery[] = [];
  #surplusSince = 0;
  /** Whether the last read found something. */
  #busy = true;

  constructor(
    connections: RedisConnections,
    wire: RedisWire,
    executor: string,
    streams: readonly StreamName[],
    pauses: RedisPauses,
  ) {
    this.#connections = connections;
    this.#wire = wire;
    this.#executor = executor;
    this.#streams = streams;
    this.#byKey = new Map(streams.map((stream) => [stream.key, stream]));
    this.#pauses = pauses;
  }

  /** Creates the groups that do not exist yet, from the first entry on. */
  async createGroups(): Promise<void> {
    await this.#connections.run(async (redis) => {
      for (const { key } of this.#streams) {
        try {
          await redis.xgroup("CREATE", key, GROUP, "0", "MKSTREAM");
        } catch (error) {
          if (!(error instanceof Error && error.message.startsWith("BUSYGROUP"))) throw error;
        }
      }
    });
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    signal.throwIfAborted();
    if (this.#surplus.length > 0) return this.#surplus.splice(0, max);
    const taken = await this.#take(max, signal);
    if (taken.length <= max) return taken;
    this.#surplusSince = performance.now();
    this.#surplus.push(...taken.splice(max));
    return taken;
  }

  /** The surplus that no claim came for in time, or all of it: to be handed back by the caller. */
  takeSurplus(all: boolean): RedisDelivery[] {
    const unwanted = this.#unwanted.splice(0);
    if (this.#surplus.length === 0 || (!all && performance.now() - this.#surplusSince < SURPLUS_MS)) return unwanted;
    return [...unwanted, ...this.#surplus.splice(0)];
  }

  /** Whether something waits that must be handed back at once. */
  get hasUnwanted(): boolean {
    return this.#unwanted.length > 0;
  }

  /** Makes delivery objects of claimed entries; entries that were deleted meanwhile are left out. */
  deliver(stream: StreamName, entries: readonly RawEntry[], facts: DeliveryFacts): RedisDelivery[] {
    const deliveries: RedisDelivery[] = [];
    for (const [entry, fields] of entries) {
      if (fields === null) continue;
      deliveries.push(
        new RedisDelivery({
          queue: stream.queue,
          priority: stream.priority,
          stream: stream.key,
          entry,
          fields,
          deliveries: facts.deliveriesOf(entry),
          mayBeCancelled: facts.mayBeCancelled,
          lease: facts.lease,
        }),
      );
    }
    return deliveries;
  }

  async #take(max: number, signal: AbortSignal): Promise<RedisDelivery[]> {
    const { reader } = this.#connections;
    if (!reader.isOpen) await reader.opened(signal);
    const keys = this.#streams.filter(({ queue }) => !this.#pauses.isQueuePaused(queue)).map(({ key }) => key);
    if (keys.length === 0) {
      await sleep(ALL_PAUSED_MS, signal);
      await this.#pauses.refresh();
      return [];
    }
    if (this.#busy) {
      const taken = await this.#poll(max, keys);
      if (signal.aborted) {
        this.#surplus.push(...taken);
        throw signal.reason;
      }
      if (taken.length > 0) return taken;
      this.#busy = false;
    }
    const reading = this.#block(max, keys);
    try {
      const taken = await abortable(reading, signal);
      this.#busy = taken.length > 0;
      return taken;
    } catch (error) {
      if (!signal.aborted) throw this.#connections.translate(error);
      await this.#endRead(reading);
      throw signal.reason;
    }
  }

  async #poll(max: number, keys: readonly string[]): Promise<RedisDelivery[]> {
    const lease = stampLease();
    const replies = await this.#wire.send((batch) => this.#ask(batch, max, [], keys));
    return this.#read(replies, lease);
  }

  async #block(max: number, keys: readonly string[]): Promise<RedisDelivery[]> {
    const lease = stampLease();
    const batch = new CommandBatch();
    this.#ask(batch, max, ["BLOCK", BLOCK_MS], keys);
    return this.#read(await this.#connections.reader.send(batch), lease);
  }

  #ask(batch: CommandBatch, max: number, block: readonly (string | number)[], keys: readonly string[]): void {
    const streams = ["STREAMS", ...keys, ...keys.map(() => ">")];
    batch.add(["XREADGROUP", "GROUP", GROUP, this.#executor, "COUNT", max, ...block, ...streams]);
    // Asked behind the read, so that a cancel or a pause which came before these entries were taken is surely seen.
    batch.add(["EXISTS", CANCELLED_KEY, PAUSED_KEY]);
  }

  async #read(replies: readonly Reply[], lease: LeaseStamp): Promise<RedisDelivery[]> {
    const [error, reply] = replies[0] ?? [null, null];
    if (error !== null) {
      // Redis 7.0 says UNBLOCKED where the stream went away under a read that waited, later ones NOGROUP.
      if (!/^(NOGROUP|UNBLOCKED)\b/.test(error.message)) throw error;
      await this.createGroups();
      return [];
    }
    const somethingIs = Number(replies[1]?.[1] ?? 0) > 0;
    if (somethingIs || this.#pauses.some) await this.#pauses.refresh();
    const facts = { lease, mayBeCancelled: somethingIs, deliveriesOf: () => 1 };
    const taken: RedisDelivery[] = [];
    for (const [key, entries] of readStreams(reply)) {
      const stream = this.#byKey.get(String(key));
      if (!stream) continue;
      const into = this.#pauses.isQueuePaused(stream.queue) ? this.#unwanted : taken;
      into.push(...this.deliver(stream, entries, facts));
    }
    return taken;
  }

  /**
   * After an abort: wakes the blocked read and waits for what it brings. Entries that were on their way are ours by
   * then; they go into the surplus, which the caller hands back.
   */
  async #endRead(reading: Promise<RedisDelivery[]>): Promise<void> {
    let ended = false;
    const late = Promise.allSettled([reading]).then((results) => {
      ended = true;
      return results;
    });
    const { reader, commands } = this.#connections;
    while (!ended) {
      try {
        await commands.client("UNBLOCK", reader.id, "TIMEOUT");
      } catch {
        // Redis is away: the read fails by itself once its socket is closed.
        reader.reconnect();
      }
      if (!ended) await sleep(UNBLOCK_PAUSE_MS, NEVER);
    }
    for (const result of await late) if (result.status === "fulfilled") this.#surplus.push(...result.value);
  }
}
