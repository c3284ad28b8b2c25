/**
 * Generations of runners: a new one is in charge once it has said hello, the one before ends what runs in it and
 * leaves, and one that cannot be opened changes nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RunnerStartError } from "../../../src/runners/starts.ts";
import { until } from "../../stage/until.ts";
import { type Running, type Stand, withPool } from "../pool-stage.ts";

const SOON = { timeout: 30_000 };
const OWN = '[{"type":"x","isolation":"own"}]';

async function pidOf(run: Running): Promise<number> {
  const ending = await run.ending;
  assert.ok(ending !== "stopped" && ending.kind === "done", JSON.stringify(ending));
  return JSON.parse(ending.result ?? "").pid;
}

const generations = (stand: Stand): number[] => stand.view().runners.map(({ generation }) => generation);
const onlyOf = (stand: Stand, generation: number): Promise<unknown> =>
  until(`only generation ${generation} is left`, 10_000, () => generations(stand).every((one) => one === generation));

test("what runs ends where it began, what comes runs in the new generation, and the old one leaves", SOON, async () => {
  await withPool({}, async (stand) => {
    const running = stand.run({ do: "finish" });
    await running.begun;
    const before = stand.view().runners.map(({ pid }) => pid);
    await stand.reload();
    const after = await pidOf(stand.run({ do: "tell" }));
    assert.ok(!before.includes(after));
    assert.deepEqual(generations(stand).sort(), [1, 2]);
    assert.equal(running.told.begun, true);
    running.cancel();
    const ending = await running.ending;
    assert.ok(ending !== "stopped" && ending.kind === "done", JSON.stringify(ending));
    await onlyOf(stand, 2);
  });
});

test("what waits for a runner has begun nowhere, and runs in the new generation", SOON, async () => {
  await withPool({ ownRunners: 1, types: OWN }, async (stand) => {
    const first = stand.run({ do: "wait" });
    await first.begun;
    const waiting = stand.run({ do: "tell" });
    const [old] = stand.view().runners.filter(({ tasks }) => tasks > 0);
    await stand.reload();
    assert.notEqual(await pidOf(waiting), old?.pid);
    first.cancel();
    assert.equal(await first.ending, "stopped");
    await onlyOf(stand, 2);
  });
});

test("what has moved to the new generation is stopped there", SOON, async () => {
  await withPool({ ownRunners: 1, types: OWN }, async (stand) => {
    const first = stand.run({ do: "wait" });
    await first.begun;
    const moved = stand.run({ do: "wait" });
    await stand.reload();
    await moved.begun;
    moved.cancel();
    assert.deepEqual([await moved.ending, moved.told.endedBy?.how], ["stopped", "heeded"]);
    first.cancel();
    await first.ending;
  });
});

test("what waits and has no handler any more asks to come again, uncharged", SOON, async () => {
  await withPool({ ownRunners: 1, types: OWN }, async (stand) => {
    const first = stand.run({ do: "wait" });
    await first.begun;
    const waiting = stand.run({ do: "tell" });
    await stand.reload({ types: '[{"type":"y"}]' });
    const ending = await waiting.ending;
    assert.ok(ending !== "stopped" && ending.kind === "failed" && ending.later, JSON.stringify(ending));
    first.cancel();
    await first.ending;
  });
});

test("an attempt that was about to begin in a generation that has left runs in the one in charge", SOON, async () => {
  await withPool({}, async (stand) => {
    const [old] = stand.handlers;
    await stand.reload();
    await onlyOf(stand, 2);
    const late = stand.run({ do: "tell" }, {}, old?.handler);
    assert.ok(stand.view().runners.some(({ pid }) => pid > 0));
    assert.equal(await pidOf(late), stand.view().runners[0]?.pid);
  });
});

test("a generation that cannot be opened is refused, and nothing of it is left", SOON, async () => {
  await withPool({}, async (stand) => {
    const [before] = stand.view().runners;
    await assert.rejects(stand.reload({ hello: '{"dies":3}' }), RunnerStartError);
    await assert.rejects(stand.reload({ hello: '{"mute":true}', helloMs: 200 }), /has not said hello within 200 ms/);
    await onlyOf(stand, 1);
    assert.equal(await pidOf(stand.run({ do: "tell" })), before?.pid);
  });
});

test("a runner of an old generation that dies gives what had not begun to the new one", SOON, async () => {
  await withPool({ kind: { concurrency: 1, ahead: 1, processes: 1 } }, async (stand) => {
    const first = stand.run({ do: "wait" });
    await first.begun;
    await stand.reload({ types: '[{"type":"x"}]' });
    const [old] = stand.view().runners.filter(({ generation }) => generation === 1);
    process.kill(old?.pid ?? 0, "SIGKILL");
    const ending = await first.ending;
    assert.ok(ending !== "stopped" && ending.kind === "crashed", JSON.stringify(ending));
    await onlyOf(stand, 2);
    await pidOf(stand.run({ do: "tell" }));
  });
});

test("with three generations alive a further one waits until the first has left", SOON, async () => {
  await withPool({}, async (stand) => {
    const runs: Running[] = [];
    for (let n = 1; n <= 3; n++) {
      const run = stand.run({ do: "wait" });
      await run.begun;
      runs.push(run);
      if (n < 3) await stand.reload();
    }
    let isLoaded = false;
    const fourth = stand.reload().then(() => {
      isLoaded = true;
    });
    await pidOf(stand.run({ do: "tell" }));
    assert.deepEqual([isLoaded, [...new Set(generations(stand))]], [false, [1, 2, 3]]);
    runs[0]?.cancel();
    await fourth;
    for (const run of runs) run.cancel();
    await Promise.all(runs.map(({ ending }) => ending));
    await onlyOf(stand, 4);
  });
});

test("a runner that does not leave when it is told to is killed", SOON, async () => {
  await withPool({ hello: '{"stays":true}' }, async (stand) => {
    await stand.reload({});
    await onlyOf(stand, 2);
  });
});
