/**
 * Leases on stream entries. A lease is the entry's idle time in Redis: the owner renews by claiming its own entries
 * again, and whoever finds one idle past the lease may take it over. Before an entry is taken it must have been seen
 * expired under the same owner in two looks, `SECOND_LOOK_MS` apart: commands that a stalled Redis or a slow network
 * still holds reach their end first. An owner that is not one of ours (it cannot renew) must also have stopped beating.
 */
import type { Redis } from "ioredis";
import { MOVES } from "../../../task/state.ts";
import type { Delivery } from "../../broker.ts";
import { stampLease } from "../../lease-stamp.ts";
import { execute, type RedisConnections } from "../connection/connections.ts";
import { type PendingEntry, readEntries, readPending } from "../connection/replies.ts";
import type { RedisFleet } from "../fleet.ts";
import { GROUP } from "../keys.ts";
import { readHeads } from "../records/read-records.ts";
import { recoverEntries } from "../scripts/recover.ts";
import { renewEntries } from "../scripts/renew.ts";
import type { StreamName } from "../streams.ts";
import type { RedisClaims } from "./claims.ts";
import { byStream, idOf, type RedisDelivery } from "./delivery.ts";
import { ALL_MAY_BE } from "./marks.ts";
import { entriesLeft } from "./void-entries.ts";

/** How far apart the two looks are at least, in ms. */
const SECOND_LOOK_MS = 750;
/** How many entries one script call may touch. */
const CHUNK = 200;
/** How many pending entries are looked at in one go, and how many times that in one look. */
const PAGE = 500;
const PAGES = 10;
/** So many expired entries are remembered until the second look. */
const MOST_SUSPECTS = 1_000;

/** An entry that is taken over if its lease is still over at the second look. */
interface Suspect {
  readonly stream: StreamName;
  readonly entry: string;
  readonly owner: string;
  /** When it was seen, on the monotonic clock. */
  readonly since: number;
}

export class RedisLeases {
  readonly #connections: RedisConnections;
  readonly #executor: string;
  readonly #leaseMs: number;
  readonly #streams: readonly StreamName[];
  readonly #intake: RedisClaims;
  readonly #fleet: RedisFleet;
  /** Entries that were seen expired once, by stream and entry. */
  readonly #suspects = new Map<string, Suspect>();
  /** Where the next look goes on: with so many entries that are not to be taken, one look does not see all. */
  #next: { readonly stream: number; readonly from: string } = { stream: 0, from: "-" };

  constructor(parts: {
    readonly connections: RedisConnections;
    readonly executor: string;
    readonly leaseMs: number;
    readonly streams: readonly StreamName[];
    readonly intake: RedisClaims;
    readonly fleet: RedisFleet;
  }) {
    this.#connections = parts.connections;
    this.#executor = parts.executor;
    this.#leaseMs = parts.leaseMs;
    this.#streams = parts.streams;
    this.#intake = parts.intake;
    this.#fleet = parts.fleet;
  }

