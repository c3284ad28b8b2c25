/**
 * Executors whose handlers run in runners: the executor answers and goes on whatever a handler does, what a handler
 * does to its process is charged to it alone, and workers of another make are run by the configuration.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce, untilBy } from "../stage/until.ts";

const TASKS = {
  "tasks/handlers.ts": `
    import { defineTask } from "taskexe";
    export const tell = defineTask({ type: "tell", run: ({ payload, log, progress }) => {
      log.info("told");
      return progress(0.5, "half").then(() => ({ pid: process.pid, payload }));
    } });
    export const spin = defineTask({ type: "spin", timeoutMs: 300, attempts: 1, run: () => { for (;;); } });
    export const leaves = defineTask({ type: "leaves", crashBudget: 1, isolation: "own", run: () => process.exit(7) });
    export const naps = defineTask({ type: "naps", run: ({ payload }) => new Promise((r) => setTimeout(r, payload)) });
    export const deaf = defineTask({ type: "deaf", isolation: "own", run: () => new Promise(() => {}) });`,
};

let stage: Stage;
let client: Broker;
let url: string;
let executor: ExecutorProcess;

before(async () => {
  stage = Stage.make();
  url = `sqlite:${join(stage.folder, "queue.db")}`;
  const tasks = await stage.write(TASKS);
  const args = ["--isolation", "shared"];
  executor = await stage.executor({ broker: url, tasks, args, concurrency: 20, grace: "300ms", lease: "1s" });
  client = await stage.client(url);
});
after(async () => {
  assert.equal(await drained(executor), 0);
  await stage.end();
});

const enqueue = (id: string, type: string, payload: unknown = null) => client.enqueue([requestOf(id, type, payload)]);
const ended = (id: string, state: "done" | "dead" | "cancelled") => recordOnce(state, executor, client, id);

test("a handler runs in another process, with payload, progress, log and result as ever", SLOW, async () => {
  await enqueue("tells", "tell", { n: 1 });
  const { result, progress_msg } = await ended("tells", "done");
  const { pid, payload } = result as { pid: number; payload: unknown };
  assert.ok(pid !== executor.pid);
  assert.deepEqual(payload, { n: 1 });
  assert.match(progress_msg, /half/);
  assert.deepEqual(
    (await client.logs("tells")).map(({ text }) => text),
    ["told"],
  );
});

test("an endless loop ends at its timeout and the grace; all else goes on, and HTTP answers", SLOW, async () => {
  await enqueue("loops", "spin");
  await untilBy(executor, "it runs", async () => (await client.record("loops"))?.state !== "queued");
  await enqueue("beside", "tell");
  await ended("beside", "done");
  const { code } = await executor.get("/healthz");
  assert.equal(code, 200);
  const { reason } = await ended("loops", "dead");
  assert.match(reason ?? "", /took longer than its 300 ms/);
});

test("a handler that ends its process is charged alone, with the reason, and convicted", SLOW, async () => {
  await enqueue("neighbour", "naps", 300);
  await enqueue("leaves", "leaves");
  const { reason, crashes } = await ended("leaves", "dead");
  assert.match(reason ?? "", /^quarantined: its process died 2 times while it ran alone .*exit code 7$/);
  assert.equal(crashes, 2);
  const neighbour = await ended("neighbour", "done");
  assert.equal(neighbour.crashes, 0);
});

test("/status and `status` tell of each runner what it is, what it has, and its memory", SLOW, async () => {
  await enqueue("seen", "naps", 600_000);
  await untilBy(executor, "it runs", async () => (await client.record("seen"))?.state === "running");
  const { runners, pid } = await executor.status();
  assert.deepEqual([runners?.waiting, runners?.problems], [0, []]);
  const busy = (runners?.processes ?? []).filter(({ tasks }) => tasks > 0);
  const [runner] = busy;
  assert.ok(runner !== undefined && busy.length === 1, JSON.stringify(runners));
  assert.deepEqual([runner.kind, runner.isolation, runner.state, runner.tasks], ["handlers", "shared", "ready", 1]);
  assert.ok(runner.pid !== pid && runner.rss_bytes > 10_000_000, JSON.stringify(runner));
  assert.ok(Date.parse(runner.started_at) <= Date.parse(runner.busy_since ?? ""), JSON.stringify(runner));
  const { stdout } = await stage.run(["status", "--url", executor.url]);
  assert.match(stdout, new RegExp(`\\n *${runner.pid} +handlers +1 +shared +ready +1 `));
  await client.cancel(["seen"]);
  await ended("seen", "cancelled");
});

test("a cancel that is ignored is enforced", SLOW, async () => {
  await enqueue("deaf", "deaf");
  await untilBy(executor, "it runs", async () => (await client.record("deaf"))?.state === "running");
  await client.cancel(["deaf"]);
  await ended("deaf", "cancelled");
});

test("a file that cannot be loaded ends the start with 2, and the reason", SLOW, async () => {
  const tasks = await stage.write({ "broken/broken.ts": "export const = 1;" });
  const { code, stderr, stdout } = await stage.run(["run", "--tasks", tasks, "--isolation", "shared"]);
  assert.equal(code, 2, stdout + stderr);
  assert.match(stdout + stderr, /broken\.ts/);
});
