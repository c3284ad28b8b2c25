/**
 * What a failure leads to, on both brokers: another attempt after the backoff that the enqueue, the definition or the
 * configuration names, or the end where the error, the attempts, the deadline or the crash budget say so. In a runner
 * and in the executor alike; what kills its executor is inline alone.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { connect } from "../../../src/index.ts";
import { prepareTask, requestOf } from "../../../src/task/message/new-task.ts";
import type { EnqueueOptions } from "../../../src/task/options/enqueue-options.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { drained } from "../../stage/executor.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { PATIENCE_MS, recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/retries.ts": `import { appendFileSync, readFileSync } from "node:fs";
    import { defineTask, DoNotRetryError, RetryLaterError, sleep } from "taskexe";
    export const fails = defineTask({ type: "fails", run() { throw new Error("as ever"); } });
    export const fixed = defineTask({ type: "fixed", attempts: 2, backoff: { kind: "fixed", delay_ms: 20 },
      run() { throw new Error("twice"); } });
    export const own = defineTask({ type: "own", backoff: (attempt, error) => error.message.length * attempt,
      run({ attempt }) { if (attempt < 3) throw new Error("of 9 long"); return attempt; } });
    export const never = defineTask({ type: "never", run() { throw new DoNotRetryError("no use"); } });
    export const child = defineTask({ type: "child", run({ nursery }) {
      nursery.startSoon(() => { throw new DoNotRetryError("a child says no"); }, { name: "a child" });
      nursery.startSoon(() => { throw new TypeError("another child"); });
    } });
    const runs = new Map();
    const nth = (id) => { runs.set(id, (runs.get(id) ?? 0) + 1); return runs.get(id); };
    export const later = defineTask({ type: "later", backoff: { kind: "fixed", delay_ms: 600_000 }, attempts: 1,
      run({ attempt, task, payload }) {
        const run = nth(task.id);
        if (run <= (payload.times ?? 1)) throw new RetryLaterError(payload.ms);
        return { run, attempt }; } });
    export const both = defineTask({ type: "both", attempts: 2, run({ task, nursery }) {
      if (nth(task.id) === 1) throw new RetryLaterError(1);
      nursery.startSoon(() => { throw new RetryLaterError(1); }, { name: "asks" });
      nursery.startSoon(() => { throw new TypeError("fails"); }, { name: "fails" });
    } });
    export const inTurn = defineTask({ type: "inTurn", attempts: 2, run({ task, attempt }) {
      const run = nth(task.id);
      if (run === 4) throw new Error("a failure in between");
      if (run <= 7) throw new RetryLaterError(1);
      return { run, attempt };
    } });
    export const slow = defineTask({ type: "slow", run: ({ signal }) => sleep(60_000, signal) });
    export const killer = defineTask({ type: "killer", run() { process.kill(process.pid, "SIGKILL"); } });
    export const unlucky = defineTask({ type: "unlucky", backoff: { kind: "fixed", delay_ms: 1 }, run() {
      const file = new URL("unlucky-runs", import.meta.url);
      appendFileSync(file, ".");
      const runs = readFileSync(file).length;
      if (runs === 2) throw new Error("the second time");
      process.kill(process.pid, "SIGKILL");
    } });
    export const steady = defineTask({ type: "steady", run: ({ signal }) => sleep(700, signal) });
    export const early = defineTask({ type: "early", run: () => "ran" });
    export const talks = defineTask({ type: "talks", async run({ log, signal }) {
      log.info("first words");
      await sleep(350, signal);
      log.error(new Error("last words"));
    } });
    export const placed = defineTask({ type: "placed", queue: "other", priority: 7, deadlineMs: 60_000, unique: {},
      run: ({ task }) => ({ queue: task.queue, priority: task.priority }) });`,
};

const SETTINGS = `
attempts = 3
retry_later_limit = 3
backoff = "fixed"
backoff_delay = "30ms"
timeout = "20s"
priorities = 10
queues = ["common", "other"]
`;

const PLACES = (["redis", "sqlite"] as const).flatMap((kind) =>
  (["shared", "inline"] as const).map((isolation) => ({ kind, isolation })),
);

for (const { kind, isolation } of PLACES) {
  const isInline = isolation === "inline";
  // What a module remembers is remembered in its runner alone.
  const where = ["--isolation", isolation, "--runners", "1"];

  describe(`a failure on ${kind}, handlers ${isolation}`, () => {
    let stage: Stage;
    let url: string;
    let tasks: string;
    let executor: ExecutorProcess;
    let broker: Broker;

    before(async () => {
      stage = Stage.make();
      url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      tasks = await stage.write({ ...TASKS, "taskexe.toml": SETTINGS });
      executor = await start();
      broker = await stage.client(url);
    }, SLOW);
    after(() => stage.end());

    const start = (...more: string[]): Promise<ExecutorProcess> => {
      const folders = more.flatMap((folder) => ["--tasks", join(stage.folder, folder)]);
      const args = ["--config", join(stage.folder, "taskexe.toml"), ...where, ...folders];
      return stage.executor({ broker: url, tasks, name: "first", lease: "1s", args });
    };

    /** Starts one that dies of what it takes up; it may do so before anybody has seen that it listens. */
    const startAndDie = async (): Promise<void> => {
      const own = ["--broker", url, "--tasks", tasks, "--name", "first", "--lease", "1s", "--listen", "off", ...where];
      const begun = performance.now();
      const { code, stderr } = await stage.run(["run", ...own, "--config", join(stage.folder, "taskexe.toml")]);
      // It was not we who killed it, since it took too long.
      assert.ok(code === null && performance.now() - begun < PATIENCE_MS, `it left with ${code}:\n${stderr}`);
    };

    const enqueue = async (id: string, options: EnqueueOptions = {}, payload: unknown = null): Promise<void> => {
      const type = id.replace(/-.*/, "");
      const surroundings = { now: broker.now(), retentionMs: 3_600_000 };
      await broker.enqueue([requestOf(prepareTask(type, payload, { ...options, id }, surroundings), broker.now())]);
    };

    const ends = (state: "done" | "dead", id: string): Promise<TaskRecord> => recordOnce(state, executor, broker, id);

    test("has the attempts and the backoff of the configuration where nobody else says", SLOW, async () => {
      await enqueue("fails");
      const record = await ends("dead", "fails");
      assert.deepEqual([record.attempt, record.reason, record.completions], [3, "as ever", 0]);
      assert.match(record.error?.stack ?? "", /retries\.ts/);
    });

    test("has those of the definition, and those of the enqueue before them", SLOW, async () => {
      await enqueue("fixed");
      await enqueue("fixed-4", { attempts: 4, backoff: { kind: "exponential", delay_ms: 5, max_ms: 10 } });
      assert.equal((await ends("dead", "fixed")).attempt, 2);
      assert.equal((await ends("dead", "fixed-4")).attempt, 4);
    });

    test("asks a function of attempt and error for the delay", SLOW, async () => {
      await enqueue("own");
      const record = await ends("done", "own");
      assert.deepEqual([record.result, record.attempt], [3, 3]);
    });

    test("ends at once where the error says that it is no use, a child's too", SLOW, async () => {
      await enqueue("never");
      await enqueue("child");
      const alone = await ends("dead", "never");
      assert.deepEqual([alone.attempt, alone.reason], [1, "DoNotRetryError: no use"]);
      const group = await ends("dead", "child");
      assert.equal(group.attempt, 1);
      assert.deepEqual(
        group.error?.parts?.map(({ name, message }) => `${name}: ${message}`),
        ["DoNotRetryError: a child says no", "TypeError: another child"],
      );
    });

    test("waits as long as the error says, whatever the backoff is", SLOW, async () => {
      const before = broker.now();
      await enqueue("later-seen", {}, { ms: 300_000 });
      const waiting = await recordOnce("retrying", executor, broker, "later-seen");
      const dueIn = (waiting.due_at ?? Number.NaN) - before;
      const most = broker.now() - before + 300_000;
      assert.ok(dueIn >= 299_900 && dueIn <= most + 100, `it is due in ${dueIn} ms, at most ${most} ms were asked for`);

      await enqueue("later", {}, { ms: 500 });
      const record = await ends("done", "later");
      assert.deepEqual([record.result, record.attempt], [{ run: 2, attempt: 1 }, 1]);
      const waited = (record.started_at ?? 0) - (record.enqueued_at ?? Number.NaN);
      assert.ok(waited >= 400 && waited < 20_000, `it began anew ${waited} ms after it was enqueued`);
    });

    test("costs no attempt where the handler asks for it, as often in a row as the setting allows", SLOW, async () => {
      await enqueue("later-thrice", {}, { ms: 1, times: 3 });
      assert.deepEqual((await ends("done", "later-thrice")).result, { run: 4, attempt: 1 });
      await enqueue("later-always", {}, { ms: 1, times: 1_000 });
      const { reason, attempt } = await ends("dead", "later-always");
      const said = "asked 3 times in a row to be tried later (retry_later_limit): RetryLaterError: retry in 1 ms";
      assert.deepEqual([reason, attempt], [said, 1]);
      // By hand the row begins anew.
      await enqueue("later-some", {}, { ms: 1, times: 5 });
      await ends("dead", "later-some");
      await broker.retry(["later-some"]);
      assert.deepEqual((await ends("done", "later-some")).result, { run: 6, attempt: 1 });
    });

    test(
      "ends a row of asking, and is one itself where a part of the task asked and another failed",
      SLOW,
      async () => {
        await enqueue("inTurn");
        assert.deepEqual((await ends("done", "inTurn")).result, { run: 8, attempt: 2 });
        await enqueue("both");
        const { attempt, error } = await ends("dead", "both");
        assert.deepEqual([attempt, error?.parts?.length], [2, 2]);
      },
    );

    test("is what a timeout is, and retried as one", SLOW, async () => {
      await enqueue("slow", { timeoutMs: 50, attempts: 2 });
      const record = await ends("dead", "slow");
      assert.equal(record.attempt, 2);
      assert.equal(record.reason, "TimeoutError: the attempt took longer than its 50 ms and was stopped");
    });

    test("is not retried beyond the deadline, which ends a running attempt too", SLOW, async () => {
      await enqueue("fails-late", { deadlineAt: broker.now() + 60_000, backoff: { kind: "fixed", delay_ms: 90_000 } });
      assert.equal((await ends("dead", "fails-late")).attempt, 1);
      await enqueue("slow-late", { deadlineAt: broker.now() + 300 });
      assert.equal((await ends("dead", "slow-late")).attempt, 1);
    });

    test("of a task that comes after its deadline is told as that, and nothing of it runs", SLOW, async () => {
      await enqueue("early", { deadlineAt: broker.now() - 1_000 });
      const record = await ends("dead", "early");
      assert.match(record.reason ?? "", /^its deadline, 20.*Z, passed before the attempt could begin$/);
      assert.equal(record.result, null);
      await broker.retry(["early"]);
      assert.equal((await ends("done", "early")).result, "ran");
    });

    test("a type that comes to be known costs a task none of its attempts", SLOW, async () => {
      await enqueue("newcomer", { attempts: 2, backoff: { kind: "fixed", delay_ms: 10 } });
      const waiting = await recordOnce("retrying", executor, broker, "newcomer");
      assert.equal(waiting.attempt, 0);
      assert.match(waiting.error?.message ?? "", /no handler for the type "newcomer"/);
      await stage.write({
        "deployed/newcomer.ts": `import { defineTask } from "taskexe";
          export default defineTask({ type: "newcomer", run({ attempt }) {
            if (attempt === 1) throw new Error("once"); return attempt; } });`,
      });
      assert.equal(await drained(executor), 0);
      executor = await start("deployed");
      const record = await ends("done", "newcomer");
      assert.deepEqual([record.result, record.attempt], [2, 2]);
    });

    test("has its log whole by the time its end is seen", SLOW, async () => {
      await enqueue("talks");
      await ends("done", "talks");
      const lines = (await broker.logs("talks")).map(({ level, text }) => `${level}: ${text.split("\n")[0]}`);
      assert.deepEqual(lines, ["info: first words", "error: Error: last words"]);
    });

    test("a definition says where its tasks go, through the API too", SLOW, async () => {
      const post = await fetch(`http://127.0.0.1:${executor.port}/api/v1/tasks`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"type":"placed","id":"placed-1"}',
      });
      assert.equal(post.status, 201, await post.text());
      assert.deepEqual((await ends("done", "placed-1")).result, { queue: "other", priority: 7 });

      await using client = await connect(url, { priorities: 10 });
      const definition = { type: "placed", queue: "other", priority: 3 };
      const { id } = await client.enqueue(definition, null, { priority: 9 });
      assert.deepEqual((await ends("done", id)).result, { queue: "other", priority: 9 });
    });

    /** Enqueues a task that kills every executor that runs it, so many of them; another one is up after that. */
    const kills = async (id: string, executors: number): Promise<TaskRecord> => {
      await enqueue(id, { crashBudget: 1 });
      await executor.ended;
      for (let died = 1; died < executors; died++) await startAndDie();
      executor = await start();
      return ends("dead", id);
    };
    const ALONE = "while it ran alone (crash budget 1): its executor died or stalled";
    const QUARANTINED = `quarantined: its process died 2 times ${ALONE}`;

    // The last ones, since they end the executor. Two die over it in company, then one beside one other at most.
    const last = { ...SLOW, skip: !isInline };
    test("does not give a task that kills its executors a new crash budget", last, async () => {
      const { reason, attempt, crashes } = await kills("unlucky", 6);
      assert.deepEqual([reason, attempt, crashes], [QUARANTINED, 2, 2]);
    });

    test("of the executor convicts the task that ran alone, and charges none that ran beside it", last, async () => {
      const neighbours = Array.from({ length: 8 }, (_, index) => `steady-${index}`);
      for (const id of neighbours) await enqueue(id, { crashBudget: 0 });
      const { reason, attempt, errors } = await kills("killer", 5);
      assert.deepEqual([reason, attempt], [QUARANTINED, 1]);
      assert.match(errors[0]?.message ?? "", /^2 executors died or stalled over it$/);
      for (const id of neighbours) assert.equal((await ends("done", id)).crashes, 0, id);
      await untilBy(executor, "its slot is free", async () => (await executor.busySlots()) === 0);
    });
  });
}
