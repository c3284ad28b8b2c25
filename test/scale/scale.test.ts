/**
 * The short form of the scale: calls cost in a large broker what they cost in a small one.
 * @alone It measures how long calls take.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, type ScaleOptions, scale } from "../../scripts/soak/scale.ts";

const timeout = 600_000;
/** What is slow is so each time; what the machine did is not. */
const MOST_TRIES = 3;

async function isNoSlower(options: ScaleOptions): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const report = await scale(options);
    const text = describe(report);
    process.stderr.write(`${text}\n`);
    if (report.problems.length === 0) return;
    if (tries === MOST_TRIES) assert.deepEqual(report.problems, [], text);
  }
}

test("over Redis no call is slower with 100 000 tasks than with 1 000, and none holds Redis for long", {
  timeout,
}, async () => {
  const sizes = { queued: 100_000, scheduled: 100_000, records: 20_000 };
  await isNoSlower({ broker: "redis", sizes, runs: 100 });
});

test("over SQLite no call is slower with 20 000 tasks than with 1 000", { timeout }, async () => {
  const sizes = { queued: 20_000, scheduled: 20_000, records: 4_000 };
  await isNoSlower({ broker: "sqlite", sizes, runs: 60 });
});
