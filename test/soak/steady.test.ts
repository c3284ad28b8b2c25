/** The long soak tells what grows from what does not, and fails for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { flatnessOf } from "../../scripts/soak/steady/flat.ts";
import { describeSteady, isSteady, readSteadyOptions } from "../../scripts/soak/steady/main.ts";
import { steady } from "../../scripts/soak/steady/steady.ts";

const TEN_PERCENT = { part: 0.1, least: 0 };

function series(of: (at: number) => number): number[] {
  return Array.from({ length: 300 }, (_, at) => of(at));
}

test("what stays where it is, falls, or goes up and down is flat", () => {
  assert.equal(
    flatnessOf(
      series(() => 100),
      TEN_PERCENT,
    ).isFlat,
    true,
  );
  assert.equal(
    flatnessOf(
      series((at) => 100 - at / 10),
      TEN_PERCENT,
    ).isFlat,
    true,
  );
  assert.equal(
    flatnessOf(
      series((at) => 100 + (at % 17) * 4),
      TEN_PERCENT,
    ).isFlat,
    true,
  );
});

test("a single peak is no growth", () => {
  assert.equal(
    flatnessOf(
      series((at) => (at > 140 && at < 150 ? 1_000 : 100)),
      TEN_PERCENT,
    ).isFlat,
    true,
  );
});

test("what grows steadily is not flat, nor what jumps and stays, nor what grows in saw teeth", () => {
  assert.equal(
    flatnessOf(
      series((at) => 100 + at / 15),
      TEN_PERCENT,
    ).isFlat,
    false,
  );
  assert.equal(
    flatnessOf(
      series((at) => (at < 200 ? 100 : 130)),
      TEN_PERCENT,
    ).isFlat,
    false,
  );
  assert.equal(
    flatnessOf(
      series((at) => 100 + at / 15 + (at % 17) * 4),
      TEN_PERCENT,
    ).isFlat,
    false,
  );
});

test("a growth within what is allowed as an amount is flat", () => {
  const growing = series((at) => 10 + at / 100);
  assert.equal(flatnessOf(growing, { part: 0.1, least: 0 }).isFlat, false);
  assert.equal(flatnessOf(growing, { part: 0.1, least: 5 }).isFlat, true);
});

test("too few readings show nothing", () => {
  assert.throws(() => flatnessOf([1, 2, 3], TEN_PERCENT), RangeError);
});

test("the long soak is an hour at 5 000 tasks a second over both brokers, and says which argument is wrong", () => {
  assert.equal(isSteady(["--minutes", "10"]), false);
  assert.equal(isSteady(["--hour"]), true);
  const [redis, sqlite] = readSteadyOptions(["--hour", "--seed", "7"]);
  assert.deepEqual(redis, { broker: "redis", rate: 5_000, seconds: 3_600, warmUpSeconds: 600, seed: 7 });
  assert.equal(sqlite?.broker, "sqlite");
  assert.equal(readSteadyOptions(["--rate", "100", "--minutes", "6", "--broker", "redis"])[0]?.warmUpSeconds, 120);
  assert.throws(() => readSteadyOptions(["--hour", "--minutes", "3"]), /cannot be given together/);
  assert.throws(() => readSteadyOptions(["--rate", "many"]), /--rate must be a number from 1, got many/);
  assert.throws(
    () => readSteadyOptions(["--rate", "5", "--broker", "kafka"]),
    /--broker must be redis, sqlite or both/,
  );
  assert.throws(() => readSteadyOptions(["--rate", "5", "--minutes", "1", "--warm-up", "1"]), /leaves nothing/);
});

// What grows in half a minute is no leak: that all is read, drained and explained is what is shown here.
for (const broker of ["redis", "sqlite"] as const) {
  test(`over ${broker} mixed tasks at a small rate all end, and what is left is explained`, {
    timeout: 600_000,
  }, async () => {
    const options = { broker, rate: 200, seconds: 25, warmUpSeconds: 5, seed: 11 };
    const report = await steady(options, () => {});
    const text = describeSteady(report);
    assert.deepEqual(report.account.problems, [], text);
    assert.ok(report.enqueued > 2_000, text);
    assert.ok(report.ended > report.enqueued * 0.95, text);
    assert.deepEqual(
      report.judged.map(({ name }) => name.split(": ")[1]),
      [...(broker === "redis" ? ["used memory", "keys"] : ["file", "log"])].concat(
        ...["executor 1", "executor 2"].map((name) => [name, name]),
      ),
    );
  });
}
