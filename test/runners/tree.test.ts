/** The live tree of an executor goes down into its runners, whatever they do, and answers in bounded time and size. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import type { TreeJson } from "../../src/http/tree-view.ts";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { untilBy } from "../stage/until.ts";

const TASKS = {
  "tasks/handlers.ts": `
    import { defineTask, sleepForever, withNursery } from "taskexe";
    export const waits = defineTask({ type: "waits", async run({ nursery, scope, signal, progress }) {
      nursery.startSoon((task) => sleepForever(task.signal), { name: "fetch" });
      await progress(0.5);
      await withNursery(scope, async (inner) => {
        inner.startSoon((task) => sleepForever(task.signal), { name: "parse" });
      }, { name: "stage" });
    } });
    export const many = defineTask({ type: "many", async run({ nursery, signal, progress }) {
      const name = "x".repeat(900);
      for (let n = 0; n < 12_000; n++) nursery.startSoon((task) => sleepForever(task.signal), { name });
      await progress(0.5);
      await sleepForever(signal);
    } });
    export const spins = defineTask({ type: "spins", isolation: "own", timeoutMs: 600_000, async run({ progress }) {
      await progress(0.5);
      await new Promise((r) => setTimeout(r, 50));
      for (;;);
    } });`,
};

let stage: Stage;
let client: Broker;
let url: string;
let executor: ExecutorProcess;

before(async () => {
  stage = Stage.make();
  url = `sqlite:${join(stage.folder, "queue.db")}`;
  const tasks = await stage.write(TASKS);
  executor = await stage.executor({
    broker: url,
    tasks,
    args: ["--isolation", "shared"],
    concurrency: 20,
    grace: "300ms",
  });
  client = await stage.client(url);
});
after(async () => {
  assert.equal(await drained(executor), 0);
  await stage.end();
});

/** The node of the attempt that runs a task. */
function attemptOf(tree: TreeJson, id: string): TreeJson | undefined {
  if (tree.id === id) return tree;
  return tree.children.map((child) => attemptOf(child, id)).find((found) => found !== undefined);
}

async function treeWith(
  id: string,
  isThere: (node: TreeJson) => boolean,
): Promise<{ node: TreeJson; body: string; ms: number }> {
  return untilBy(executor, `the tree shows ${id}`, async () => {
    const { code, body, ms } = await executor.get("/status/tree");
    assert.equal(code, 200);
    const node = attemptOf(JSON.parse(body), id);
    return node !== undefined && isThere(node) ? { node, body, ms } : null;
  });
}

const shape = ({ name, children }: TreeJson): unknown => ({ [name]: children.map(shape) });
const cancel = (id: string) => client.cancel([id]);

test("an attempt has its task's id and type, and its nursery in the runner below it", SLOW, async () => {
  await client.enqueue([requestOf("the-id", "waits", null)]);
  const { node } = await treeWith("the-id", ({ children }) => JSON.stringify(children).includes("parse"));
  assert.deepEqual([node.name, node.type, node.attempt, node.state], ["attempt", "waits", 1, "running"]);
  assert.deepEqual(node.children.map(shape), [{ waits: [{ fetch: [] }, { stage: [{ parse: [] }] }] }]);
  const { runners } = await executor.status();
  assert.ok(runners?.processes.some(({ pid }) => pid === node.runner));
  const text = (await executor.get("/status/tree?format=text")).body;
  assert.match(text, /attempt {2}.* {2}running {2}id the-id {2}type waits {2}attempt 1 {2}runner \d+\n/);
  assert.match(text, /\n +waits .*\n +fetch .*\n +stage .*\n +parse /);
  const { host } = new URL(executor.url);
  const shown = await stage.run(["status", "--tree", "--listen", host]);
  assert.match(shown.stdout, /id the-id {2}type waits/);
  const json = await stage.run(["status", "--tree", "--json", "--url", executor.url]);
  assert.equal(attemptOf(JSON.parse(json.stdout), "the-id")?.type, "waits");
  await cancel("the-id");
});

test(
  "a runner that computes does not hold the answer up: its attempt says since when it is blocked",
  SLOW,
  async () => {
    await client.enqueue([requestOf("spinner", "spins", null)]);
    const { node } = await treeWith("spinner", ({ blocked_since: since }) => since !== undefined);
    assert.ok(Date.parse(node.blocked_since ?? "") <= Date.now());
    assert.ok(Date.parse(node.blocked_since ?? "") > Date.now() - 60_000);
    assert.deepEqual(node.children, []);
    await cancel("spinner");
  },
);

test("status and top show the runner of an attempt, with what it has and since when", SLOW, async () => {
  await client.enqueue([requestOf("shown", "waits", null)]);
  const { node } = await treeWith("shown", ({ runner }) => runner !== undefined);
  const row = new RegExp(`^ *${node.runner} +handlers .*shared +ready +[1-9]\\d* +\\d+ +[\\d.]+ MB +\\S+`, "m");
  const { host } = new URL(executor.url);
  assert.match((await stage.run(["status", "--listen", host])).stdout, row);
  await untilBy(executor, "the beat tells of the runner", async () => {
    const { stdout } = await stage.run(["top", "--once", "--broker", url]);
    return row.test(stdout);
  });
  const { fleet } = JSON.parse((await stage.run(["top", "--json", "--broker", url])).stdout);
  assert.ok(fleet[0].beat.runners.some(({ pid }: { pid: number }) => pid === node.runner));
  await cancel("shown");
});

test("a nursery of 12 000 is told up to a bound, and the rest is counted", SLOW, async () => {
  await client.enqueue([requestOf("large", "many", null)]);
  const { node, body } = await treeWith("large", ({ children }) => JSON.stringify(children).includes("xxx"));
  assert.ok(body.length < 4_000_000, `${body.length} bytes`);
  const [nursery] = node.children;
  assert.equal((nursery?.children.length ?? 0) + (nursery?.unlisted ?? 0), 12_000);
  assert.ok((nursery?.children.length ?? 0) <= 5_000);
  await cancel("large");
});

test("status --tree says what it needs where no executor answers", SLOW, async () => {
  const { stderr, code } = await stage.run(["status", "--tree", "--url", "http://127.0.0.1:1"]);
  assert.match(stderr, /no executor answers at http:\/\/127\.0\.0\.1:1\/status: /);
  assert.equal(code, 1);
});
