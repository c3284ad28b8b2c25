/** The estimate of Redis' clock, where its answers are slow on one way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import { RedisClock } from "../../src/broker/redis/clock.ts";

/** Redis with the right time, whose answers come so many ms late, one after the other. */
function clockOf(...lateMs: readonly number[]): { readonly clock: RedisClock; asked: () => number } {
  let asked = 0;
  const time = async (): Promise<[number, number]> => {
    const now = Date.now();
    await pause(lateMs[asked++] ?? 0);
    return [Math.floor(now / 1_000), (now % 1_000) * 1_000];
  };
  const redis = { time } as unknown as Redis;
  return { clock: new RedisClock({ run: (command) => command(redis) }), asked: () => asked };
}

test("one answer that comes late does not put the clock wrong for good", async () => {
  const { clock, asked } = clockOf(400, 300);
  await clock.read();
  assert.ok(Math.abs(clock.now() - Date.now()) < 50, `it is wrong by ${clock.now() - Date.now()} ms`);
  assert.ok(asked() >= 3 && asked() <= 5, `${asked()} times asked`);
});

test("where every answer is slow the fastest counts, and there is an end of asking", async () => {
  const { clock, asked } = clockOf(200, 150, 60, 150, 200, 0);
  await clock.read();
  assert.equal(asked(), 5);
  assert.ok(Math.abs(clock.now() - Date.now()) < 100, `it is wrong by ${clock.now() - Date.now()} ms`);
});
