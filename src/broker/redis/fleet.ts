/**
 * The executors of the fleet as the wire contract has them: the set TASKEXE, a sorted set of beats a name, and the
 * clean-up lock. Every beat registers again, so that an executor expelled by somebody else comes back by itself.
 */
import type { Redis } from "ioredis";
import type { FleetMember, OnCancelled } from "../broker.ts";
import { MOST_ON_CANCELLED } from "../contract/fleet.ts";
import { readBeat } from "../contract/heartbeat.ts";
import { ORDER_MS } from "../contract/orders.ts";
import { BeatSeries, type Replaced, withoutTasks } from "../fleet-beats.ts";
import type { RedisConnections } from "./connection/connections.ts";
import {
  CANCEL_CHANNEL,
  EXECUTORS_KEY,
  EXPELLED_KEY,
  LOCK_KEY,
  ON_CANCELLED_KEY,
  ORDER_NEWS,
  orderKey,
} from "./keys.ts";
import { BEAT, EXPEL, LAST_BEATS, LEAVE, ONE_OF_THE_FLEET, TELL_ON_CANCELLED } from "./scripts/fleet.ts";
import { runScript } from "./scripts/lua.ts";
import { unlock } from "./scripts/unlock.ts";

/** Beats older than this are removed, in seconds. */
const BEATS_KEPT_S = 1_800;
const LOCK_S = 60;
/** How long what is known of an owner is believed, in ms. */
const OWNER_CACHE_MS = 1_000;
/** How many last beats one script call reads. */
const NAMES_AT_ONCE = 50;
/** How often the fleet is looked through for those that have gone, in ms: so often, or so often a timeout. */
const EXPEL_MS = 9_000;
const EXPELS_A_TIMEOUT = 10;
/** How far two estimates of the clock may be apart; what is more is a clock that was set. */
const CLOCK_TREMBLES_MS = 100;

/** What matters of the owner of a pending entry. */
export interface Owner {
  /** The lease it holds its entries under, in ms; null where it is not one of ours and never renews. */
  readonly leaseMs: number | null;
  /** True where its last beat is older than the heartbeat timeout, or it has none. */
  readonly lapsed: boolean;
}

export class RedisFleet {
  readonly #connections: RedisConnections;
  readonly #executor: string;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  #owners = new Map<string, Owner>();
  #ownersSince = 0;
  #lastBeat = 0;
  readonly #series = new BeatSeries();

