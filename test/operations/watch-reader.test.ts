/** What watches read: once for all that watch, and only what has changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskGlance } from "../../src/broker/contract/admin.ts";
import { Cancelled, openRoot } from "../../src/concurrency/index.ts";
import { readerOf } from "../../src/operations/watch/watch-reader.ts";
import type { TaskRecord } from "../../src/task/record/record.ts";

function stage() {
  const asked: (readonly { readonly id: string; readonly seen: string | null }[])[] = [];
  const reads: string[] = [];
  const questions: string[] = [];
  let version = "1";
  const glanceOf = (): TaskGlance => ({ seen: version, record: version, progress: 0, progressMsg: "", lastLine: 3 });
  const broker = {
    async glance(some: readonly { readonly id: string; readonly seen: string | null }[]) {
      asked.push(some);
      return some.map(({ seen }) => (seen === version ? ("same" as const) : glanceOf()));
    },
    async record(id: string) {
      reads.push(`record ${id}`);
      return { id } as TaskRecord;
    },
    now: () => 0,
    async paused() {
      questions.push("paused");
      return [];
    },
    async fleet() {
      questions.push("fleet");
      return [];
    },
    async logsAfter(id: string, after: number) {
      reads.push(`log ${id} ${after}`);
      return { lines: [], last: 3 };
    },
  };
  return { reader: readerOf(broker), asked, reads, questions, change: (to: string) => (version = to) };
}

test("all that watch share one look, and are told where nothing has changed what was there", async () => {
  const { reader, asked } = stage();
  const leave = reader.enter();
  const { signal } = openRoot();
  const ids = ["a", "b", "a", "a"];
  const first = await Promise.all(ids.map((id) => reader.next(id, signal)));
  assert.deepEqual(asked, [
    [
      { id: "a", seen: null },
      { id: "b", seen: null },
    ],
  ]);
  const second = await Promise.all(ids.map((id) => reader.next(id, signal)));
  assert.deepEqual(second, first);
  assert.deepEqual(asked[1]?.[0], { id: "a", seen: "1" });
  leave();
  await reader.next("a", signal);
  assert.deepEqual(asked[2], [{ id: "a", seen: null }], "nothing is held once nobody watches");
});

test("what has changed is read once, whoever watches", async () => {
  const { reader, reads, change } = stage();
  const leave = reader.enter();
  const { signal } = openRoot();
  for (const version of ["2", "3"]) {
    change(version);
    const glances = await Promise.all([1, 2, 3].map(() => reader.next("a", signal)));
    await Promise.all(glances.map(async (glance) => glance && reader.record("a", glance)));
    await Promise.all(glances.map(async (glance) => glance && reader.logsAfter("a", 2, glance)));
  }
  assert.deepEqual(reads, ["record a", "log a 2", "record a", "log a 2"]);
  leave();
});

test("a watch that is cancelled leaves at once, and the last one takes the look with it", async () => {
  const { reader, asked } = stage();
  const leave = reader.enter();
  const [one, two] = [openRoot(), openRoot()];
  const looks = [one, two].map(({ signal }) => reader.next("a", signal));
  one.cancel();
  await assert.rejects(looks[0] ?? Promise.resolve(), Cancelled);
  two.cancel();
  await assert.rejects(looks[1] ?? Promise.resolve(), Cancelled);
  await reader.next("b", openRoot().signal);
  assert.deepEqual(asked, [[{ id: "b", seen: null }]]);
  leave();
});

test("why tasks wait is asked once for all that watch", async () => {
  const { reader, questions } = stage();
  const leave = reader.enter();
  await Promise.all([1, 2, 3].flatMap(() => [reader.fleet.paused(), reader.fleet.fleet()]));
  await reader.fleet.fleet();
  assert.deepEqual(questions, ["paused", "fleet"]);
  leave();
  await reader.fleet.fleet();
  assert.deepEqual(questions, ["paused", "fleet", "fleet"], "nothing is held once nobody watches");
});
