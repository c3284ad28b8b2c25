/** What Python handlers ask of their executor: tasks to enqueue, locks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { TaskJsonSchema } from "../../src/task/message/task-json.ts";
import { type Said, Worker } from "./worker.ts";

const SLOW = { timeout: 60_000 };

const HANDLERS = `
from datetime import datetime, timedelta, timezone
@task("noop")
def noop(payload): return payload
@task("one")
def one(payload): return enqueue(noop, {"n": 1})
@task("slow one")
def slow_one(payload):
    import time; time.sleep(0.1)
    return enqueue("noop")
@task("options")
def options(payload):
    return enqueue("noop", [1], id="mine", queue="other", priority=1, attempts=2, backoff="fixed:5s", crash_budget=0,
                   timeout="1m", retention=0, delay=1.5, deadline_at=datetime(2030, 1, 1, tzinfo=timezone.utc),
                   unique={"key": "k", "for": timedelta(minutes=1)})
@task("many")
def many(payload): return enqueue_many([("noop", n, {"at": "2030-01-01T00:00:00Z", "unique": True}) for n in range(3)])
@task("wrong")
def wrong(payload):
    wrongs = []
    for options in ({"delais": 1}, {"delay": "soon"}, {"at": datetime(2030, 1, 1)}, {"attempts": 0}):
        try: enqueue("noop", None, **options)
        except (TypeError, ValueError) as error: wrongs.append(str(error))
    return wrongs
@task("refused")
def refused(payload):
    try: enqueue("noop")
    except ExecutorError as error: return [error.code, str(error)]
@task("locked")
def locked(payload):
    with lock("report", ttl=30, wait="1m") as held:
        progress(0)
        while payload == "lose" and not held.lost.wait(0.01): pass
    return "whole"
@task("async")
async def in_loop(payload):
    first = await enqueue_async("noop", 1)
    rest = await enqueue_many_async([("noop", 2, {}), ("noop", 3, {})])
    async with lock("a"): pass
    return [first, *rest]
@task("blocks the loop")
async def blocks(payload): return enqueue("noop")
kept = []
@task("keep")
def keep(payload, attempt): kept.append(attempt)
@task("use")
def use(payload):
    try: kept[0]._host.ask({"kind": "enqueue", "run": kept[0]._run, "tasks": []}, kept[0])
    except ExecutorError as error: return error.code
`;

async function enqueued(worker: Worker, ids: unknown, holds: (said: Said<"enqueue">) => boolean = () => true) {
  const asked = await worker.said("enqueue", holds);
  for (const made of asked.tasks) v.parse(TaskJsonSchema, made);
  worker.send({ kind: "answer", ask: asked.ask, value: ids });
  return asked;
}

for (const serve of ["", "concurrency=4"]) {
  // Without an async handler it is a plain worker.
  const plain = HANDLERS.replace(/@task\("async"\)[\s\S]*?(?=kept = )/, "");
  const title = serve === "" ? "in the main thread" : "in threads";

  test(`a handler ${title} enqueues a task, and gets its id`, SLOW, async () => {
    await using worker = new Worker(plain, { serve });
    for (const [number, type] of ["one", "slow one"].entries()) {
      const run = worker.run(type);
      const asked = await enqueued(worker, [`id-${number}`], (said) => said.run === run);
      assert.deepEqual(asked.tasks, [number === 0 ? { type: "noop", payload: { n: 1 } } : { type: "noop" }]);
      assert.equal(await worker.result(run), `id-${number}`);
    }
  });

  test(`a cancel reaches a handler ${title} that waits for an answer`, SLOW, async () => {
    await using worker = new Worker(plain, { serve });
    for (const type of ["one", "slow one", "locked"]) {
      const run = worker.run(type);
      await worker.said(type === "locked" ? "lock" : "enqueue", (said) => said.run === run);
      worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
      assert.equal((await worker.ending(run)).kind, "stopped");
    }
    // An answer that comes too late is nobody's.
    worker.send({ kind: "answer", ask: 1, value: ["late"] });
    assert.equal(await worker.result(worker.run("noop", 2)), 2);
  });
}

test("all options of an enqueue are told as HTTP takes them", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("options");
  const { tasks } = await enqueued(worker, [{ id: "mine" }]);
  assert.equal(await worker.result(run), "mine");
  assert.deepEqual(tasks, [
    {
      type: "noop",
      payload: [1],
      id: "mine",
      queue: "other",
      priority: 1,
      attempts: 2,
      backoff: { kind: "fixed", delay_ms: 5_000 },
      crash_budget: 0,
      timeout_ms: 60_000,
      retention_ms: 0,
      delay_ms: 1_500,
      deadline_at: "2030-01-01T00:00:00.000+00:00",
      unique: { key: "k", for_ms: 60_000 },
    },
  ]);
});

test("many are enqueued in one question", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("many");
  const { tasks } = await enqueued(worker, { tasks: [{ id: "a" }, { id: "b" }, { id: "c" }] });
  assert.equal(tasks.length, 3);
  assert.deepEqual(await worker.result(run), ["a", "b", "c"]);
});

test("an option that is none, or wrong, is refused where it is written", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const wrongs = (await worker.result(worker.run("wrong"))) as string[];
  assert.equal(wrongs.length, 4);
  assert.match(wrongs[0] ?? "", /^enqueue\('noop'\): unknown option "delais"; known are at, attempts, backoff, /);
  assert.match(wrongs[1] ?? "", /delay: expected seconds, or text as "30s" or "5m", from 0 to 100 years; got 'soon'/);
  assert.match(wrongs[2] ?? "", /at: expected a time with a zone/);
  assert.match(wrongs[3] ?? "", /attempts: expected a whole number from 1; got 0/);
});

test("a refusal of the executor is an error with its code", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("refused");
  const { ask } = await worker.said("enqueue");
  worker.send({ kind: "answer", ask, error: { code: "lost", message: "the lease was lost" } });
  assert.deepEqual(await worker.result(run), ["lost", "the lease was lost"]);
});

test("a lock is held for a block, and given back", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("locked");
  const { kind, ask, ...asked } = await worker.said("lock");
  assert.deepEqual(asked, { run, name: "report", ttl_ms: 30_000, wait_ms: 60_000 });
  worker.send({ kind: "answer", ask, value: true });
  assert.equal(await worker.result(run), "whole");
  const kinds = worker.messages.map((message) => message.kind);
  assert.ok(kinds.indexOf("unlock") < kinds.indexOf("done"), kind);
});

test(
  "one that is lost is an error at the end of its block; one that is not to be had at its beginning",
  SLOW,
  async () => {
    await using worker = new Worker(HANDLERS);
    const lost = worker.run("locked", "lose");
    worker.send({ kind: "answer", ask: (await worker.said("lock")).ask, value: {} });
    await worker.said("progress");
    worker.send({ kind: "lock_lost", run: lost, name: "report" });
    const { error } = await worker.failure(lost);
    assert.deepEqual([error.name, error.message], ["LockLost", 'the lock "report" was lost']);
    const second = worker.run("locked");
    worker.send({ kind: "answer", ask: (await worker.said("lock", ({ run }) => run === second)).ask, value: false });
    assert.equal((await worker.failure(second)).error.name, "LockNotTaken");
  },
);

test("async handlers await their questions, and are told so where they do not", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("async");
  await enqueued(worker, ["1"], ({ tasks }) => tasks.length === 1);
  await enqueued(worker, ["2", "3"], ({ tasks }) => tasks.length === 2);
  worker.send({ kind: "answer", ask: (await worker.said("lock")).ask, value: null });
  assert.deepEqual(await worker.result(run), ["1", "2", "3"]);
  assert.match((await worker.failure(worker.run("blocks the loop"))).error.message, /awaits enqueue_async/);
});

test("nothing can be asked for an attempt that has ended", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  await worker.ending(worker.run("keep"));
  assert.equal(await worker.result(worker.run("use")), "ended");
});
