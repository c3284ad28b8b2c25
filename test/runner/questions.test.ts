/** What an executor asks its runner, and the answers. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { RunnerProcess } from "../stage/runner.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const HANDLERS = `
import { defineTask, sleepForever } from "taskexe";
import * as v from "valibot";
export const checked = defineTask({ type: "checked", payload: v.object({ n: v.number() }), run: () => {} });
export const free = defineTask({ type: "free", run: () => {} });
export const wait = defineTask({
  type: "wait",
  async run({ nursery, signal }) {
    nursery.startSoon((task) => sleepForever(task.signal), { name: "fetch" });
    await sleepForever(signal);
  },
});
`;

async function withRunner(use: (runner: RunnerProcess, stage: Stage) => Promise<void>): Promise<void> {
  await Stage.with(async (stage) => {
    await stage.write({ "tasks/all.ts": HANDLERS });
    const runner = RunnerProcess.start(stage, [stage.path("tasks")]);
    await runner.hello();
    await use(runner, stage);
  });
}

test("it answers a ping while its runs wait", SLOW, async () => {
  await withRunner(async (runner) => {
    runner.run({ type: "wait" });
    assert.deepEqual(await runner.ask({ kind: "ping" }), { kind: "answer", ask: 1 });
  });
});

test("the tree goes down to the nursery of each run, with the id of its task", SLOW, async () => {
  await withRunner(async (runner) => {
    runner.run({ type: "wait", id: "the-id" });
    await runner.says("begun");
    const { value } = await runner.ask({ kind: "tree" });
    const [run] = value as { id: string; type: string; run: number; children: Tree[] }[];
    assert.deepEqual([run?.run, run?.id, run?.type], [1, "the-id", "wait"]);
    assert.deepEqual(run?.children.map(namesOf), [["wait", ["fetch", []]]]);
  });
});

interface Tree {
  readonly name: string;
  readonly children: Tree[];
}

function namesOf({ name, children }: Tree): unknown[] {
  return children.length === 0 ? [name, []] : [name, ...children.map(namesOf)];
}

test("it says whether a payload would be accepted", SLOW, async () => {
  await withRunner(async (runner) => {
    const check = (type: string, payload: unknown) => runner.ask({ kind: "check", type, payload });
    assert.deepEqual((await check("checked", { n: 1 })).value, { ok: true });
    const refused = (await check("checked", { n: "1" })).value as { ok: boolean; message: string };
    assert.equal(refused.ok, false);
    assert.match(refused.message, /the payload was refused by the schema of "checked": n: /);
    assert.deepEqual((await check("free", 1)).value, { ok: true });
    assert.match((await check("nobody", 1)).error?.message ?? "", /no handler for the type "nobody"/);
  });
});

test("it writes a heap snapshot where it is told to, and says what is wrong with a place", SLOW, async () => {
  await withRunner(async (runner, stage) => {
    const path = stage.path("snapshots/1.heapsnapshot");
    assert.deepEqual((await runner.ask({ kind: "snapshot", path })).value, { path });
    assert.match((await readFile(path, "utf8")).slice(0, 100), /snapshot/);
    assert.match((await runner.ask({ kind: "snapshot", path })).error?.message ?? "", /cannot be written/);
  });
});

test("what it does not know and questions that it has not asked cost nothing", SLOW, async () => {
  await withRunner(async (runner) => {
    runner.send('{"kind":"newer","x":1}\n{"kind":"answer","ask":7,"value":1}\n');
    runner.send('{"kind":"lock_lost","run":1,"name":"a"}\n');
    runner.cancel(12, "cancelled");
    await runner.ask({ kind: "ping" });
    assert.equal(runner.stderr, "");
  });
});
