/**
 * Redis' clock, which is the fleet's: estimated from our own without a round trip. Ours may be set while we run, or
 * stand still while the machine sleeps; then the wall clock and the monotonic one part, and Redis is asked again.
 */
import type { RedisConnections } from "./connections.ts";

/** By how much they may part before that, in ms. */
const STEP_MS = 500;

/** An answer that took longer is slow, in ms; so often more Redis is asked then. */
const SLOW_MS = 20;
const MORE_ASKED = 4;

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

  /**
   * Asks Redis; half of the round trip is taken off. That is wrong by up to the other half where only one way was slow
   * (a reply that waits for the disk, for one), so a slow answer is not believed before others were asked for.
   */
  async read(): Promise<void> {
    const parted = wallLessMonotonic();
    let best = await this.#ask();
    for (let more = MORE_ASKED; best.tookMs > SLOW_MS && more > 0; more--) {
      const next = await this.#ask();
      if (next.tookMs < best.tookMs) best = next;
    }
    this.#offset = best.offset;
    this.#parted = parted;
  }

  async #ask(): Promise<{ readonly offset: number; readonly tookMs: number }> {
    const before = Date.now();
    const [seconds, micros] = await this.#connections.run((redis) => redis.time());
    const after = Date.now();
    const offset = Number(seconds) * 1000 + Number(micros) / 1000 - (before + after) / 2;
    return { offset, tookMs: after - before };
  }
}

function wallLessMonotonic(): number {
  return Date.now() - performance.now();
}
