/**
 * What a user of Redis must be allowed: the advice is taken by its word, with a real server.
 * @long about 20 s
 */
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { Redis } from "ioredis";
import { RIGHTS } from "../../src/broker/redis/connection/advice.ts";
import type { Command } from "../stage/command.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "../stage/redis/server.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());

const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

/** A server with a user "worker" who may do this, an administrator, and the address for the worker. */
async function serverFor(rights: readonly string[], options: RedisServerOptions = {}) {
  const users = [`worker on >pw ${rights.join(" ")}`, "admin on >pw ~* &* +@all"];
  const server: RedisServer = await startRedis({ ...options, users });
  undo.push(() => server.stop());
  const admin = new Redis(server.port, "127.0.0.1", { username: "admin", password: "pw", db: 1 });
  undo.push(async () => admin.disconnect());
  return { admin, broker: `redis://worker:pw@127.0.0.1:${server.port}/1` };
}

/** What Redis refused since its log was emptied. */
async function refused(admin: Redis): Promise<readonly unknown[]> {
  const entries = await admin.call("ACL", "LOG");
  return Array.isArray(entries) ? entries : [];
}

/** The rules of the one line that an error gives. */
function rulesOf(text: string): string[] {
  const line = /ACL SETUSER USER ([^(\n]+)/.exec(text)?.[1] ?? assert.fail(`no advice in:\n${text}`);
  return line.trim().split(" ");
}

async function stop(executor: Command): Promise<void> {
  executor.kill("SIGTERM");
  assert.equal((await executor.ended).code, 0, executor.output());
}

test("a user with exactly the advised rights runs an executor and every command, and nothing is refused", async () => {
  const { admin, broker } = await serverFor([]);
  const env = { TASKEXE_BROKER: broker, TASKEXE_LISTEN: "off" };
  const without = await stage.run(["list"], { env });
  assert.equal(without.code, 1);
  assert.match(without.stderr, /cannot be reached: NOPERM/);
  const rules = rulesOf(without.stderr);
  assert.deepEqual(rules, RIGHTS);
  await admin.call("ACL", "SETUSER", "worker", ...rules);
  await admin.call("ACL", "LOG", "RESET");

  const executor = await stage.executor({
    args: ["--lease", "1s", "--queues", "common,other"],
    env: { TASKEXE_BROKER: broker },
  });
  const line = (task: object) => `${JSON.stringify(task)}\n`;
  const lines = [
    line({ type: "echo" }) + line({ type: "echo", unique: { key: "a" } }),
    line({ type: "echo", retention_ms: 0 }) + line({ type: "echo", retention_ms: 0 }),
  ];
  for (const input of lines)
    assert.equal((await stage.run(["enqueue", "--jsonl", "-"], { env, stdin: input })).code, 0);
  const nap = stage.start(["enqueue", "sleep", '{"ms":600000}', "--id", "nap", "--wait"], { env });
  await until(async () => (await stage.run(["task", "nap"], { env })).stdout.includes("running"));
  const commands: readonly (readonly [code: number, ...given: string[]])[] = [
    [0, "enqueue", "echo", "1", "--wait"],
    [1, "enqueue", "fail", "--id", "failed", "--attempts", "2", "--backoff", "fixed:1ms", "--wait"],
    [0, "enqueue", "idle", "--id", "later", "--delay", "1h"],
    [0, "list"],
    [0, "list", "--state", "dead"],
    [0, "task", "failed"],
    [1, "watch", "failed"],
    [0, "retry", "failed"],
    [0, "cancel", "nap", "later", "nobody"],
    [0, "cancel", "--type", "idle"],
    [0, "pause", "type", "echo"],
    [0, "enqueue", "echo", "--id", "parked"],
    [0, "pause", "queue", "other"],
    [0, "enqueue", "echo", "--id", "waits", "--queue", "other"],
    [0, "cancel", "waits"],
    [0, "pause"],
    [0, "status"],
    [0, "top", "--once"],
    [0, "resume", "queue", "other"],
    [0, "resume", "type", "echo"],
    [0, "enqueue", "echo", "--wait"],
    [0, "cron", "add", "often", "* * * * * *", "echo"],
    [0, "cron", "list"],
    [0, "cron", "remove", "often"],
    [0, "purge", "--state", "cancelled"],
    [0, "purge", "--state", "dead"],
    [0, "purge", "--state", "done"],
    [0, "audit"],
  ];
  for (const [code, ...given] of commands) {
    const ended = await stage.run(given, { env });
    assert.equal(ended.code, code, `${given.join(" ")}: ${ended.stderr}`);
    assert.doesNotMatch(ended.stderr, /refused|NOPERM/);
  }
  assert.equal((await nap.ended).code, 1);
  await stop(executor);
  assert.doesNotMatch(executor.output(), /NOPERM|ERR/);
  assert.deepEqual(await refused(admin), []);
});

test("every one of the advised rights is needed: without it something is refused", async () => {
  const { admin, broker } = await serverFor(RIGHTS);
  for (const right of RIGHTS.filter((each) => each !== "-@dangerous")) {
    await admin.flushall();
    await admin.call("ACL", "SETUSER", "worker", "reset", "on", ">pw", ...RIGHTS.filter((each) => each !== right));
    await admin.call("ACL", "LOG", "RESET");
    // This one it needs when it leaves while a read waits, everything else before. A read that waits may just have
    // ended when the signal comes.
    const isForTheEnd = right === "+client|unblock";
    for (let round = 0; round < (isForTheEnd ? 5 : 1) && (await refused(admin)).length === 0; round++) {
      const executor = stage.start(["run", "--listen", "off", "--broker", broker]);
      await stage.run(["cancel", "nobody", "--broker", broker]);
      if (isForTheEnd) {
        await until(async () => /^blocked_clients:[1-9]/m.test(await admin.info("clients")));
        executor.kill("SIGTERM");
      } else {
        await until(async () => (await refused(admin)).length > 0);
        executor.kill("SIGKILL");
      }
      await executor.ended;
    }
    assert.ok((await refused(admin)).length > 0, `${right} is not needed`);
  }
});

test("a script that was refused names its keys and the right that lacks, and heals with it", async () => {
  const { admin, broker } = await serverFor(RIGHTS);
  const executor = stage.start(["run", "--listen", "off", "--name", "mine", "--broker", broker]);
  await executor.says(
    /Redis refused a script on TASKEXE, mine, taskexe:order:mine: NOPERM this user has no permissions to .*~mine/,
  );
  assert.deepEqual(rulesOf(executor.output().replace("; trying", " (trying")), [...RIGHTS, "~mine"]);
  assert.doesNotMatch(executor.output(), /EXECABORT/);
  await admin.call("ACL", "SETUSER", "worker", ...rulesOf(executor.output().replace("; trying", " (trying")));
  await executor.says(/The broker is back after/);
  await stop(executor);
});

test("a script that was refused gives the same advice, and a wrong password tells where it is written", async () => {
  const { broker } = await serverFor(RIGHTS.filter((right) => right !== "~taskexe:*"));
  const { stderr } = await stage.run(["enqueue", "echo", "--broker", broker]);
  assert.match(stderr, /Redis refused a script on te\.0\.common/);
  assert.deepEqual(rulesOf(stderr), RIGHTS);
  const wrong = await stage.run(["list", "--broker", broker.replace(":pw@", ":s3cret@")]);
  assert.match(
    wrong.stderr,
    /WRONGPASS.*; give the user and the password in the address: redis:\/\/USER:PASSWORD@HOST:PORT\/DB/,
  );
  assert.doesNotMatch(wrong.stderr, /s3cret/);
});
