/**
 * Sleeping: its length, its end by a signal, and that it leaves no timer and no listener behind.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";

test("sleep resolves after its time", async () => {
  const begun = performance.now();
  await runtime.sleep(30);
  // Timers may come up to a millisecond early.
  assert.ok(performance.now() - begun >= 29);
});

test("sleep of 0 resolves", async () => {
  await runtime.sleep(0);
});

test("sleep splits what is longer than the longest timer", async () => {
  const delays = await withTimersThatFireAtOnce(() => runtime.sleep(2 * (2 ** 31 - 1) + 5));
  assert.deepEqual(delays, [2 ** 31 - 1, 2 ** 31 - 1, 5]);
});

test("sleep rejects with the signal's reason as soon as it aborts", async () => {
  const stop = new AbortController();
  const reason = new Error("enough");
  const slept = runtime.sleep(Number.POSITIVE_INFINITY, stop.signal);
  stop.abort(reason);
  await assert.rejects(slept, reason);
});

test("sleep rejects at once when the signal has aborted before", async () => {
  await assert.rejects(runtime.sleep(60_000, AbortSignal.abort(new Error("too late"))), /too late/);
});

test("sleep takes its listener back, whether it ended or was aborted", async () => {
  const stop = new AbortController();
  const listening = countListeners(stop.signal);
  await runtime.sleep(1, stop.signal);
  assert.equal(listening(), 0);
  const slept = runtime.sleep(60_000, stop.signal);
  assert.equal(listening(), 1);
  await runtime.sleep(0, stop.signal);
  assert.equal(listening(), 1);
  stop.abort();
  await assert.rejects(slept);
});

test("sleep refuses a time that is none", async () => {
  await assert.rejects(runtime.sleep(-1), RangeError);
  await assert.rejects(runtime.sleep(Number.NaN), RangeError);
});

/** Tells the delays that sleep asked of setTimeout meanwhile; whoever else asks has real timers. */
async function withTimersThatFireAtOnce(use: () => Promise<void>): Promise<number[]> {
  const delays: number[] = [];
  const real = globalThis.setTimeout;
  const atOnce = (handler: () => void, ms: number) => {
    if (!/\/src\/runtime\/sleep\.ts/.test(new Error().stack ?? "")) return real(handler, ms);
    delays.push(ms);
    return real(handler, 0);
  };
  globalThis.setTimeout = atOnce as unknown as typeof setTimeout;
  try {
    await use();
  } finally {
    globalThis.setTimeout = real;
  }
  return delays;
}

function countListeners(signal: AbortSignal): () => number {
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    count += 1;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    count -= 1;
    removeEventListener.apply(signal, args);
  };
  return () => count;
}
