/** What `connect()` means in a handler: its executor's broker, whatever named it and whatever else could be meant. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Place, PROJECT, recordOnce, SLOW } from "../executor/place.ts";
import { buildExecutable } from "../support/executable.ts";

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

const bin = (name: string): string => join(PROJECT, "node_modules/.bin", name);
const MAIN = join(PROJECT, "src/main.ts");
const WAYS = ["flag", "file", "environment", "relative path"] as const;

describe("a handler's connect() without an address", () => {
  let place: Place;
  let executable: Promise<string> | null = null;
  before(async () => {
    place = await Place.make();
    await place.write({ "tasks/parent.ts": PARENT });
  });
  after(() => place.end());

  /** Starts an executor that is told its broker in that way, with another one where it could be looked for. */
  function start(program: readonly [string, ...string[]], way: (typeof WAYS)[number], broker: string, at: string) {
    const config = join(place.folder, at, "taskexe.toml");
    const decoy = { TASKEXE_BROKER: `sqlite:${join(place.folder, at, "decoy.db")}`, TASKEXE_CONFIG: config };
    const { TASKEXE_CONFIG } = decoy;
    const options = { program, folder: join(place.folder, at), tasks: join(place.folder, "tasks") };
    switch (way) {
      case "flag":
        return place.executor(broker, { ...options, env: decoy });
      case "relative path":
        return place.executor("sqlite:own.db", { ...options, env: decoy });
      case "file":
        return place.executor(broker, { ...options, brokerFlag: false, env: { TASKEXE_CONFIG } });
      case "environment":
        return place.executor(broker, {
          ...options,
          brokerFlag: false,
          env: { TASKEXE_CONFIG, TASKEXE_BROKER: broker },
        });
    }
  }

  async function findsItsBroker(program: readonly [string, ...string[]], way: (typeof WAYS)[number], at: string) {
    const broker = `sqlite:${join(place.folder, at, "own.db")}`;
    const far = `sqlite:${join(place.folder, at, "far.db")}`;
    const named = way === "file" ? `broker = ${JSON.stringify(broker)}\n` : "";
    await place.write({ [`${at}/taskexe.toml`]: `${named}queues = ["common", "side"]\npriorities = 6\n` });
    const executor = await start(program, way, broker, at);
    const client = await place.client(broker);
    const given = ["enqueue", "parent", JSON.stringify(far), "--wait", "--attempts", "1", "--json", "--broker", broker];
    const { stdout, stderr } = await place.run(given);
    assert.notEqual(stdout, "", stderr);
    assert.deepEqual(JSON.parse(stdout).result, { same: true, queues: ["common", "side"] }, executor.log());
    assert.equal((await recordOnce("done", executor, client, "child")).priority, 5);
    const elsewhere = await place.client(far);
    assert.equal((await elsewhere.record("far"))?.state, "queued");
    await executor.end();
  }

  for (const way of WAYS) {
    test(`is its executor's, named by ${way}`, SLOW, async () => {
      executable ??= buildExecutable(join(place.folder, "bin/taskexe"));
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

  test("is its executor's Redis, password and all, which no child process finds in its environment", SLOW, async () => {
    const redis = await place.redis();
    await redis.cli(["config", "set", "requirepass", "not in any environment"]);
    const url = redis.url.replace("redis://", "redis://:not%20in%20any%20environment@");
    const task = `import { connect, defineTask } from "taskexe";
import { execFileSync } from "node:child_process";
export default defineTask({ type: "parent", async run() {
  await using client = await connect();
  const { created } = await client.enqueue("echo", 1);
  return { created, environment: execFileSync("env", { encoding: "utf8" }).includes("not%20in") };
} });`;
    await place.write({ "redis/parent.ts": task, "redis/taskexe.toml": `broker = ${JSON.stringify(url)}\n` });
    executable ??= buildExecutable(join(place.folder, "bin/taskexe"));
    const program = [await executable] as const;
    const env = { TASKEXE_CONFIG: join(place.folder, "redis/taskexe.toml") };
    const executor = await place.executor(url, { program, brokerFlag: false, tasks: join(place.folder, "redis"), env });
    const given = ["enqueue", "parent", "--wait", "--attempts", "1", "--json"];
    const { stdout, stderr } = await place.run(given, { program, env });
    assert.notEqual(stdout, "", stderr);
    assert.deepEqual(JSON.parse(stdout).result, { created: true, environment: false }, executor.log());
    await executor.end();
  });
});
