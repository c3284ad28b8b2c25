/**
 * Memory is flat over many tasks. The long form, over a million, is scripts/memory-soak.ts.
 * @alone It measures what an executor takes of memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { growthOf, MOST_GROWTH, soak } from "../../scripts/memory-soak.ts";

test("nor does one whose tasks run in a runner, nor that runner", { timeout: 240_000 }, async () => {
  const samples = (await soak(200_000, "in a runner")).filter(({ done }) => done >= 50_000);
  const told = samples.map(({ done, rssBytes, runnersBytes }) => `${done}: ${rssBytes}, ${runnersBytes}`).join("; ");
  assert.ok(growthOf(samples) <= MOST_GROWTH, told);
  assert.ok(growthOf(samples, ({ runnersBytes }) => runnersBytes) <= MOST_GROWTH, told);
});

test("an executor takes no more memory after 200 000 tasks than after 50 000", { timeout: 120_000 }, async () => {
  // The first 50 000 warm it up: code is compiled, the heap finds its size.
  const samples = (await soak(200_000)).filter(({ done }) => done >= 50_000);
  const told = samples.map(({ done, rssBytes }) => `${done}: ${(rssBytes / 1024 / 1024).toFixed(1)} MB`).join(", ");
  assert.equal(samples.at(-1)?.done, 200_000);
  assert.ok(growthOf(samples) <= MOST_GROWTH, told);
});
