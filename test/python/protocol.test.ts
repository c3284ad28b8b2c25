/** A Python worker answers its executor, also while a handler computes, and leaves nothing of it to others. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "./worker.ts";

const SLOW = { timeout: 60_000 };

const HANDLERS = `
import time
@task("compute")
def compute(payload, attempt):
    progress(0)
    while True: pass
@task("noop", payload=lambda payload: {"right": 1}[payload])
def noop(payload): return payload
`;

test("a ping is answered while it is idle, and while a handler computes", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  await worker.said("hello");
  worker.send({ kind: "ping", ask: 1 });
  assert.deepEqual(await worker.said("answer", ({ ask }) => ask === 1), { kind: "answer", ask: 1 });
  worker.run("compute");
  await worker.said("progress");
  worker.send({ kind: "ping", ask: 2 });
  await worker.said("answer", ({ ask }) => ask === 2);
});

test(
  "code that holds Python's own lock answers no ping: nothing could be done about it from inside",
  SLOW,
  async () => {
    await using worker = new Worker(`
import ctypes
@task("hold")
def hold(payload):
    progress(0)
    ctypes.PyDLL(None).usleep(900_000)
    progress(1)
`);
    const run = worker.run("hold");
    await worker.said("progress", ({ value }) => value === 0);
    worker.send({ kind: "ping", ask: 1 });
    await worker.said("progress", ({ value }) => value === 1);
    await worker.ending(run);
    await worker.said("answer");
    const kinds = worker.messages.map(({ kind }) => kind);
    assert.ok(kinds.indexOf("answer") > kinds.indexOf("progress"), "the ping waited for the call");
  },
);

test("the tree tells what runs and where it is, and what waits", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const [first, second] = [worker.run("compute"), worker.run("noop", "right")];
  await worker.said("progress");
  worker.send({ kind: "tree", ask: 1 });
  const { value } = await worker.said("answer");
  const [runs, waits] = value as { children: { name: string }[] }[];
  assert.match(runs?.children[0]?.name ?? "", /^compute \(\/\S+handlers\.py:\d+\)$/);
  assert.deepEqual(value, [
    { run: first, id: "task-1", type: "compute", children: runs?.children },
    { run: second, id: "task-2", type: "noop", children: [] },
  ]);
  assert.deepEqual(waits?.children, []);
});

test("a check tells whether a payload would be taken", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  worker.run("compute");
  await worker.said("progress");
  worker.send({ kind: "check", ask: 1, type: "noop", payload: "right" });
  worker.send({ kind: "check", ask: 2, type: "noop", payload: "wrong" });
  worker.send({ kind: "check", ask: 3, type: "other", payload: 1 });
  await worker.said("answer", ({ ask }) => ask === 3);
  const answers = worker.messages.filter((message) => message.kind === "answer");
  const message = `the payload was refused by the handler of "noop": KeyError: 'wrong'`;
  assert.deepEqual(
    answers.map(({ value }) => value),
    [{ ok: true }, { ok: false, message }, undefined],
  );
  assert.equal(answers[2]?.error?.code, "failed");
});

test("a snapshot of its allocations is written where they are traced, else it says how", SLOW, async () => {
  const folder = mkdtempSync(join(tmpdir(), "taskexe-snapshot-"));
  const path = join(folder, "one");
  try {
    await using plain = new Worker(HANDLERS);
    plain.send({ kind: "snapshot", ask: 1, path });
    assert.deepEqual((await plain.said("answer")).error, {
      code: "not_traced",
      message: "allocations are not traced: start the worker with PYTHONTRACEMALLOC=1 in its env",
    });
    await using traced = new Worker(HANDLERS, { env: { PYTHONTRACEMALLOC: "1" } });
    traced.send({ kind: "snapshot", ask: 1, path });
    assert.deepEqual((await traced.said("answer")).value, { path, format: "tracemalloc" });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    traced.send({ kind: "snapshot", ask: 2, path });
    assert.equal((await traced.said("answer", ({ ask }) => ask === 2)).error?.code, "not_written");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what it does not know it passes by, and what is no message costs its own line alone", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  worker.sendText('{"kind":"from the future","run":1}\n{"no":"kind"}\n\n[1]\nnonsense\n');
  worker.sendText('{"kind":"ping","ask":1,"more":{}}\n');
  await worker.said("answer");
  assert.deepEqual(
    worker.logs().map(({ level, text }) => [level, text.slice(0, 46)]),
    [
      ["error", "from the executor: a line is no JSON object"],
      ["error", "from the executor: a line is no message: Expec"],
    ],
  );
  assert.equal(await worker.result(worker.run("noop", "right")), 1);
});

test("a line that is no message for the tenth time ends it", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  worker.sendText("nonsense\n".repeat(10));
  assert.equal(await worker.exit(), 1);
});

test("after a stop it ends what it was handed over, and leaves", SLOW, async () => {
  await using worker = new Worker(`
import time
@task("slow")
def slow(payload):
    time.sleep(0.2)
    return payload
`);
  const runs = [worker.run("slow", 1), worker.run("slow", 2)];
  worker.send({ kind: "stop" });
  assert.equal(await worker.exit(), 0);
  assert.deepEqual(await Promise.all(runs.map((run) => worker.result(run))), [1, 2]);
});

test("it leaves though a thread of a handler goes on, and what is registered for the exit is done", SLOW, async () => {
  await using worker = new Worker(`
import atexit, threading, time
atexit.register(lambda: print("at the exit"))
@task("leave")
def leave(payload): threading.Thread(target=lambda: time.sleep(1_000)).start()
`);
  await worker.result(worker.run("leave"));
  worker.send({ kind: "stop" });
  assert.equal(await worker.exit(), 0);
});

test("an idle worker whose executor has gone leaves", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  await worker.said("hello");
  worker.end();
  assert.equal(await worker.exit(), 0);
});

test("what a handler starts holds none of its descriptors", SLOW, async () => {
  await using worker = new Worker(`
import multiprocessing, os, subprocess, sys
def held():
    places = [f"/proc/self/fd/{number}" for number in (3, 4)]
    targets = [os.readlink(place) for place in places if os.path.exists(place)]
    return [target for target in targets if target.startswith(("pipe:", "socket:"))]
def forked(answers):
    print("printed by a child")
    log.info("logged by a child")
    answers.put(held())
@task("start")
def start(payload):
    code = "import os; print([f for f in (3, 4) if os.path.exists(f'/proc/self/fd/{f}')])"
    started = subprocess.run([sys.executable, "-c", code], close_fds=False, stdout=subprocess.PIPE, text=True)
    return started.stdout.strip()
@task("fork")
def fork(payload):
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=forked, args=(answers,))
    child.start()
    child.join()
    return [child.exitcode, answers.get()]
@task("fork and return")
def fork_and_return(payload):
    child = os.fork()
    if child == 0: return "from the child"
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
`);
  assert.match(String(await worker.result(worker.run("start"))), /^\[\d?\]$/);
  assert.deepEqual(await worker.result(worker.run("fork")), [0, []]);
  assert.equal(await worker.result(worker.run("fork and return")), 0);
  assert.match(worker.output, /printed by a child/);
  assert.match(worker.output, /info: logged by a child/);
  assert.deepEqual(worker.logs(), []);
});

test("one that was not started by an executor says so, and what to do", SLOW, async () => {
  const { spawnSync } = await import("node:child_process");
  const { WORKER_FOLDER } = await import("./worker.ts");
  const code = 'from taskexe_worker import *\n@task("x")\ndef x(n): progress(1); print(n); return n + 1\nserve()';
  const env = { ...process.env, PYTHONPATH: WORKER_FOLDER, PYTHONDONTWRITEBYTECODE: "1" };
  const bare = spawnSync("python3", ["-c", code], { encoding: "utf8", env });
  assert.equal(bare.status, 2);
  assert.match(bare.stderr, /\[worker\.NAME\]\n {2}command = .*Its types: x/s);
  const tried = spawnSync("python3", ["-c", code, "x", "1"], { encoding: "utf8", env });
  assert.deepEqual([tried.status, tried.stdout, tried.stderr], [0, "1\n2\n", "progress: 1 \n"]);
});
