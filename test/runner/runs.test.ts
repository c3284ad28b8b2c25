/** A runner: what it loads, what it says of its runs, and how it leaves; on each runtime, as a real process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ON_BUN, ON_DENO, ON_NODE, type Program } from "../stage/programs.ts";
import { RunnerProcess } from "../stage/runner.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const HANDLERS = `
import { defineTask, DoNotRetryError, RetryLaterError, sleep, sleepForever } from "taskexe";
import * as v from "valibot";

export const add = defineTask({
  type: "add",
  attempts: 7,
  payload: v.object({ a: v.number(), b: v.optional(v.number(), 40) }),
  run: ({ payload }) => ({ sum: payload.a + payload.b }),
});
export const tell = defineTask({
  type: "tell",
  async run({ progress, log, task, attempt, payload }) {
    await progress(0.5, "half");
    log.info("read {count}", { count: 3, error: new Error("odd") });
    console.log("standard output is mine");
    return { id: task.id, attempt, queue: task.queue, message: task.message, payload };
  },
});
export const wait = defineTask({
  type: "wait",
  async run({ signal, nursery }) {
    nursery.startSoon((task) => sleepForever(task.signal), { name: "inner" });
    console.log("it waits");
    await sleepForever(signal);
  },
});
export const heed = defineTask({
  type: "heed",
  async run({ signal }) {
    await sleepForever(signal).catch(() => {});
    return signal.reason.source + ": " + signal.reason.reason;
  },
});
export const deaf = defineTask({ type: "deaf", run: () => new Promise(() => {}) });
export const never = defineTask({ type: "never", run: () => { throw new DoNotRetryError("no use"); } });
export const later = defineTask({ type: "later", run: () => { throw new RetryLaterError(5000); } });
export const backoff = defineTask({
  type: "backoff",
  backoff: (attempt, error) => attempt * 1000 + (error.name === "TimeoutError" ? 1 : 0),
  run: ({ payload, signal }) => (payload === "wait" ? sleepForever(signal) : Promise.reject(new Error("again"))),
});
export const huge = defineTask({ type: "huge", run: () => "x".repeat(2 ** 20) });
export const spin = defineTask({ type: "spin", run: () => { for (;;); } });
export const lateLog = defineTask({
  type: "late-log",
  run({ log, progress }) {
    setTimeout(() => { log.warn("too late"); progress(1); }, 1);
  },
});
`;

async function withRunner(program: Program, use: (runner: RunnerProcess) => Promise<void>): Promise<void> {
  await Stage.with(async (stage) => {
    await stage.write({ "tasks/all.ts": HANDLERS });
    await use(RunnerProcess.start(stage, [stage.path("tasks")], program));
  });
}

for (const [name, program] of Object.entries({ Bun: ON_BUN, "Node.js": ON_NODE, Deno: ON_DENO })) {
  test(`on ${name}: it says hello, runs what it is given, and leaves when told to`, SLOW, async () => {
    await withRunner(program, async (runner) => {
      const hello = await runner.hello();
      assert.equal(hello.protocol, 1);
      const add = hello.types.find(({ type }) => type === "add");
      assert.equal(add?.attempts, 7);
      assert.deepEqual(add.payload_schema?.required, ["a"]);
      assert.equal(
        hello.types.some(({ type }) => type === "noop"),
        false,
      );
      const runs = [runner.run({ type: "add", payload: { a: 2 } }), runner.run({ type: "add", payload: { a: "2" } })];
      assert.deepEqual(await runner.ending(runs[0] ?? 0), { kind: "done", run: 1, result: { sum: 42 } });
      const refused = await runner.ending(runs[1] ?? 0);
      assert.equal(refused.kind === "failed" && !refused.retry && refused.error.name, "PayloadError");
      runner.tell({ kind: "stop" });
      assert.deepEqual(await runner.exit, { code: 0, signal: null });
    });
  });

  test(`on ${name}: the handler's progress, log and result come, and standard output is its own`, SLOW, async () => {
    await withRunner(program, async (runner) => {
      const run = runner.run({ type: "tell", id: "the-id", attempt: 3, payload: [1] });
      const ending = await runner.ending(run);
      const message = { id: "the-id", task_type: "tell", payload: [1] };
      const result = { id: "the-id", attempt: 3, queue: "common", message, payload: [1] };
      assert.deepEqual(ending, { kind: "done", run, result });
      assert.deepEqual(await runner.says("progress"), { kind: "progress", run, value: 0.5, message: "half" });
      const log = await runner.says("log");
      assert.deepEqual([log.run, log.level, log.text, log.fields?.count], [run, "info", "read {count}", 3]);
      assert.match(String(log.fields?.error), /Error: odd/);
      await runner.prints("standard output is mine\n");
    });
  });

  test(`on ${name}: a cancel reaches the handler, and its end is told`, SLOW, async () => {
    await withRunner(program, async (runner) => {
      const run = runner.run({ type: "wait" });
      await runner.prints("it waits");
      runner.cancel(run, "cancelled");
      assert.deepEqual(await runner.ending(run), { kind: "stopped", run, begun: true });
    });
  });

  test(`on ${name}: begun is said before a handler that never lets go is called`, SLOW, async () => {
    await withRunner(program, async (runner) => {
      await runner.hello();
      const run = runner.run({ type: "spin" });
      assert.deepEqual((await runner.says("begun")).runs, [run]);
    });
  });

  test(`on ${name}: it leaves at once at the end of file, whatever runs`, SLOW, async () => {
    await withRunner(program, async (runner) => {
      runner.run({ type: "deaf" });
      await runner.says("begun");
      runner.close();
      assert.deepEqual(await runner.exit, { code: 0, signal: null });
    });
  });
}

test("each reason of a cancel is what the handler's signal tells", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    await runner.hello();
    const told: unknown[] = [];
    for (const reason of ["cancelled", "timeout", "deadline", "lost", "drain"] as const) {
      const run = runner.run({ type: "heed" });
      await runner.says("begun", ({ runs }) => runs.includes(run));
      runner.cancel(run, reason);
      const ending = await runner.ending(run);
      told.push(ending.kind === "done" ? ending.result : ending);
    }
    assert.deepEqual(told, [
      "explicit: cancelled",
      "deadline: the deadline has passed",
      "deadline: the deadline has passed",
      "explicit: the lease was lost",
      "explicit: the executor is leaving",
    ]);
  });
});

test("a run that is cancelled before it has begun is never called", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    await runner.hello();
    const task = { id: "a", type: "wait", queue: "common", priority: 0, queued_at: null };
    const run = JSON.stringify({ kind: "run", run: 1, task, attempt: 1, crashes: 0, payload: null });
    const cancel = JSON.stringify({ kind: "cancel", run: 1, reason: "cancelled", grace_ms: 0 });
    runner.send(`${run}\n${cancel}\n`);
    assert.deepEqual(await runner.ending(1), { kind: "stopped", run: 1, begun: false });
    await runner.ask({ kind: "ping" });
    assert.equal(runner.stdout, "");
    assert.equal(
      runner.said.some(({ kind }) => kind === "begun"),
      false,
    );
  });
});

test("what a handler throws says whether and when it is tried again", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    const ended = async (run: number) => {
      const ending = await runner.ending(run);
      assert.equal(ending.kind, "failed");
      return ending.kind === "failed" ? [ending.error.name, ending.retry, ending.retry_in_ms, ending.later] : [];
    };
    assert.deepEqual(await ended(runner.run({ type: "never" })), ["DoNotRetryError", false, undefined, false]);
    assert.deepEqual(await ended(runner.run({ type: "later" })), ["RetryLaterError", true, 5000, true]);
    assert.deepEqual(await ended(runner.run({ type: "backoff", attempt: 2 })), ["Error", true, undefined, false]);
    const asked = runner.run({ type: "backoff", attempt: 2, asksForDelay: true });
    assert.deepEqual(await ended(asked), ["Error", true, 2000, false]);
  });
});

test("after a timeout the backoff function is asked, too", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    await runner.hello();
    const run = runner.run({ type: "backoff", payload: "wait", attempt: 3, asksForDelay: true });
    await runner.says("begun");
    runner.cancel(run, "timeout");
    assert.deepEqual(await runner.ending(run), { kind: "stopped", run, begun: true, retry_in_ms: 3001 });
  });
});

test("a foreign message is the payload, too", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    const message = { id: "f", task_type: "tell", doc_id: "d" };
    const ending = await runner.ending(runner.run({ type: "tell", message }));
    const { message: told, payload } = ending.kind === "done" ? (ending.result as Record<string, unknown>) : {};
    assert.deepEqual([told, payload], [message, message]);
  });
});

test("a result that is too large is left out, and it is said why", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    const ending = await runner.ending(runner.run({ type: "huge" }));
    assert.equal(ending.kind === "done" && ending.result, undefined);
    assert.match((ending.kind === "done" && ending.omitted) || "", /characters of JSON; at most/);
  });
});

test("what is logged after the end goes to the executor's log, and progress nowhere", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    const run = runner.run({ type: "late-log", id: "gone" });
    const log = await runner.says("log");
    assert.deepEqual([log.run, log.text, log.fields], [undefined, "too late", { id: "gone", type: "late-log" }]);
    await runner.ask({ kind: "ping" });
    assert.deepEqual(
      runner.said.flatMap((message) => ("run" in message && message.run === run ? [message.kind] : [])),
      ["done"],
    );
  });
});

test("a type that no file defines fails its run, and nothing else", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    const ending = await runner.ending(runner.run({ type: "nobody" }));
    assert.equal(ending.kind === "failed" && ending.error.name, "UnknownTypeError");
    assert.equal((await runner.ending(runner.run({ type: "add", payload: { a: 1 } }))).kind, "done");
  });
});

test("told to stop it takes what runs to its end first", SLOW, async () => {
  await withRunner(ON_BUN, async (runner) => {
    await runner.hello();
    const run = runner.run({ type: "heed" });
    await runner.says("begun");
    runner.tell({ kind: "stop" });
    runner.cancel(run, "drain");
    assert.equal((await runner.ending(run)).kind, "done");
    assert.deepEqual(await runner.exit, { code: 0, signal: null });
  });
});
