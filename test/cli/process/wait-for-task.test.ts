/** `enqueue` and `enqueue --wait` over a broker that goes away meanwhile. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Redis } from "ioredis";
import { BrokerUnavailableError } from "../../../src/broker/broker.ts";
import { waitForTask } from "../../../src/cli/process/wait-for-task.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import { MockClock } from "../../../src/testing.ts";
import { LEDGER_TASKS } from "../../stage/ledger/ledger.ts";
import { startRedis } from "../../stage/redis/server.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";
import { outputOf } from "../captured.ts";

const stage = Stage.make();
after(() => stage.end());

test("enqueue --wait bears a restart of Redis and prints the result", async () => {
  const redis = await startRedis({ appendonly: true });
  try {
    const executor = await stage.executor({ args: ["--broker", redis.url, "--tasks", LEDGER_TASKS] });
    // It runs until its gate is there, so it cannot have ended before Redis goes away.
    const gate = join(stage.folder, "gate");
    const payload = JSON.stringify({ gate });
    const waiting = stage.start([
      "enqueue",
      "ledger",
      payload,
      "--id",
      "nap",
      "--wait",
      "--json",
      "--broker",
      redis.url,
    ]);
    await until(async () => (await stage.run(["task", "nap", "--broker", redis.url])).stdout.includes("running"));
    await redis.kill("SIGKILL");
    await waiting.says(/the broker is away; it is asked again for up to 30 s/);
    await redis.restart();
    writeFileSync(gate, "");
    const { stdout, code } = await waiting.ended;
    assert.deepEqual([JSON.parse(stdout).state, code], ["done", 0]);
    executor.kill("SIGTERM");
    await executor.ended;
  } finally {
    await redis.stop();
  }
});

test("a broker that stays away ends the wait after 30 s, and the id of the task that goes on is told", async () => {
  const clock = new MockClock();
  let asked = 0;
  const broker = {
    url: "redis://somewhere:6379/1",
    connection: () => ({ state: "away" as const, warnings: [], lastError: "connect ECONNREFUSED" }),
    now: Date.now,
    paused: async () => [],
    fleet: async () => [],
    async record() {
      asked++;
      throw new BrokerUnavailableError("Redis is not available");
    },
  };
  const output = await outputOf(async () => {
    const waiting = waitForTask(broker, openRoot({ clock }), "nap", { json: false });
    const failed = assert.rejects(waiting, {
      name: "BrokerUnavailableError",
      message: "the broker redis://somewhere:6379/1 stayed away for 30 s: connect ECONNREFUSED",
    });
    await clock.advance(0);
    await clock.advance(29_999);
    assert.ok(asked > 100, String(asked));
    await clock.advance(1);
    await failed;
  });
  assert.equal(
    output.stderr,
    "taskexe: the broker is away; it is asked again for up to 30 s\ntaskexe: nap goes on without us; see: taskexe " +
      "task nap\n",
  );
  assert.equal(clock.pendingTimers, 0);
});

test("ctrl-C while an enqueue has no answer leaves at once, and tells how to repeat it", async () => {
  const redis = await startRedis();
  const admin = new Redis(redis.port, "127.0.0.1");
  try {
    // It takes connections and questions, and answers no write.
    await admin.call("CLIENT", "PAUSE", "600000", "WRITE");
    const sending = stage.start(["enqueue", "idle", "--id", "sent", "--broker", redis.url]);
    await sending.says(/the broker is away/);
    sending.kill("SIGINT");
    const { code, stdout, stderr } = await sending.ended;
    assert.deepEqual([code, stdout], [130, ""]);
    assert.match(stderr, /whether sent was enqueued is not known; enqueue it again with --id sent/);
  } finally {
    admin.disconnect();
    await redis.stop();
  }
});

test("an enqueue whose answer comes late prints its id once, as of a task that is new", async () => {
  const redis = await startRedis();
  const admin = new Redis(redis.port, "127.0.0.1");
  try {
    await admin.call("CLIENT", "PAUSE", "600000", "WRITE");
    const sending = stage.start(["enqueue", "idle", "--json", "--broker", redis.url]);
    await sending.says(/the broker is away/);
    await admin.call("CLIENT", "UNPAUSE");
    const { code, stdout, stderr } = await sending.ended;
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).created, true);
    assert.doesNotMatch(stderr, /is there already/);
  } finally {
    admin.disconnect();
    await redis.stop();
  }
});
