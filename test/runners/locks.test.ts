/**
 * Locks that handlers hold: their executor takes, renews and frees them, in whatever language the handler is written,
 * and whatever becomes of the process that it runs in.
 */
import assert from "node:assert/strict";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { type Client, connect } from "../../src/index.ts";
import { QUEUES } from "../stage/broker.ts";
import { ROOT } from "../stage/command.ts";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce, untilBy } from "../stage/until.ts";

const HANDLERS = `
import { appendFileSync, existsSync } from "node:fs";
import { defineTask } from "taskexe";
const note = (file, text) => appendFileSync(file, text + "\\n");
const forEver = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
export const enters = defineTask({ type: "enters", attempts: 1, run: ({ payload: file, lock }) =>
  lock("entered", {}, async ({ fence, isHeld, name }) => {
    note(file, "in " + fence);
    await new Promise((resolve) => setTimeout(resolve, 5));
    note(file, "out " + fence);
    return [isHeld, name];
  }) });
const holding = { attempts: 1, crashBudget: 0, run: ({ payload: { name, ttlMs }, lock, progress }) =>
  !existsSync(name) && lock(name, { ttlMs }, async ({ signal }) => {
    note(name, "held");
    await progress(0.5, "pid " + process.pid + ".");
    await forEver(signal);
  }) };
export const holds = defineTask({ type: "holds", ...holding });
export const holdsAlone = defineTask({ type: "holds alone", isolation: "own", ...holding });
export const tries = defineTask({ type: "tries", attempts: 1, run: ({ payload: name, lock }) =>
  lock(name, { waitMs: 20 }, () => "taken") });
export const throws = defineTask({ type: "throws", attempts: 1, run: ({ lock }) =>
  lock("thrown", {}, () => { throw new TypeError("mine"); }) });
export const greedy = defineTask({ type: "greedy", attempts: 1, run: async ({ lock, scope, nursery }) => {
  const take = (n) => n === 101 ? "all" : lock("greedy-" + n, {}, () => take(n + 1));
  return take(0).catch(({ name, message }) => name + ": " + message);
} });
export const wrong = defineTask({ type: "wrong", attempts: 1, run: ({ lock }) =>
  Promise.all([lock("", {}, () => 1), lock("x", { ttlMs: 1 }, () => 1), lock("x", {})].map((each) =>
    each.catch(({ name, message }) => name + ": " + message))) });
`;

const PYTHON = `
import os, time
from taskexe_worker import *
def note(file, text):
    with open(file, "a") as opened: opened.write(text + "\\n")
@task("enters too", attempts=1)
def enters(payload):
    with lock("entered", wait="1m") as held:
        note(payload, "in")
        time.sleep(0.005)
        note(payload, "out")
@task("python holds", attempts=1, crash_budget=0)
def holds(payload):
    if os.path.exists(payload["name"]): return
    note(payload["name"], "held")
    with lock(payload["name"], ttl=payload["ttlMs"] / 1000) as held:
        progress(0.5, f"pid {os.getpid()}.")
        held.lost.wait(60)
@task("python tries", attempts=1)
def tries(payload):
    with lock(payload, wait=0.02): return "taken"
serve()
`;

const SETTINGS = `
[worker.snake]
command = ["python3", "handlers.py"]
cwd = "."
`;