  constructor(connections: RedisConnections, executor: string, timeoutMs: number, now: () => number) {
    this.#connections = connections;
    this.#executor = executor;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  async tellOnCancelled(told: readonly OnCancelled[]): Promise<void> {
    if (told.length === 0) return;
    await this.#connections.run((redis) =>
      runScript(
        redis,
        TELL_ON_CANCELLED,
        ON_CANCELLED_KEY,
        MOST_ON_CANCELLED,
        ...told.flatMap(({ type, follower }) => [type, follower ?? ""]),
      ),
    );
  }

  /** Gives the order that is there for it. */
  async beat(json: string, isDue = true, kept = json): Promise<string | null> {
    const now = this.#timeOfBeat();
    const name = this.#executor;
    const oldest = seconds(now - BEATS_KEPT_S * 1000);
    const replaced = this.#series.next({ json, at: now, kept: isDue ? kept : null }).flatMap(words);
    const order = await this.#connections.run((redis) =>
      runScript(redis, BEAT, EXECUTORS_KEY, name, orderKey(name), name, seconds(now), json, oldest, ...replaced),
    );
    this.#series.answered();
    return typeof order === "string" && order !== "" ? order : null;
  }

  async order(name: string, json: string): Promise<void> {
    await this.#connections.run(async (redis) => {
      await redis.set(orderKey(name), json, "PX", ORDER_MS);
      await redis.publish(CANCEL_CHANNEL, `${ORDER_NEWS}${name}`);
    });
  }

  async leave(json: string): Promise<void> {
    const at = seconds(this.#timeOfBeat());
    const name = this.#executor;
    const replaced = this.#series.last().flatMap(words);
    await this.#connections.run((redis) =>
      runScript(redis, LEAVE, EXECUTORS_KEY, name, name, at, json, BEATS_KEPT_S, ...replaced),
    );
  }

  /** A later beat must sort behind an earlier one, though the estimate of the clock trembles by a millisecond. */
  #timeOfBeat(): number {
    const now = this.#now();
    const trembles = Math.abs(now - this.#lastBeat) < CLOCK_TREMBLES_MS && now < this.#lastBeat + 1;
    this.#lastBeat = trembles ? this.#lastBeat + 1 : now;
    return this.#lastBeat;
  }

  /** Without the tasks that they run. */
  async members(): Promise<FleetMember[]> {
    return this.#connections.run(async (redis) => {
      const names = (await redis.smembers(EXECUTORS_KEY)).sort();
      const members: FleetMember[] = [];
      for (let at = 0; at < names.length; at += NAMES_AT_ONCE) {
        members.push(...(await lastBeats(redis, names.slice(at, at + NAMES_AT_ONCE), false)));
      }
      return members.map(withoutTasks);
    });
  }

  /** The longest lease that any executor of ours holds its entries under, in ms; 0: none is registered. */
  async longestLease(): Promise<number> {
    const leases = (await this.members()).map(({ beat }) => Number(beat?.lease_ms ?? 0));
    return Math.max(0, ...leases.filter(Number.isFinite));
  }

  /** One that is registered; null where none is of that name. */
  async member(name: string): Promise<FleetMember | null> {
    return this.#connections.run(async (redis) => {
      return (await redis.sismember(EXECUTORS_KEY, name)) === 1 ? this.lastBeat(name) : null;
    });
  }

  /** Also of one that is not registered. */
  async lastBeat(name: string): Promise<FleetMember> {
    const [member = { name, at: null, beat: null }] = await this.#connections.run((redis) =>
      lastBeats(redis, [name], true),
    );
    return member;
  }

  /** What is known of the owner of an entry; asked at most once a second for each name. */
  async ownerOf(name: string): Promise<Owner> {
    const age = performance.now() - this.#ownersSince;
    if (age > OWNER_CACHE_MS) {
      this.#owners = new Map();
      this.#ownersSince = performance.now();
    }
    const known = this.#owners.get(name);
    if (known) return known;
    const member = await this.lastBeat(name);
    const leaseMs = member.beat?.lease_ms ?? 0;
    const lapsed = member.at === null || this.#now() - member.at > this.#timeoutMs;
    const owner = { leaseMs: leaseMs > 0 ? leaseMs : null, lapsed };
    this.#owners.set(name, owner);
    return owner;
  }

  async lock(): Promise<boolean> {
    return this.#connections.run(
      async (redis) => (await redis.set(LOCK_KEY, this.#executor, "EX", LOCK_S, "NX")) === "OK",
    );
  }

  async unlock(): Promise<void> {
    await this.#connections.run((redis) => unlock(redis, this.#executor));
  }

  /**
   * Removes the names whose last beat is older than the timeout, with their beats. Ours is never among them. Each
   * executor cleans up, and one at a time looks through all: else a fleet would cost its square.
   */
  async expel(): Promise<string[]> {
    const everyMs = Math.min(EXPEL_MS, Math.ceil(this.#timeoutMs / EXPELS_A_TIMEOUT));
    const isOurs = await this.#connections.run((redis) => runScript(redis, ONE_OF_THE_FLEET, EXPELLED_KEY, everyMs));
    if (isOurs !== 1) return [];
    const now = this.#now();
    const stale = (await this.members()).filter(
      ({ name, at }) => name !== this.#executor && (at === null || now - at > this.#timeoutMs),
    );
    for (const { name } of stale) {
      await this.#connections.run((redis) => runScript(redis, EXPEL, EXECUTORS_KEY, name, name));
    }
    return stale.map(({ name }) => name);
  }
}

/** A key of another type counts as no beat. */
async function lastBeats(redis: Redis, names: readonly string[], withTasks: boolean): Promise<FleetMember[]> {
  const reply = await runScript(redis, LAST_BEATS, withTasks ? "" : "1", ...names);
  const flat: unknown[] = Array.isArray(reply) ? reply : [];
  return names.map((name, index) => {
    const [json = "", score = ""] = [flat[2 * index], flat[2 * index + 1]].map(String);
    return score === "" ? { name, at: null, beat: null } : { name, at: Number(score) * 1000, beat: readBeat(json) };
  });
}

/** A replaced beat as the scripts take it. */
function words({ json, at, kept }: Replaced): string[] {
  return [json, seconds(at), kept ?? ""];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
