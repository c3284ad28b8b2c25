/** What handlers in a runner enqueue: a question to the executor each, and its answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RunnerProcess } from "../stage/runner.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const HANDLERS = `
import { defineTask } from "taskexe";
import * as v from "valibot";
export const resize = defineTask({
  type: "resize", priority: 1, deadlineMs: 5000, payload: v.object({ width: v.number() }), run: () => {},
});
export const one = defineTask({
  type: "one",
  run: ({ enqueue, payload }) => enqueue(resize, payload, { id: "c", at: new Date(4000000000000), unique: null }),
});
export const named = defineTask({ type: "named", run: ({ enqueue }) => enqueue("other", [1n.toString(), "a\\nb"]) });
export const tells = defineTask({
  type: "tells",
  run: ({ enqueue }) => enqueue("other").catch((error) => [error.name, error.message]),
});
export const large = defineTask({ type: "large", run: ({ enqueue }) => enqueue("other", "\\u00e9".repeat(4_200_000)) });
export const many = defineTask({
  type: "many",
  run: ({ enqueue }) => Promise.race(Array.from({ length: 10_001 }, (_, n) => enqueue("other", n))),
});
let kept;
export const keeps = defineTask({ type: "keeps", run: ({ enqueue }) => { kept = enqueue; } });
export const late = defineTask({ type: "late", run: () => kept("other", 1) });
`;

async function withRunner(use: (runner: RunnerProcess) => Promise<void>): Promise<void> {
  await Stage.with(async (stage) => {
    await stage.write({ "tasks/all.ts": HANDLERS });
    const runner = RunnerProcess.start(stage, [stage.path("tasks")]);
    await runner.hello();
    await use(runner);
  });
}

async function errorOf(runner: RunnerProcess, run: number): Promise<string> {
  const ending = await runner.ending(run);
  return ending.kind === "failed" ? `${ending.error.name}: ${ending.error.message}` : ending.kind;
}

test(
  "a task goes to the executor as JSON, with what its definition says, and the answer is the handler's",
  SLOW,
  async () => {
    await withRunner(async (runner) => {
      const run = runner.run({ type: "one", payload: { width: 3 } });
      const { ask, ...asked } = await runner.says("enqueue");
      const task = {
        type: "resize",
        id: "c",
        priority: 1,
        deadline_ms: 5000,
        at: 4e12,
        unique: null,
        payload: { width: 3 },
      };
      assert.deepEqual(asked, { kind: "enqueue", run, tasks: [task] });
      const receipt = { id: "c", created: true, state: "scheduled" };
      runner.tell({ kind: "answer", ask, value: [receipt] });
      assert.deepEqual(await runner.ending(run), { kind: "done", run, result: receipt });
    });
  },
);

test("a payload that the schema in hand refuses is not asked for", SLOW, async () => {
  await withRunner(async (runner) => {
    const told = await errorOf(runner, runner.run({ type: "one", payload: { width: "3" } }));
    assert.match(told, /^InvalidTaskError: the payload was refused by the schema of "resize"/);
    assert.equal(
      runner.said.some(({ kind }) => kind === "enqueue"),
      false,
    );
  });
});

test("a refusal of the executor is the handler's error", SLOW, async () => {
  await withRunner(async (runner) => {
    for (const [code, name] of [
      ["invalid_task", "InvalidTaskError"],
      ["refused", "RefusedEnqueueError"],
      ["unavailable", "Error"],
    ] as const) {
      const run = runner.run({ type: "tells" });
      const { ask } = await runner.says("enqueue", (message) => message.run === run);
      runner.tell({ kind: "answer", ask, error: { code, message: "no" } });
      assert.deepEqual(await runner.ending(run), { kind: "done", run, result: [name, "no"] });
    }
  });
});

test("a task that does not fit into a line is refused", SLOW, async () => {
  await withRunner(async (runner) => {
    const told = await errorOf(runner, runner.run({ type: "large" }));
    assert.match(told, /^InvalidTaskError: /);
  });
});

test("10 000 questions may be open, and no more", SLOW, async () => {
  await withRunner(async (runner) => {
    const told = await errorOf(runner, runner.run({ type: "many" }));
    assert.match(told, /^RefusedEnqueueError: 10000 questions wait/);
  });
});

test("a run that has ended enqueues nothing", SLOW, async () => {
  await withRunner(async (runner) => {
    await runner.ending(runner.run({ type: "keeps", id: "gone" }));
    const told = await errorOf(runner, runner.run({ type: "late" }));
    assert.match(told, /^RefusedEnqueueError: the attempt of gone has ended/);
  });
});
