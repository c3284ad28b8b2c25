/**
 * Redis' clock, which is the fleet's: estimated from our own without a round trip. Ours may be set while we run, or stand
 * still while the machine sleeps; then the wall clock and the monotonic one part, and Redis is asked again.
 */
import type { RedisConnections } from "./connections.ts";

/** By how much they may part before that, in ms. */
const STEP_MS = 500;

export class RedisClock {
  readonly #connections: Pick<RedisConnections, "run">;
  /** Redis' clock less ours, in ms. */
  #offset = 0;
  /** The wall clock less the monotonic one when Redis was asked last. */
  #parted = wallLessMonotonic();

  constructor(connections: Pick<RedisConnections, "run">) {
    this.#connections = connections;
  }

  /** Unix ms. */
  now(): number {
    return Date.now() + this.#offset;
  }

  /** Whether one of our clocks has jumped since Redis was asked. */
  get hasStepped(): boolean {
    return Math.abs(wallLessMonotonic() - this.#parted) > STEP_MS;
  }

  /** Asks Redis; half of the round trip is taken off. */
  async read(): Promise<void> {
    const parted = wallLessMonotonic();
    const before = Date.now();
    const [seconds, micros] = await this.#connections.run((redis) => redis.time());
    const after = Date.now();
    this.#offset = Number(seconds) * 1000 + Number(micros) / 1000 - (before + after) / 2;
    this.#parted = parted;
  }
}

function wallLessMonotonic(): number {
  return Date.now() - performance.now();
}