  async renew(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    const lost: Delivery[] = [];
    for (const [stream, all] of byStream(deliveries)) {
      for (let at = 0; at < all.length; at += CHUNK) {
        const chunk = all.slice(at, at + CHUNK);
        const stamp = stampLease();
        const ids = chunk.map(({ entry }) => entry);
        const owner = { stream, executor: this.#executor, isDoubtful: this.#intake.isDoubtful };
        const { taken, gone, isGroupGone } = await this.#connections.run((redis) => renewEntries(redis, owner, ids));
        // Made anew at once: where every slot is taken, nobody claims, and nobody else would meet with it.
        if (isGroupGone) await this.#intake.renewGroups();
        const ended = new Set(await this.#ended(chunk.filter(({ entry }) => gone.has(entry))));
        for (const delivery of chunk) {
          if (taken.has(delivery.entry) || ended.has(delivery)) lost.push(delivery);
          else delivery.lease = stamp;
        }
      }
    }
    return lost;
  }

  /**
   * Of deliveries whose entry is gone those that somebody has ended. The record of any other still names its entry:
   * that was deleted by hand, and nobody but us has it.
   */
  async #ended(deliveries: readonly RedisDelivery[]): Promise<RedisDelivery[]> {
    if (deliveries.length === 0) return [];
    const ids = deliveries.map((delivery) => idOf(delivery) ?? "");
    const records = await readHeads(this.#connections, ids);
    return deliveries.filter(({ entry }, index) => {
      const { state, entry: there } = records[index] ?? {};
      return state !== MOVES.release.to || there !== entry;
    });
  }

  async recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]> {
    const found: Delivery[] = [];
    for (const stream of this.#streams) {
      let from = "-";
      while (found.length < max) {
        const page = await this.#pending(stream.key, ["-", from, PAGE, this.#executor]);
        const strays = page.filter(({ entry }) => !known.has(`${stream.key}|${entry}`)).slice(0, max - found.length);
        found.push(...(await this.#takeOwn(stream, strays)));
        const last = page.at(-1);
        if (page.length < PAGE || last === undefined) break;
        from = `(${last.entry}`;
      }
    }
    return found;
  }

  async reclaim(max: number): Promise<Delivery[]> {
    const found: Delivery[] = [];
    for (const [stream, ripe] of Map.groupBy(await this.#stillExpired(), ([suspect]) => suspect.stream)) {
      const some = ripe.slice(0, max - found.length);
      for (const [{ entry }] of some) this.#suspects.delete(nameOf(stream, entry));
      found.push(
        ...(await this.#takeOver(
          stream,
          some.map(([, pending]) => pending),
        )),
      );
    }
    await this.#lookOn();
    return found;
  }

  /** The second look, at all that may be taken then; what is not expired any more is no suspect. */
  async #stillExpired(): Promise<(readonly [Suspect, PendingEntry])[]> {
    const now = performance.now();
    const ripe = [...this.#suspects.values()].filter(({ since }) => now - since >= SECOND_LOOK_MS);
    if (ripe.length === 0) return [];
    const replies = await this.#connections.run(async (redis) => {
      const pipeline = redis.pipeline();
      for (const { stream, entry } of ripe)
        pipeline.call("XPENDING", stream.key, GROUP, "IDLE", this.#leaseMs, entry, entry, 1);
      return (await execute(pipeline)).map(([error, reply]) => {
        if (error !== null) throw error;
        return readPending(reply)[0];
      });
    });
    const expired: (readonly [Suspect, PendingEntry])[] = [];
    for (const [index, suspect] of ripe.entries()) {
      const pending = replies[index];
      if (pending?.consumer === suspect.owner && (await this.#mayTake(pending))) expired.push([suspect, pending]);
      else this.#suspects.delete(nameOf(suspect.stream, suspect.entry));
    }
    return expired;
  }

  /** The first look: at a bounded number of entries, on from where the last one ended, and round again. */
  async #lookOn(): Promise<void> {
    let looked = 0;
    for (let page = 0; page < PAGES && looked < this.#streams.length; page++) {
      const at = this.#next.stream % this.#streams.length;
      const stream = this.#streams[at];
      if (stream === undefined || this.#suspects.size >= MOST_SUSPECTS) return;
      const expired = await this.#pending(stream.key, ["IDLE", this.#next.from, PAGE]);
      for (const pending of expired) {
        const name = nameOf(stream, pending.entry);
        if (this.#suspects.get(name)?.owner === pending.consumer || !(await this.#mayTake(pending))) continue;
        const { entry, consumer: owner } = pending;
        this.#suspects.set(name, { stream, entry, owner, since: performance.now() });
      }
      const last = expired.at(-1);
      const isAtEnd = expired.length < PAGE || last === undefined;
      this.#next = isAtEnd ? { stream: at + 1, from: "-" } : { stream: at, from: `(${last.entry}` };
      if (isAtEnd) looked++;
    }
  }

  async #mayTake(pending: PendingEntry): Promise<boolean> {
    const owner = await this.#fleet.ownerOf(pending.consumer);
    if (owner.leaseMs !== null) return pending.idleMs > Math.max(owner.leaseMs, this.#leaseMs);
    return pending.idleMs > this.#leaseMs && owner.lapsed;
  }

  /** XCLAIM is atomic by its least idle time: of two executors that try, one gets the entry. */
  #takeOver(stream: StreamName, entries: readonly PendingEntry[]): Promise<RedisDelivery[]> {
    return this.#take(stream, entries, (redis, ids) =>
      redis.call("XCLAIM", stream.key, GROUP, this.#executor, this.#leaseMs, ...ids),
    );
  }

  async #takeOwn(stream: StreamName, entries: readonly PendingEntry[]): Promise<RedisDelivery[]> {
    const taken: RedisDelivery[] = [];
    for (let at = 0; at < entries.length; at += CHUNK) {
      const chunk = entries.slice(at, at + CHUNK);
      taken.push(
        ...(await this.#take(stream, chunk, (redis, ids) =>
          recoverEntries(redis, { stream: stream.key, executor: this.#executor }, ids),
        )),
      );
    }
    return taken;
  }

  async #take(
    stream: StreamName,
    entries: readonly PendingEntry[],
    claim: (redis: Redis, ids: readonly string[]) => Promise<unknown>,
  ): Promise<RedisDelivery[]> {
    if (entries.length === 0) return [];
    const lease = stampLease();
    const before = new Map(entries.map(({ entry, deliveries }) => [entry, deliveries]));
    const reply = await this.#connections.run((redis) => claim(redis, [...before.keys()]));
    const deliveriesOf = (entry: string) => (before.get(entry) ?? 0) + 1;
    const entriesOfTasks = await entriesLeft(this.#connections, stream.key, readEntries(reply));
    return this.#intake.deliver(stream, entriesOfTasks, { lease, mayBeCancelled: ALL_MAY_BE, deliveriesOf });
  }

  async #pending(
    stream: string,
    query: readonly ["IDLE", string, number] | readonly ["-", string, number, string],
  ): Promise<PendingEntry[]> {
    const [kind, from, count, consumer] = query;
    const args =
      kind === "IDLE" ? ["IDLE", this.#leaseMs, from, "+", count] : [from, "+", count, consumer ?? this.#executor];
    return this.#connections.run(async (redis) => {
      return readPending(await redis.call("XPENDING", stream, GROUP, ...args));
    });
  }
}

function nameOf({ key }: StreamName, entry: string): string {
  return `${key}|${entry}`;
}
