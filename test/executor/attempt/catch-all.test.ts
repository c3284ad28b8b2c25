/**
 * The catch-all: whatever no other handler of its executor takes. Tried on the executable with both brokers, with the
 * handlers in the executor itself, in runners, and with a worker of another make that is given it by its table.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { ROOT } from "../../stage/command.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { builtOnce } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce } from "../../stage/until.ts";

const ANY = `import { defineTask } from "taskexe";
  export const any = defineTask({ type: "*", attempts: 1, run: ({ task, payload }) => ({ any: task.type, payload }) });
  export const one = defineTask({ type: "one", run: ({ task }) => ({ one: task.type }) });`;
const DEFAULT = `import { defineTask } from "taskexe";
  export const none = defineTask({ type: "default", run: ({ task }) => ({ none: task.type }) });`;

/** A worker that says only what it has by name, and answers whatever it is handed with the type. */
const WORKER = `const fs = require("node:fs");
  const say = (message) => fs.writeSync(4, JSON.stringify(message) + "\\n");
  say({ kind: "hello", protocol: 1, language: "javascript", pid: process.pid, types: [{ type: "mine" }] });
  let rest = "";
  fs.createReadStream(null, { fd: 3 }).on("data", (text) => {
    const lines = (rest + text).split("\\n");
    rest = lines.pop();
    for (const { kind, run, ask, task } of lines.map((line) => JSON.parse(line))) {
      if (kind === "run") say({ kind: "begun", runs: [run] });
      if (kind === "run") say({ kind: "done", run, result: { any: task.type } });
      else if (kind === "ping") say({ kind: "answer", ask });
      else if (kind === "stop") process.exit(0);
    }
  });`;

for (const kind of ["redis", "sqlite"] as const) {
  describe(`a catch-all on ${kind}`, () => {
    let stage: Stage;
    let url: string;
    let client: Broker;
    const built = builtOnce(() => stage.path("taskexe"));

    before(async () => {
      stage = Stage.make();
      url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      await stage.write({ "any/any.ts": ANY, "both/any.ts": ANY, "both/default.ts": DEFAULT, "worker.js": WORKER });
      client = await stage.client(url);
    }, SLOW);
    after(() => stage.end());

    const results = async (executor: ExecutorProcess, prefix: string, types: readonly string[]): Promise<unknown[]> => {
      await client.enqueue(types.map((type) => requestOf(`${prefix}-${type}`, type, 1)));
      const ended = types.map((type) => recordOnce("done", executor, client, `${prefix}-${type}`));
      return (await Promise.all(ended)).map(({ result }) => result);
    };

    /** As other producers write them: without a type, with an empty one, and with one that nobody has heard of. */
    const foreign = async (executor: ExecutorProcess, prefix: string): Promise<unknown[]> => {
      const messages = [{}, { task_type: "" }, { task_type: null }, { task_type: "graph" }];
      const given = messages.map((message, index) => ({ id: `${prefix}-${index}`, ...message }));
      await client.enqueue(
        given.map((message) => ({ ...requestOf(message.id, "default", null), message: JSON.stringify(message) })),
      );
      const ended = given.map(({ id }) => recordOnce("done", executor, client, id));
      return (await Promise.all(ended)).map(({ result }) => result);
    };

    for (const isolation of ["inline", "shared"] as const) {
      test(`takes what no other handler does, ${isolation}`, SLOW, async () => {
        const args = ["--isolation", isolation];
        const program = await built();
        const executor = await stage.executor({ broker: url, tasks: stage.path("any"), args, program });
        assert.deepEqual(await results(executor, isolation, ["one", "two", "*", "echo"]), [
          { one: "one" },
          { any: "two", payload: 1 },
          { any: "*", payload: 1 },
          1,
        ]);
        const types = (await foreign(executor, `foreign-${isolation}`)).map(
          (result) => (result as { any: string }).any,
        );
        assert.deepEqual(types, ["default", "default", "default", "graph"]);
        await executor.end();
      });
    }

    test("leaves messages without a type to the handler that is called default", SLOW, async () => {
      const executor = await stage.executor({ broker: url, tasks: stage.path("both"), program: await built() });
      const [first, empty, nothing, graph] = await foreign(executor, "default");
      assert.deepEqual([first, empty, nothing], Array(3).fill({ none: "default" }));
      assert.equal((graph as { any: string }).any, "graph");
      await executor.end();
    });

    test("is a worker's where its table says so, whatever its hello says", SLOW, async () => {
      const command = JSON.stringify([join(ROOT, "node_modules/.bin/bun"), "worker.js"]);
      await stage.write({ "worker.toml": `[worker.all]\ncommand = ${command}\ntypes = ["mine", "*"]` });
      const args = ["--config", stage.path("worker.toml")];
      const executor = await stage.executor({ broker: url, args, program: await built() });
      assert.deepEqual(await results(executor, "worker", ["mine", "yours", "noop"]), [
        { any: "mine" },
        { any: "yours" },
        null,
      ]);
      await executor.end();
    });
  });
}

test("check tells of a catch-all, and of two of them", SLOW, async () => {
  await Stage.with(async (stage) => {
    await stage.write({ "any/any.ts": ANY, "two.toml": `[exec."*"]\ncommand = ["/bin/true"]` });
    const one = await stage.run(["check", "--tasks", stage.path("any"), "--broker", "sqlite:queue.db"]);
    assert.match(one.stdout, /^ok +handlers +\*: .*any\.ts$/m);
    const config = ["--config", stage.path("two.toml")];
    const two = await stage.run(["check", "--tasks", stage.path("any"), "--broker", "sqlite:queue.db", ...config]);
    assert.match(two.stdout, /the type "\*" is defined here and in .*any\.ts/);
  });
});
