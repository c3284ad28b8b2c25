/** An executor with a Python worker of its configuration file: what becomes of its tasks, however they end. */
import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { builtOnce, type Program } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const HANDLERS = `
import os, signal, time
from taskexe_worker import *
@task("word_count", attempts=3)
def word_count(payload):
    print("counting", payload["text"])
    progress(0.5, "half")
    log.info("nearly")
    return {"words": len(payload["text"].split()), "pid": os.getpid()}
@task("compute")
def compute(payload):
    progress(0, "begun")
    while True: pass
@task("sleep")
def sleeping(payload):
    progress(0, "begun")
    time.sleep(1_000)
@task("meet")
def meet(payload):
    "Ends once so many processes are here."
    open(f"met-{os.getpid()}", "w").close()
    while len([name for name in os.listdir(".") if name.startswith("met-")]) < 2: time.sleep(0.01)
@task("die", crash_budget=1)
def die(payload):
    print("before the end")
    os.kill(os.getpid(), getattr(signal, payload["signal"]))
    time.sleep(1_000)
@task("deaf")
def deaf(payload):
    progress(0, "begun")
    while True:
        try: time.sleep(1)
        except BaseException: pass
@task("fail", attempts=2, backoff=lambda attempt, error: 0.01)
def fail(payload): raise ValueError(f"attempt {current().attempt}")
@task("left out")
def left_out(payload): return {1, 2}
serve()
`;
const SETTINGS = `
broker = "sqlite:.state/queue.db"
concurrency = 8
grace = "500ms"
[worker.snake]
command = ["python3", "handlers.py"]
processes = 2
`;

describe("a Python worker of an executor", () => {
  const stage = Stage.make();
  after(() => stage.end());
  const executable = builtOnce(() => stage.path("taskexe"));
  let program: Program;

  before(async () => {
    program = await executable();
    await start(stage, program);
  }, SLOW);

  const run = (...args: string[]) => stage.run([...args, "--config", "taskexe.toml"], { program });
  const enqueue = (type: string, payload: unknown, ...flags: string[]) =>
    run("enqueue", type, JSON.stringify(payload), ...flags);
  const record = async (id: string) => JSON.parse((await run("task", id, "--json")).stdout);

  /** Enqueues it, and waits until its handler was called. */
  async function begun(type: string, id: string, ...flags: string[]): Promise<void> {
    await enqueue(type, {}, "--id", id, ...flags);
    await until(`${id} has begun`, 30_000, async () => JSON.stringify(await record(id)).includes("begun"));
  }

  async function ended(id: string, state: string) {
    await until(`${id} is ${state}`, 60_000, async () => (await record(id)).state === state);
    return record(id);
  }

  test("a task is done, with its result, its progress, and what it printed in its log", SLOW, async () => {
    const { code, stdout, stderr } = await enqueue("word_count", { text: "one two" }, "--id", "count", "--wait");
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).words, 2);
    const told = JSON.stringify(await record("count"));
    for (const text of ["counting one two", "half", "nearly"]) assert.ok(told.includes(text), told);
  });

  test(
    "one that fails is tried again when its backoff function says, and its error has Python's stack",
    SLOW,
    async () => {
      await enqueue("fail", {}, "--id", "fails");
      const { errors } = await ended("fails", "dead");
      assert.deepEqual(
        errors.map(({ name, message }: { name: string; message: string }) => [name, message]),
        [
          ["ValueError", "attempt 1"],
          ["ValueError", "attempt 2"],
        ],
      );
      assert.match(errors[0].stack, /handlers\.py", line \d+, in fail/);
    },
  );

  for (const type of ["compute", "sleep", "deaf"]) {
    test(`a cancel ends one that is in "${type}", and another one runs`, SLOW, async () => {
      await begun(type, `cancel-${type}`);
      assert.equal((await run("cancel", `cancel-${type}`)).code, 0);
      await ended(`cancel-${type}`, "cancelled");
      assert.equal((await enqueue("word_count", { text: "a" }, "--wait")).code, 0);
    });
  }

  test("a timeout ends an endless computation", SLOW, async () => {
    await enqueue("compute", {}, "--id", "late", "--timeout", "300ms", "--attempts", "1");
    const { errors } = await ended("late", "dead");
    assert.match(JSON.stringify(errors), /TimeoutError|timed out|longer than/i);
  });

  test("a task that kills its process is charged with what the process died of, and nobody else is", SLOW, async () => {
    const neighbours = Array.from({ length: 5 }, (_, n) =>
      enqueue("word_count", { text: "a" }, "--id", `good-${n}`, "--wait"),
    );
    for (const signal of ["SIGKILL", "SIGSEGV"]) {
      await enqueue("die", { signal }, "--id", signal);
      const told = JSON.stringify(await ended(signal, "dead"));
      assert.match(told, /quarantined/);
      assert.ok(told.includes(`killed by ${signal}`), told);
      assert.ok(told.includes("before the end"), told);
    }
    for (const { code, stderr } of await Promise.all(neighbours)) assert.equal(code, 0, stderr);
    for (let n = 0; n < 5; n++) assert.deepEqual((await record(`good-${n}`)).errors ?? [], []);
  });

  test("a result that is none is left out, and the record says why", SLOW, async () => {
    await enqueue("left out", {}, "--id", "left-out", "--wait");
    assert.match(JSON.stringify(await record("left-out")), /not JSON serializable/);
  });

  test("two processes run side by side", SLOW, async () => {
    // One more than there are processes: the first one also has a run that waits in it.
    const met = await Promise.all([1, 2, 3].map(() => enqueue("meet", {}, "--wait")));
    for (const { code, stderr } of met) assert.equal(code, 0, stderr);
  });

  test("an executor that leaves, leaves none of them behind", SLOW, () =>
    Stage.with(async (own) => {
      const leaving = await start(own, program);
      const flags = ["--config", "taskexe.toml"];
      const counted = await own.run(["enqueue", "word_count", '{"text":"a"}', "--wait", ...flags], { program });
      const { pid } = JSON.parse(counted.stdout);
      await own.run(["enqueue", "compute", "{}", ...flags], { program });
      await until("it computes", 30_000, async () => (await leaving.busySlots()) === 1);
      assert.equal(await drained(leaving), 0);
      assert.throws(() => process.kill(pid, 0), /ESRCH/);
    }),
  );
});

/** With the files of a project in its folder. */
async function start(stage: Stage, program: Program): Promise<ExecutorProcess> {
  await stage.write({ "handlers.py": HANDLERS, "taskexe.toml": SETTINGS });
  await copyFile(join(ROOT, "python/taskexe_worker.py"), stage.path("taskexe_worker.py"));
  return stage.executor({ program, cwd: stage.folder, args: ["--config", "taskexe.toml"] });
}
