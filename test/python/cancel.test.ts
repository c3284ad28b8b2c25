/** A cancel reaches a Python handler wherever it is, and costs no other attempt; so does the end of the executor. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "./worker.ts";

const SLOW = { timeout: 60_000 };

const HANDLERS = `
import subprocess, threading, time, os
@task("compute")
def compute(payload, attempt):
    progress(0)
    while True: pass
@task("sleep")
def sleeping(payload):
    progress(0)
    time.sleep(1_000)
@task("child")
def child(payload):
    running = subprocess.Popen(["sleep", "1000"])
    progress(0, str(running.pid))
    try:
        running.wait()
    finally:
        running.kill(); running.wait()
@task("lock")
def locked(payload):
    lock = threading.Lock(); lock.acquire()
    progress(0)
    lock.acquire()
@task("own sleep")
def own_sleep(payload):
    progress(0)
    sleep(1_000)
@task("event")
def event(payload, attempt):
    try:
        progress(0)
        while True: pass
    except Cancelled as error:
        return [error.reason, attempt.cancel_reason, attempt.cancelled.is_set(), attempt.grace]
@task("swallow")
def swallow(payload):
    progress(0)
    while True:
        try:
            while True: time.sleep(1)
        except BaseException: progress_of()
def progress_of():
    try: progress(0.5)
    except Cancelled: log.info("still here")
@task("cleanup")
def cleanup(payload):
    try:
        progress(0)
        time.sleep(1_000)
    finally: raise ValueError("while cleaning up")
@task("noop")
def noop(payload): return payload
`;
const WAYS = ["compute", "sleep", "child", "lock", "own sleep"];

for (const type of WAYS) {
  test(`a handler that is in "${type}" is cancelled, and the worker goes on`, SLOW, async () => {
    await using worker = new Worker(HANDLERS);
    const run = worker.run(type);
    const { message } = await worker.said("progress", (said) => said.run === run);
    worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
    assert.deepEqual(await worker.ending(run), { kind: "stopped", run, begun: true });
    assert.equal(await worker.result(worker.run("noop", 7)), 7);
    if (message !== "") assert.throws(() => process.kill(Number(message), 0), /ESRCH/);
  });
}

test("one that catches its cancel knows why it is to stop, and what it gives is its result", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("event");
  await worker.said("progress");
  worker.send({ kind: "cancel", run, reason: "timeout", grace_ms: 2_500 });
  assert.deepEqual(await worker.result(run), ["timeout", "timeout", true, 2.5]);
});

test("an error while it cleans up is its end", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("cleanup");
  await worker.said("progress");
  worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
  const { error } = await worker.failure(run);
  assert.deepEqual([error.message, error.errors?.[0]?.name], ["while cleaning up", "Cancelled"]);
});

test("a run that waits behind another one is taken back at once, and was never begun", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const [first, second, third] = [worker.run("compute"), worker.run("noop"), worker.run("noop")];
  await worker.begun(first);
  worker.send({ kind: "cancel", run: second, reason: "cancelled", grace_ms: 0 });
  assert.deepEqual(await worker.ending(second), { kind: "stopped", run: second, begun: false });
  worker.send({ kind: "cancel", run: first, reason: "cancelled", grace_ms: 0 });
  await worker.ending(third);
});

test("cancels that come at any moment end their own run alone", { timeout: 120_000 }, async () => {
  await using worker = new Worker(`${HANDLERS}
@task("short")
def short(payload):
    for n in range(payload): progress(0.5)
    return "whole"
`);
  let stopped = 0;
  for (let round = 0; round < 400; round++) {
    const run = worker.run("short", round % 40);
    const behind = worker.run("noop", round);
    worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
    const ending = await worker.ending(run);
    if (ending.kind === "stopped") stopped++;
    else assert.equal(ending.kind, "done", JSON.stringify(ending));
    assert.equal(await worker.result(behind), round);
  }
  assert.ok(stopped > 0);
});

test("a cancel of a run that has ended, or never was, is passed by", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  await worker.result(worker.run("noop"));
  worker.send({ kind: "cancel", run: 1, reason: "lost", grace_ms: 0 });
  worker.send({ kind: "cancel", run: 99, reason: "lost", grace_ms: 0 });
  assert.equal(await worker.result(worker.run("noop", 2)), 2);
});

test("SIGTERM ends the handler, once more where it let the cancel pass, and the worker leaves", SLOW, async () => {
  await using worker = new Worker(`${HANDLERS}
@task("once")
def once(payload):
    try:
        progress(0)
        time.sleep(1_000)
    except Cancelled: progress_of()
    time.sleep(1_000)
`);
  const run = worker.run("once");
  await worker.said("progress");
  worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
  await worker.said("log", ({ text }) => text === "still here");
  worker.child.kill("SIGTERM");
  assert.equal((await worker.ending(run)).kind, "stopped");
  assert.equal(await worker.exit(), 143);
});

test("SIGTERM without a cancel costs the task no attempt, and what waits is left to other workers", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const [run, waits] = [worker.run("sleep"), worker.run("noop")];
  await worker.said("progress");
  worker.child.kill("SIGTERM");
  const { error, retry, retry_in_ms: retryInMs, later } = await worker.failure(run);
  assert.deepEqual([retry, retryInMs, later], [true, 0, true]);
  assert.equal(error.message, "the worker was told to leave by SIGTERM");
  assert.equal(await worker.exit(), 143);
  await assert.rejects(worker.ending(waits), /ended before run 2 did/);
});

test("an idle worker leaves on SIGTERM", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  await worker.result(worker.run("noop"));
  worker.child.kill("SIGTERM");
  assert.equal(await worker.exit(), 143);
});

test("SIGINT is for the executor alone", SLOW, async () => {
  await using worker = new Worker(HANDLERS);
  const run = worker.run("compute");
  await worker.said("progress");
  worker.child.kill("SIGINT");
  worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
  assert.equal((await worker.ending(run)).kind, "stopped");
});

for (const type of ["compute", "swallow"]) {
  test(`a worker whose executor has gone leaves within two seconds, out of "${type}", too`, SLOW, async () => {
    await using worker = new Worker(HANDLERS);
    worker.run(type);
    await worker.said("progress");
    const begun = performance.now();
    worker.end();
    await worker.exit();
    assert.ok(performance.now() - begun < 10_000);
  });
}

test("a handler that takes the worker's signal for itself is cancelled all the same", SLOW, async () => {
  await using worker = new Worker(`
import signal
@task("take")
def take(payload):
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    progress(0)
    while True: pass
`);
  const run = worker.run("take");
  await worker.said("progress");
  worker.send({ kind: "cancel", run, reason: "cancelled", grace_ms: 1_000 });
  assert.equal((await worker.ending(run)).kind, "stopped");
});
