/**
 * A runner is not told its executor's broker: connect() without an address goes through the executor there, and never
 * means another queue. On the executable, on Bun, Node.js and Deno, from handlers and from the Workers that they start.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtOnce, ON_BUN, ON_DENO, ON_NODE } from "../stage/programs.ts";
import { RunnerProcess } from "../stage/runner.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce } from "../stage/until.ts";

const HANDLERS = `
import { connect, defineTask } from "taskexe";
import { Worker } from "node:worker_threads";

const atImport = await connect();
const tooEarly = await atImport.enqueue("child", 0).catch(({ name, message }) => name + ": " + message);
const told = (promise) => promise.then((value) => value, ({ name, message }) => name + ": " + message);

export const child = defineTask({ type: "child", priority: 3, retentionMs: 3_600_000, run() {} });
export const parent = defineTask({ type: "parent", async run({ payload: far }) {
  process.chdir("/");
  const client = await connect();
  const one = await client.enqueue(child, { exact: 1 }, { id: "one", delayMs: 3_600_000 });
  const again = await client.enqueue("child", null, { id: "one" });
  const items = Array.from({ length: 1_100 }, (_, n) => ({ payload: n, id: "many-" + n, delayMs: 3_600_000 }));
  const many = await client.enqueueMany("child", items);
  const record = await client.task("one");
  const [cancelled] = await client.cancel("one");
  const found = {
    tooEarly, one, again, many: [many.length, many.every(({ created }) => created)],
    record: [record.state, record.priority, record.queue, await client.task("nobody")],
    cancelled,
    wrong: await told(client.enqueue("child", 1, { priority: 99 })),
    misspelt: await told(client.enqueue("child", 1, { prio: 1 })),
    counts: await told(client.counts()),
    lock: await told(client.withLock("report", {}, async ({ name, fence, isHeld, signal }) => {
      const other = await connect();
      const held = await other.tryLock("report", {}, () => "both");
      const waits = other.withLock("report", { waitMs: 60_000 }, ({ fence: later }) => later > fence);
      await new Promise((resolve) => setTimeout(resolve, 300));
      setTimeout(() => waits.then(() => other.close()));
      return { name, isHeld, isLost: signal.aborted, held, waits: () => waits };
    }).then(async ({ waits, ...rest }) => ({ ...rest, waited: await waits() }))),
    wrongLock: await told(client.withLock("", {}, () => 1)),
    takenName: await told(client.withLock("taskexe:x", {}, () => 1)),
    schedules: await told(client.schedules.list()),
    byFilter: await told(client.cancel({ type: "child" })),
    retried: await told(client.retry({ type: "child", state: "cancelled" })),
  };
  await client.close();
  const closed = await told(client.enqueue("child"));
  const other = await connect(far);
  await other.enqueue("echo", "far", { id: "far" });
  await other.close();
  return { ...found, closed };
} });
export const ofWorker = defineTask({ type: "of a Worker", run: () => new Promise((resolve, reject) => {
  const worker = new Worker(new URL("./_worker.mjs", import.meta.url));
  worker.on("message", resolve);
  worker.on("error", reject);
  worker.on("exit", () => reject(new Error("it left without a word")));
}) });
`;

const WORKER = `
import { connect } from "taskexe";
import { parentPort } from "node:worker_threads";
const client = await connect();
const receipt = await client.enqueue("child", "of a Worker", { id: "child-of-a-worker" });
await client.close();
parentPort.postMessage(receipt);
`;

const PROGRAMS: Readonly<Record<string, () => Promise<[string, ...string[]]>>> = {
  "the executable": builtOnce(() => join(stage.folder, "bin/taskexe")),
  Bun: async () => ON_BUN,
  "Node.js": async () => ON_NODE,
  Deno: async () => ON_DENO,
};

let stage: Stage;

describe("connect() without an address, in a runner", () => {
  before(async () => {
    stage = Stage.make();
    await stage.write({ "tasks/all.mjs": HANDLERS, "tasks/_worker.mjs": WORKER });
  });
  after(() => stage.end());

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    test(`enqueues, reads and cancels through the executor: ${name}`, SLOW, async () => {
      const broker = `sqlite:${stage.path(`${name}.db`)}`;
      const far = `sqlite:${stage.path(`${name} far.db`)}`;
      const program = await programOf();
      const args = ["--config", stage.path("priorities.toml")];
      await stage.write({ "priorities.toml": "priorities = 6\n" });
      const executor = await stage.executor({ broker, program, tasks: stage.path("tasks"), args });
      const given = ["enqueue", "parent", JSON.stringify(far), "--wait", "--attempts", "1", "--json"];
      const { stdout, stderr } = await stage.run([...given, "--broker", broker]);
      assert.notEqual(stdout, "", stderr);
      const { result, reason } = JSON.parse(stdout);
      assert.notEqual(result, null, `${reason}${executor.output()}`);
      const { one, again, many, record, cancelled, lock, ...refused } = result;
      assert.deepEqual(one, { id: "one", created: true, state: "scheduled" });
      assert.deepEqual(again, { id: "one", created: false, state: "scheduled" });
      assert.deepEqual(many, [1_100, true]);
      assert.deepEqual(record, ["scheduled", 3, "common", null]);
      assert.deepEqual(cancelled, { id: "one", state: "scheduled" });
      assert.match(refused.tooEarly, /^NotThroughExecutorError: nothing can be asked .* while handler files are/);
      assert.match(refused.wrong, /^InvalidTaskError: .*priority/);
      assert.match(refused.misspelt, /^InvalidTaskError: prio: is not known.*priority/);
      assert.deepEqual(lock, { name: "report", isHeld: true, isLost: false, held: { taken: false }, waited: true });
      assert.match(refused.wrongLock, /^RangeError: the name of a lock must not be empty/);
      assert.match(refused.takenName, /^RangeError: a lock must not have the name of a key of taskexe itself/);
      for (const each of [refused.counts, refused.schedules, refused.byFilter, refused.retried])
        assert.match(each, /^NotThroughExecutorError: \w+ needs the broker's address/);
      assert.match(refused.closed, /^ClientClosedError/);
      const client = await stage.client(broker);
      const stored = await client.record("many-1099");
      assert.equal(stored?.state, "scheduled");
      assert.equal("parent" in (JSON.parse(stored.message).taskexe ?? {}), false);
      const elsewhere = await stage.client(far);
      assert.equal((await elsewhere.record("far"))?.state, "queued");

      const threaded = await stage.run([
        "enqueue",
        "of a Worker",
        "--wait",
        "--attempts",
        "1",
        "--broker",
        broker,
        "--json",
      ]);
      if (name === "Deno") return; // A Worker finds taskexe there with an import map alone.
      assert.deepEqual(JSON.parse(threaded.stdout).result, {
        id: "child-of-a-worker",
        created: true,
        state: "queued",
      });
      await recordOnce("done", executor, client, "child-of-a-worker");
    });
  }

  test("is refused what an executor does not answer", SLOW, async () => {
    const runner = RunnerProcess.start(stage, [stage.path("tasks")]);
    await runner.hello();
    const run = runner.run({ type: "parent" });
    const { ask } = await runner.says("enqueue", () => true);
    runner.tell({ kind: "answer", ask, error: { code: "unsupported", message: "not here" } });
    const ending = await runner.ending(run);
    assert.equal(ending.kind === "failed" && ending.error.name, "NotThroughExecutorError");
  });
});
