/** The estimate of Redis' clock, where its answers are slow on one way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import { RedisClock } from "../../src/broker/redis/connection/clock.ts";

/** Redis with the right time, whose answers come so many ms late, one after the other. */
function clockOf(...lateMs: readonly number[]): { readonly clock: RedisClock; readonly tookMs: readonly number[] } {
  const tookMs: number[] = [];
  let asked = 0;
  const time = async (): Promise<[number, number]> => {
    const now = Date.now();
    await pause(lateMs[asked++] ?? 0);
    tookMs.push(Date.now() - now);
    return [Math.floor(now / 1_000), (now % 1_000) * 1_000];
  };
  const redis = { time } as unknown as Redis;
  return { clock: new RedisClock({ run: (command) => command(redis) }), tookMs };
}

/** It may be wrong by half of what the fastest answer took: a busy machine makes all of them late. */
function assertIsFastest(clock: RedisClock, tookMs: readonly number[]): void {
  const wrongMs = Math.abs(clock.now() - Date.now());
  assert.ok(wrongMs <= Math.min(...tookMs) / 2 + 10, `it is wrong by ${wrongMs} ms; the answers took ${tookMs} ms`);
}

test("one answer that comes late does not put the clock wrong for good", async () => {
  const { clock, tookMs } = clockOf(400, 300);
  await clock.read();
  assertIsFastest(clock, tookMs);
  assert.ok(tookMs.length >= 3 && tookMs.length <= 5, `${tookMs.length} times asked`);
});

test("where every answer is slow the fastest counts, and there is an end of asking", async () => {
  const { clock, tookMs } = clockOf(200, 150, 60, 150, 200, 0);
  await clock.read();
  assert.equal(tookMs.length, 5);
  assertIsFastest(clock, tookMs);
});
