/**
 * What `connect()` means in a handler that its executor runs itself: that one's broker, whatever named it and whatever
 * else could be meant. Of handlers in runners: test/runner/connect.test.ts.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { buildExecutable } from "../stage/executable.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce } from "../stage/until.ts";

// Node.js 22 does not know `await using`.
const PARENT = `import { connect, defineTask } from "taskexe";
const atImport = await connect();
await atImport.close();
export default defineTask({
  type: "parent",
  async run({ payload }) {
    process.chdir("/");
    const client = await connect();
    const other = await connect(payload as string);
    try {
      await client.enqueue("echo", "child", { id: "child", priority: 5, queue: "side" });
      await other.enqueue("echo", "far", { id: "far" });
      return { same: atImport.url === client.url, queues: (await client.counts()).map(({ name }) => name).sort() };
    } finally {
      await client.close();
      await other.close();
    }
  },
});
`;

const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);
const MAIN = join(ROOT, "src/main.ts");
const WAYS = ["flag", "file", "environment", "relative path"] as const;

describe("a handler's connect() without an address", () => {
  let stage: Stage;
  let executable: Promise<string> | null = null;
  before(async () => {
    stage = Stage.make();
    await stage.write({ "tasks/parent.ts": PARENT });
  });
  after(() => stage.end());

  /** Starts an executor that is told its broker in that way, with another one where it could be looked for. */
  function start(program: readonly [string, ...string[]], way: (typeof WAYS)[number], broker: string, at: string) {
    const config = join(stage.folder, at, "taskexe.toml");
    const decoy = { TASKEXE_BROKER: `sqlite:${join(stage.folder, at, "decoy.db")}`, TASKEXE_CONFIG: config };
    const { TASKEXE_CONFIG } = decoy;
    const args = ["--isolation", "inline"];
    const options = { program, folder: join(stage.folder, at), tasks: join(stage.folder, "tasks"), args };
    switch (way) {
      case "flag":
        return stage.executor({ broker, ...options, env: decoy });
      case "relative path":
        return stage.executor({ broker: "sqlite:own.db", ...options, env: decoy });
      case "file":
        return stage.executor({ ...options, env: { TASKEXE_CONFIG } });
      case "environment":
        return stage.executor({
          ...options,
          env: { TASKEXE_CONFIG, TASKEXE_BROKER: broker },
        });
    }
  }

  async function findsItsBroker(program: readonly [string, ...string[]], way: (typeof WAYS)[number], at: string) {
    const broker = `sqlite:${join(stage.folder, at, "own.db")}`;
    const far = `sqlite:${join(stage.folder, at, "far.db")}`;
    const named = way === "file" ? `broker = ${JSON.stringify(broker)}\n` : "";
    await stage.write({ [`${at}/taskexe.toml`]: `${named}queues = ["common", "side"]\npriorities = 6\n` });
    const executor = await start(program, way, broker, at);
    const client = await stage.client(broker);
    const given = ["enqueue", "parent", JSON.stringify(far), "--wait", "--attempts", "1", "--json", "--broker", broker];
    const { stdout, stderr } = await stage.run(given);
    assert.notEqual(stdout, "", stderr);
    assert.deepEqual(JSON.parse(stdout).result, { same: true, queues: ["common", "side"] }, executor.output());
    assert.equal((await recordOnce("done", executor, client, "child")).priority, 5);
    const elsewhere = await stage.client(far);
    assert.equal((await elsewhere.record("far"))?.state, "queued");
    await executor.end();
  }

  for (const way of WAYS) {
    test(`is its executor's, named by ${way}`, SLOW, async () => {
      executable ??= buildExecutable(join(stage.folder, "bin/taskexe"));
      await findsItsBroker([await executable], way, way);
    });
  }

  const RUNTIMES: Readonly<Record<string, readonly [string, ...string[]]>> = {
    Bun: [bin("bun"), MAIN],
    "Node.js": [bin("node"), MAIN],
    Deno: [bin("deno"), "run", "-A", MAIN],
  };
  for (const [name, program] of Object.entries(RUNTIMES)) {
    test(`is its executor's on ${name}`, SLOW, () => findsItsBroker(program, "flag", name));
  }

  for (const isolation of ["inline", "shared"]) {
    test(`is its executor's Redis, password and all, which no child process finds: ${isolation}`, SLOW, async () => {
      const redis = await stage.redis();
      await redis.cli(["config", "set", "requirepass", "not in any environment"]);
      const url = redis.url.replace("redis://", "redis://:not%20in%20any%20environment@");
      const task = `import { connect, defineTask } from "taskexe";
import { execFileSync } from "node:child_process";
export default defineTask({ type: "parent", async run() {
  await using client = await connect();
  const { created } = await client.enqueue("echo", 1);
  return { created, environment: execFileSync("env", { encoding: "utf8" }).includes("not%20in") };
} });`;
      await stage.write({ "redis/parent.ts": task, "redis/taskexe.toml": `broker = ${JSON.stringify(url)}\n` });
      executable ??= buildExecutable(join(stage.folder, "bin/taskexe"));
      const program = [await executable] as const;
      const env = { TASKEXE_CONFIG: join(stage.folder, "redis/taskexe.toml") };
      const args = ["--isolation", isolation];
      const executor = await stage.executor({ program, tasks: join(stage.folder, "redis"), args, env });
      const given = ["enqueue", "parent", "--wait", "--attempts", "1", "--json"];
      const { stdout, stderr } = await stage.run(given, { program, env });
      assert.notEqual(stdout, "", stderr);
      assert.deepEqual(JSON.parse(stdout).result, { created: true, environment: false }, executor.output());
      await executor.end();
    });
  }
});
