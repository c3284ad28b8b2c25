/**
 * The short form of the soak: executors and Redis are killed at random for a minute at the most, nothing is lost, and
 * nothing is left behind that docs/bounds.md does not explain.
 * @long about 60 s
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, readOptions } from "../../scripts/soak/main.ts";
import { problemsOf, type SoakOptions, soak } from "../../scripts/soak/soak.ts";

/** On a slow machine most of it is what the many killed executors take to start again. */
const timeout = 600_000;
/** Shown with the result: the same seed plans the same tasks and kills. */
const SEED = Date.now() % 1_000_000;

async function isSound(options: SoakOptions): Promise<void> {
  const report = await soak(options, () => {});
  const text = describe(options, report);
  process.stderr.write(`${text}\n`);
  assert.deepEqual(problemsOf(report), [], text);
  assert.ok(report.deaths > 3, "hardly an executor died: this test showed nothing");
  assert.ok(report.fed.tasks.length > 500, "hardly a task was enqueued: this test showed nothing");
}

test("over Redis each of thousands of tasks ends once though executors and Redis are killed at random", {
  timeout,
}, async () => {
  await isSound({ tasks: 6_000, minutes: 0.75, seed: SEED, broker: "redis" });
});

test("over SQLite each of thousands of tasks ends once though executors are killed at random", {
  timeout,
}, async () => {
  await isSound({ tasks: 3_000, minutes: 0.4, seed: SEED, broker: "sqlite" });
});

test("the soak says which of its arguments is wrong", () => {
  assert.deepEqual(readOptions(["--tasks", "8000", "--minutes", "1", "--seed", "7"]), {
    ...{ tasks: 8_000, minutes: 1, seed: 7, broker: "redis" },
  });
  assert.throws(() => readOptions(["--tasks", "many"]), /--tasks must be a number from 1, got many/);
  assert.throws(() => readOptions(["--broker", "kafka"]), /--broker must be redis or sqlite, got kafka/);
});
