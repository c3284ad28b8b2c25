/**
 * The executors of the fleet as the wire contract has them: the set TASKEXE, a sorted set of beats a name, and the
 * clean-up lock. Every beat registers again, so that an executor expelled by somebody else comes back by itself.
 */
import type { FleetMember } from "../broker.ts";
import { execute, type RedisConnections } from "./connections.ts";
import { BEAT, EXPEL, LEAVE } from "./fleet-scripts.ts";
import { EXECUTORS_KEY, LOCK_KEY } from "./keys.ts";
import { runScript } from "./lua.ts";
import { callScript } from "./scripts.ts";

/** Beats older than this are removed, in seconds. */
const BEATS_KEPT_S = 1_800;
const LOCK_S = 60;
/** How long what is known of an owner is believed, in ms. */
const OWNER_CACHE_MS = 1_000;
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
  /** The last beat that was not due, which the next one takes the place of. */
  #passing: string | null = null;

  constructor(connections: RedisConnections, executor: string, timeoutMs: number, now: () => number) {
    this.#connections = connections;
    this.#executor = executor;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  async beat(json: string, isDue = true): Promise<void> {
    const now = this.#timeOfBeat() / 1000;
    const name = this.#executor;
    const [at, oldest, passing] = [now.toFixed(3), (now - BEATS_KEPT_S).toFixed(3), this.#passing ?? ""];
    await this.#connections.run((redis) =>
      runScript(redis, BEAT, EXECUTORS_KEY, name, name, at, json, oldest, passing),
    );
    this.#passing = isDue ? null : json;
  }

  async leave(json: string): Promise<void> {
    const now = this.#timeOfBeat() / 1000;
    const name = this.#executor;
    await this.#connections.run((redis) =>
      runScript(redis, LEAVE, EXECUTORS_KEY, name, name, now.toFixed(3), json, BEATS_KEPT_S, this.#passing ?? ""),
    );
  }

  /** A later beat must sort behind an earlier one, though the estimate of the clock trembles by a millisecond. */
  #timeOfBeat(): number {
    const now = this.#now();
    const trembles = Math.abs(now - this.#lastBeat) < CLOCK_TREMBLES_MS && now < this.#lastBeat + 1;
    this.#lastBeat = trembles ? this.#lastBeat + 1 : now;
    return this.#lastBeat;
  }

  async members(): Promise<FleetMember[]> {
    return this.#connections.run(async (redis) => {
      const names = (await redis.smembers(EXECUTORS_KEY)).sort();
      const pipeline = redis.pipeline();
      for (const name of names) pipeline.zrevrange(name, 0, 0, "WITHSCORES");
      const replies = await execute(pipeline);
      return names.map((name, index) => memberOf(name, replies[index]?.[1]));
    });
  }

  async lastBeat(name: string): Promise<FleetMember> {
    return this.#connections.run(async (redis) => {
      const [reply] = await execute(redis.pipeline().zrevrange(name, 0, 0, "WITHSCORES"));
      return memberOf(name, reply?.[1]);
    });
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
    const leaseMs = member.beat?.lease_ms;
    const lapsed = member.at === null || this.#now() - member.at > this.#timeoutMs;
    const owner = { leaseMs: typeof leaseMs === "number" && leaseMs > 0 ? leaseMs : null, lapsed };
    this.#owners.set(name, owner);
    return owner;
  }

  async lock(): Promise<boolean> {
    return this.#connections.run(
      async (redis) => (await redis.set(LOCK_KEY, this.#executor, "EX", LOCK_S, "NX")) === "OK",
    );
  }

  async unlock(): Promise<void> {
    await this.#connections.run((redis) => callScript(redis, "taskexeUnlock", LOCK_KEY, this.#executor));
  }

  /** Removes the names whose last beat is older than the timeout, with their beats. Ours is never among them. */
  async expel(): Promise<string[]> {
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

/** One member of the fleet out of `ZREVRANGE name 0 0 WITHSCORES`; a key of another type counts as no beat. */
function memberOf(name: string, reply: unknown): FleetMember {
  const [json, score]: unknown[] = Array.isArray(reply) ? reply.flat() : [];
  if (json === undefined) return { name, at: null, beat: null };
  let beat: unknown = null;
  try {
    beat = JSON.parse(String(json));
  } catch {
    // Not ours, or broken: the age still counts.
  }
  const readable = typeof beat === "object" && beat !== null && !Array.isArray(beat);
  return { name, at: Number(score) * 1000, beat: readable ? Object.fromEntries(Object.entries(beat as object)) : null };
}