for (const { kind, open } of QUEUES) {
  describe(`${kind}: a lock of a handler`, () => {
    let stage: Stage;
    let broker: Broker;
    let client: Client;
    let executor: ExecutorProcess;

    before(async () => {
      stage = Stage.make();
      const url = await open(stage);
      await stage.write({ "tasks/all.mjs": HANDLERS, "handlers.py": PYTHON, "taskexe.toml": SETTINGS });
      await copyFile(join(ROOT, "python/taskexe_worker.py"), stage.path("taskexe_worker.py"));
      executor = await stage.executor({
        ...{ broker: url, tasks: stage.path("tasks"), cwd: stage.folder, concurrency: 20, grace: "300ms" },
        args: ["--isolation", "shared", "--config", stage.path("taskexe.toml")],
      });
      broker = await stage.client(url);
      client = await connect(url);
      stage.atEnd(() => client.close());
    }, SLOW);
    after(async () => {
      assert.equal(await drained(executor), 0);
      await stage.end();
    });

    const enqueue = (id: string, type: string, payload: unknown = null) =>
      broker.enqueue([requestOf(id, type, payload)]);
    const ended = (id: string, state: "done" | "dead" | "cancelled") => recordOnce(state, executor, broker, id);
    const result = async (id: string) => (await ended(id, "done")).result;
    const holder = (id: string): Promise<number> =>
      untilBy(executor, `${id} holds it`, async () => {
        const [, pid] = /pid (\d+)\./.exec((await broker.record(id))?.progress_msg ?? "") ?? [];
        return pid === undefined ? null : Number(pid);
      });
    /** It is free though its time is not over. */
    const isFree = async (name: string): Promise<void> =>
      assert.equal(await client.withLock(name, { waitMs: 20_000 }, () => "mine"), "mine");

    test("keeps all others out, in whatever language they are written", SLOW, async () => {
      const file = stage.path("entered");
      const ids = Array.from({ length: 12 }, (_, n) => `enters-${n}`);
      for (const [n, id] of ids.entries()) await enqueue(id, n % 3 === 0 ? "enters too" : "enters", file);
      for (const id of ids) await ended(id, "done");
      const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
      assert.equal(lines.length, 24);
      let last = 0;
      for (let n = 0; n < lines.length; n += 2) {
        const [entered = "", left = ""] = lines.slice(n, n + 2);
        assert.ok(entered.startsWith("in") && left === entered.replace("in", "out"), lines.join("\n"));
        const fence = Number(entered.slice(3));
        assert.ok(fence === 0 || fence > last, lines.join("\n"));
        last = Math.max(last, fence);
      }
      assert.deepEqual(await result("enters-1"), [true, "entered"]);
    });

    test("is not had while a client holds it, which the handler is told", SLOW, async () => {
      await client.withLock("tried", {}, async () => {
        for (const [id, type] of [
          ["tries", "tries"],
          ["python-tries", "python tries"],
        ] as const) {
          await enqueue(id, type, "tried");
          const { errors } = await ended(id, "dead");
          assert.match(JSON.stringify(errors), /"(LockNotTakenError|LockNotTaken)".*held by another one/);
        }
      });
      await enqueue("tries-again", "tries", "tried");
      assert.equal(await result("tries-again"), "taken");
    });

    for (const type of ["holds alone", "python holds"]) {
      test(`is free at once when the process of "${type}" is killed`, SLOW, async () => {
        const id = `killed-${type}`;
        await enqueue(id, type, { name: id, ttlMs: 86_400_000 });
        process.kill(await holder(id), "SIGKILL");
        await isFree(id);
        // Where others had run in that process before it, it is begun anew, and takes no lock.
        const ENDED = ["dead", "done"];
        await untilBy(executor, `${id} has ended`, async () => ENDED.includes((await broker.record(id))?.state ?? ""));
      });
    }

    for (const type of ["holds", "holds alone"]) {
      test(`is free once a cancel has ended "${type}"`, SLOW, async () => {
        const id = `cancelled-${type}`;
        await enqueue(id, type, { name: id, ttlMs: 86_400_000 });
        await holder(id);
        await broker.cancel([id]);
        await isFree(id);
        await ended(id, "cancelled");
      });
    }

    test("is free when its block throws", SLOW, async () => {
      await enqueue("throws", "throws");
      assert.match(JSON.stringify((await ended("throws", "dead")).errors), /TypeError.*mine/);
      await isFree("thrown");
    });

    for (const type of ["holds", "python holds"]) {
      test(`ends the block of "${type}" when it is lost`, SLOW, async () => {
        const id = `lost-${type}`;
        await enqueue(id, type, { name: id, ttlMs: 1_000 });
        await holder(id);
        executor.kill("SIGSTOP");
        try {
          await isFree(id);
        } finally {
          executor.kill("SIGCONT");
        }
        assert.match(JSON.stringify((await ended(id, "dead")).errors), /"LockLost(Error)?".*was lost/);
      });
    }

    test("is one of 100 at the most of an attempt, with a name and times that can be", SLOW, async () => {
      await enqueue("greedy", "greedy");
      assert.match(String(await result("greedy")), /^LockRefusedError: an attempt holds 100 locks at most/);
      await isFree("greedy-0");
      await enqueue("wrong", "wrong");
      const [name = "", ttl = "", body = ""] = (await result("wrong")) as string[];
      assert.match(name, /^RangeError: the name of a lock must not be empty/);
      assert.match(ttl, /^RangeError: ttlMs must be 100 ms at least/);
      assert.match(body, /^TypeError: lock\(name, options, body\) takes a function; got undefined/);
    });
  });
}

test("inline handlers hold locks as those in runners do", SLOW, () =>
  Stage.with(async (stage) => {
    const url = `sqlite:${stage.path("queue.db")}`;
    await stage.write({ "tasks/all.mjs": HANDLERS });
    const executor = await stage.executor({ broker: url, tasks: stage.path("tasks"), args: ["--isolation", "inline"] });
    const [broker, client] = [await stage.client(url), await connect(url)];
    stage.atEnd(() => client.close());
    await client.withLock("one", {}, async () => {
      await broker.enqueue([requestOf("tries", "tries", "one")]);
      await recordOnce("dead", executor, broker, "tries");
    });
    await broker.enqueue([requestOf("holds", "holds", { name: "one", ttlMs: 86_400_000 })]);
    await untilBy(executor, "it is held", async () => (await broker.record("holds"))?.progress_msg.includes("pid"));
    assert.equal((await client.tryLock("one", {}, () => assert.fail())).taken, false);
    await broker.cancel(["holds"]);
    assert.equal(await client.withLock("one", { waitMs: 20_000 }, () => "mine"), "mine");
  }),
);
