/**
 * Pauses, for the whole fleet and over restarts: a set that every claim asks for behind its entries. A paused queue's
 * streams are not read; a task of a paused type is parked by the executor that claimed it, until the type is resumed.
 */

import type { RefusedTask } from "../broker.ts";
import type { PauseTarget } from "../contract/admin.ts";
import type { RedisConnections } from "./connection/connections.ts";
import { PARKED_TYPES_KEY, PAUSED_KEY } from "./keys.ts";
import { unparkTasks } from "./scripts/unpark.ts";

/** How many parked tasks one call queues again. */
const UNPARK_CHUNK = 200;
/** How many such calls one round makes for a type. */
const UNPARK_CALLS = 10;

export class RedisPauses {
  readonly #connections: RedisConnections;
  #queues: ReadonlySet<string> = new Set();
  #types: ReadonlySet<string> = new Set();

  constructor(connections: RedisConnections) {
    this.#connections = connections;
  }

  isQueuePaused(queue: string): boolean {
    return this.#queues.has(queue);
  }

  /** Whether anything was paused when last looked. */
  get some(): boolean {
    return this.#queues.size + this.#types.size > 0;
  }

  isTypePaused(type: string): boolean {
    return this.#types.has(type);
  }

  /** Reads what is paused. Every claim does while there is anything of the kind. */
  async refresh(): Promise<void> {
    const targets = await this.list();
    this.#queues = namesOf(targets, "queue");
    this.#types = namesOf(targets, "type");
  }

  async pause({ kind, name }: PauseTarget): Promise<void> {
    await this.#connections.run((redis) => redis.sadd(PAUSED_KEY, `${kind}:${name}`));
    await this.refresh();
  }

  async resume({ kind, name }: PauseTarget): Promise<void> {
    await this.#connections.run((redis) => redis.srem(PAUSED_KEY, `${kind}:${name}`));
    await this.refresh();
    if (kind === "type") await this.unparkResumed();
  }

  async list(): Promise<PauseTarget[]> {
    const members = await this.#connections.run((redis) => redis.smembers(PAUSED_KEY));
    return members.sort().map(readTarget);
  }

  /** Queues parked tasks whose type is not paused any more; gives those that could not be queued. */
  async unparkResumed(): Promise<RefusedTask[]> {
    const types = await this.#connections.run((redis) => redis.smembers(PARKED_TYPES_KEY));
    const refused: RefusedTask[] = [];
    for (const name of types) refused.push(...(await this.#unpark(name)));
    return refused;
  }

  async #unpark(name: string): Promise<RefusedTask[]> {
    const refused: RefusedTask[] = [];
    for (let call = 0; call < UNPARK_CALLS; call++) {
      const some = await this.#connections.run((redis) => unparkTasks(redis, name, UNPARK_CHUNK));
      refused.push(...some.refused);
      if (some.moved < UNPARK_CHUNK) break;
    }
    return refused;
  }
}

function readTarget(member: string): PauseTarget {
  const kind = member.startsWith("type:") ? "type" : "queue";
  return { kind, name: member.slice(member.indexOf(":") + 1) };
}

function namesOf(targets: readonly PauseTarget[], kind: PauseTarget["kind"]): ReadonlySet<string> {
  return new Set(targets.filter((target) => target.kind === kind).map(({ name }) => name));
}
