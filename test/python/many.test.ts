/** Several attempts at a time in one Python worker: async handlers in an event loop, others in threads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "./worker.ts";

const SLOW = { timeout: 60_000 };

const HANDLERS = `
import asyncio, threading, time
together = {}
async def meet_async(name, count):
    "Waits until so many are here: it ends only where they run side by side."
    together[name] = together.get(name, 0) + 1
    while together[name] < count: await asyncio.sleep(0.001)
@task("meet")
async def meet(payload, attempt):
    print("hello from", payload)
    await meet_async("async", 8)
    log.info(f"met {payload}")
    return attempt.id
barrier = threading.Barrier(8)
@task("thread")
def thread(payload, attempt):
    print("hello from", payload)
    barrier.wait()
    log.info(f"met {payload}")
    return attempt.id
@task("wait")
async def wait(payload, attempt):
    progress(0)
    try: await asyncio.sleep(1_000)
    finally: log.info(f"{attempt.cancel_reason} {attempt.cancelled.is_set()}")
@task("compute")
def compute(payload):
    progress(0)
    while True: pass
@task("own sleep")
def own_sleep(payload):
    progress(0)
    sleep(1_000)
@task("block")
async def block(payload):
    progress(0)
    time.sleep(0.7)
    progress(1)
@task("fail")
async def fail(payload): raise ValueError("async")
@task("exit")
async def leave(payload): raise SystemExit(4)
@task("noop")
async def noop(payload): return payload
@task("sync noop")
def sync_noop(payload): return payload
@task("parts")
async def parts(payload):
    async def part():
        try: await asyncio.sleep(1_000)
        finally: log.info("a part has ended")
    asyncio.create_task(part())
    with outlive(): asyncio.create_task(beyond())
    await asyncio.sleep(0.01)
    return "whole"
over = []
async def beyond():
    await asyncio.sleep(0.05)
    over.append(1)
@task("over")
async def is_over(payload):
    while not over: await asyncio.sleep(0.001)
    return len(over)
`;
const SERVE = { serve: "concurrency=8" };

for (const type of ["meet", "thread"]) {
  test(
    `eight of "${type}" run side by side, are told to have begun in one line, and keep their logs apart`,
    SLOW,
    async () => {
      await using worker = new Worker(HANDLERS, SERVE);
      assert.equal((await worker.said("hello")).concurrency, 8);
      const runs = Array.from({ length: 8 }, (_, number) => worker.run(type, number));
      const results = await Promise.all(runs.map((run) => worker.result(run)));
      assert.deepEqual(
        results,
        runs.map((run) => `task-${run}`),
      );
      for (const [number, run] of runs.entries()) {
        assert.deepEqual(
          worker.logs(run).map(({ text }) => text),
          [`hello from ${number}`, `met ${number}`],
        );
      }
    },
  );
}

test("more than its concurrency wait, and one that waits is taken back unbegun", SLOW, async () => {
  await using worker = new Worker(HANDLERS, { serve: "concurrency=2" });
  const [one, two, three, four] = ["wait", "own sleep", "noop", "noop"].map((type) => worker.run(type, 5));
  assert.ok(one && two && three && four);
  await worker.said("progress", ({ run }) => run === two);
  worker.send({ kind: "cancel", run: three, reason: "cancelled", grace_ms: 0 });
  assert.deepEqual(await worker.ending(three), { kind: "stopped", run: three, begun: false });
  worker.send({ kind: "cancel", run: two, reason: "cancelled", grace_ms: 100 });
  assert.equal(await worker.result(four), 5);
});

for (const type of ["wait", "compute", "own sleep"]) {
  test(`a cancel reaches one that is in "${type}", and no other`, SLOW, async () => {
    await using worker = new Worker(HANDLERS, SERVE);
    const others = ["wait", "own sleep"].map((other) => worker.run(other));
    const run = worker.run(type);
    for (const number of [...others, run]) await worker.said("progress", (said) => said.run === number);
    worker.send({ kind: "cancel", run, reason: "timeout", grace_ms: 1_000 });
    assert.deepEqual(await worker.ending(run), { kind: "stopped", run, begun: true });
    if (type === "wait")
      assert.deepEqual(
        worker.logs(run).map(({ text }) => text),
        ["timeout True"],
      );
    assert.equal(await worker.result(worker.run("noop", 1)), 1);
    assert.equal(await worker.result(worker.run("sync noop", 2)), 2);
    assert.equal(worker.messages.filter(({ kind }) => kind === "stopped").length, 1);
  });
}

test("a cancel in the same breath as its run is answered once", SLOW, async () => {
  await using worker = new Worker(HANDLERS, SERVE);
  for (let round = 0; round < 200; round++) {
    const runs = [worker.run("noop", round), worker.run("sync noop", round), worker.run("own sleep")];
    for (const run of runs) worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
    const endings = await Promise.all(runs.map((run) => worker.ending(run)));
    for (const { kind } of endings) assert.notEqual(kind, "failed", JSON.stringify(endings));
    assert.equal(endings[2]?.kind, "stopped");
  }
  assert.equal(await worker.result(worker.run("sync noop", 2)), 2);
});

test("errors are told as of any handler, and SystemExit ends the attempt alone", SLOW, async () => {
  await using worker = new Worker(HANDLERS, SERVE);
  const { error } = await worker.failure(worker.run("fail"));
  assert.deepEqual([error.name, error.message], ["ValueError", "async"]);
  assert.equal((await worker.failure(worker.run("exit"))).error.name, "SystemExit");
  assert.equal(await worker.result(worker.run("noop", 1)), 1);
});

test("what a handler started ends with it, but for what is to outlive it", SLOW, async () => {
  await using worker = new Worker(HANDLERS, SERVE);
  const run = worker.run("parts");
  assert.equal(await worker.result(run), "whole");
  assert.deepEqual(
    worker.logs(run).map(({ text }) => text),
    ["a part has ended"],
  );
  assert.equal(await worker.result(worker.run("over")), 1);
});

test("a loop that is held up answers no ping until it is free", SLOW, async () => {
  await using worker = new Worker(HANDLERS, SERVE);
  const run = worker.run("block");
  await worker.said("progress");
  worker.send({ kind: "ping", ask: 1 });
  await worker.ending(run);
  await worker.said("answer");
  const kinds = worker.messages.map(({ kind }) => kind);
  assert.ok(kinds.indexOf("answer") > kinds.lastIndexOf("progress"));
});

test("the tree tells where each one is", SLOW, async () => {
  await using worker = new Worker(HANDLERS, SERVE);
  for (const type of ["wait", "own sleep"])
    await worker.said(
      "progress",
      (
        (run) => (said) =>
          said.run === run
      )(worker.run(type)),
    );
  worker.send({ kind: "tree", ask: 1 });
  const runs = (await worker.said("answer")).value as { type: string; children: { name: string }[] }[];
  const where = runs.map(({ type, children }) => [type, children.some(({ name }) => name.includes("handlers.py"))]);
  assert.deepEqual(where, [
    ["wait", true],
    ["own sleep", true],
  ]);
});

test("a stop lets all of them end; the end of the executor does not", SLOW, async () => {
  await using worker = new Worker(HANDLERS, SERVE);
  const runs = Array.from({ length: 8 }, (_, number) => worker.run("meet", number));
  worker.send({ kind: "stop" });
  assert.equal(await worker.exit(), 0);
  assert.equal((await Promise.all(runs.map((run) => worker.result(run)))).length, 8);
  await using left = new Worker(HANDLERS, SERVE);
  left.run("wait");
  left.run("compute");
  await left.said("progress");
  left.end();
  await left.exit();
});

test("on SIGTERM it cancels what runs, and leaves", SLOW, async () => {
  await using worker = new Worker(HANDLERS, SERVE);
  const runs = ["wait", "own sleep"].map((type) => worker.run(type));
  for (const run of runs) await worker.said("progress", (said) => said.run === run);
  worker.child.kill("SIGTERM");
  assert.equal(await worker.exit(), 143);
  for (const run of runs) assert.equal((await worker.failure(run)).later, true);
});

test("an async handler in a worker of one runs in a loop, too", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const runs = [0, 1, 2].map((number) => worker.run(number === 1 ? "sync noop" : "noop", number));
  assert.deepEqual(await Promise.all(runs.map((run) => worker.result(run))), [0, 1, 2]);
  const begun = worker.messages.filter((message) => message.kind === "begun").map((message) => message.runs);
  assert.deepEqual(begun, [[1], [2], [3]]);
});
