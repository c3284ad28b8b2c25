/**
 * Workers that a handler starts, by every name that there is for one: they find the provided modules as the handler
 * does, and connect to its executor's broker. On the executable, on Bun and on Node.js.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { buildExecutable } from "../stage/executable.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const FOUND = `[typeof defineTask, typeof withNursery, v.parse(v.number(), 7)]`;
const IMPORTS = `import { connect, defineTask } from "taskexe";
import { withNursery } from "taskexe/concurrency";
import * as v from "valibot";
`;

const FILES = {
  "tasks/_web.ts": `${IMPORTS}declare const self: { onmessage: unknown; postMessage(value: unknown): void };
self.onmessage = ({ data }: { data: number }) => self.postMessage([...${FOUND}, data]);
`,
  "tasks/_thread.ts": `${IMPORTS}import { parentPort, Worker, workerData } from "node:worker_threads";
if (workerData === "outer") {
  const inner = new Worker(new URL(import.meta.url), { workerData: "inner" });
  inner.on("message", (value) => parentPort?.postMessage(value));
} else {
  parentPort?.postMessage([...${FOUND}, workerData]);
}
`,
  "tasks/_common.cjs": `const { defineTask } = require("taskexe");
const { withNursery } = require("taskexe/concurrency");
const v = require("valibot");
require("node:worker_threads").parentPort.postMessage(${FOUND});
`,
  "tasks/_child.ts": `${IMPORTS}import { parentPort } from "node:worker_threads";
const client = await connect();
const { created } = await client.enqueue("echo", "of a Worker", { id: "child-of-a-worker" });
await client.close();
parentPort?.postMessage(created);
`,
  "tasks/workers.ts": `import { defineTask } from "taskexe";
import * as threads from "node:worker_threads";
import { Worker as Thread } from "worker_threads";

const beside = (name: string) => new URL(name, import.meta.url);
const answerOf = (worker: any, web: boolean) =>
  new Promise((resolve, reject) => {
    if (web) {
      worker.onmessage = ({ data }: { data: unknown }) => resolve(data);
      worker.onerror = ({ message }: { message: string }) => reject(new Error(message));
    } else {
      worker.on("message", resolve).on("error", reject);
    }
  }).finally(() => worker.terminate());

const kinds: Record<string, () => unknown> = {
  web: () => {
    const worker = new Worker(beside("./_web.ts").href, { type: "module" });
    worker.postMessage(1);
    return answerOf(worker, true);
  },
  thread: () => answerOf(new Thread(beside("./_thread.ts"), { workerData: "data" }), false),
  nested: () => answerOf(new threads.Worker(beside("./_thread.ts"), { workerData: "outer" }), false),
  common: () => answerOf(new threads.default.Worker(beside("./_common.cjs")), false),
  options: () => answerOf(new Thread(beside("./_thread.ts"), { execArgv: [], env: {}, workerData: 3 }), false),
  child: () => answerOf(new Thread(beside("./_child.ts")), false),
  class: () => {
    const worker = new Thread("0", { eval: true });
    const told = [worker instanceof Thread, worker instanceof threads.Worker, Thread.name, typeof worker.threadId];
    return worker.terminate().then(() => told);
  },
};
export default defineTask({ type: "worker", run: ({ payload }) => kinds[payload as string]?.() });
`,
};

const EXPECTED: Readonly<Record<string, unknown>> = {
  web: ["function", "function", 7, 1],
  thread: ["function", "function", 7, "data"],
  nested: ["function", "function", 7, "inner"],
  common: ["function", "function", 7],
  options: ["function", "function", 7, 3],
  child: true,
  class: [true, true, "Worker", "number"],
};

const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);
const MAIN = join(ROOT, "src/main.ts");

describe("a Worker that a handler starts finds taskexe and valibot", () => {
  let stage: Stage;
  before(async () => {
    stage = Stage.make();
    await stage.write(FILES);
  });
  after(() => stage.end());

  const PROGRAMS: Readonly<Record<string, () => Promise<[string, ...string[]]>>> = {
    "the executable": async () => [await buildExecutable(join(stage.folder, "bin/taskexe"))],
    Bun: async () => [bin("bun"), MAIN],
    // It has no Worker of the web.
    "Node.js": async () => [bin("node"), MAIN],
  };

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    test(`on ${name}`, SLOW, async () => {
      const program = await programOf();
      const broker = `sqlite:${join(stage.folder, `${name}.db`)}`;
      const executor = await stage.executor({ broker, program, tasks: join(stage.folder, "tasks") });
      for (const [kind, expected] of Object.entries(EXPECTED)) {
        if (kind === "web" && name === "Node.js") continue;
        const given = ["enqueue", "worker", JSON.stringify(kind), "--wait", "--attempts", "1", "--json"];
        const { stdout, stderr } = await stage.run([...given, "--broker", broker]);
        assert.notEqual(stdout, "", stderr);
        assert.deepEqual(JSON.parse(stdout).result, expected, `${kind}: ${stdout}${executor.output()}`);
      }
      const child = await stage.run(["task", "child-of-a-worker", "--json", "--broker", broker]);
      assert.equal(JSON.parse(child.stdout).type, "echo", child.stderr);
      await executor.end();
    });
  }
});
