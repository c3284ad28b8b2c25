/**
 * Tasks that other programs queue, as RagFlow's producers do: from when they wait on they are found by their ids,
 * cancelled, and kept when they have ended, as our own are.
 * @long about 25 s
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { connect } from "../../src/client/connect.ts";
import type { RedisServer } from "../stage/redis/server.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { PATIENCE_MS, recordOnce, until, untilBy } from "../stage/until.ts";

const STREAM = "te.0.common";
const GROUP = "rag_flow_svr_task_broker";

const TASKS = {
  "tasks/wait.ts": `import { existsSync } from "node:fs";
    import { defineTask, sleep } from "taskexe";
    export const wait = defineTask({ type: "wait", async run({ payload, signal }) {
      while (!existsSync(payload.until)) await sleep(20, signal);
      return "waited";
    } });
    export const quiet = defineTask({ type: "quiet", run() {} });
    export const fails = defineTask({ type: "fails", run() { throw new Error("no model"); } });
    export const kept = defineTask({ type: "unkept", retentionMs: 0, async run({ payload, signal }) {
      while (!existsSync(payload.until)) await sleep(20, signal);
    } });`,
};

class World extends Stage {
  /** `taskexe task ID --json`. */
  async shown(redis: RedisServer, id: string): Promise<Record<string, unknown>> {
    const { stdout, stderr, code } = await this.run(["task", id, "--json", "--broker", redis.url]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** The ids that `taskexe list` gives, in a state. */
  async listed(redis: RedisServer, state: string, ...more: string[]): Promise<string[]> {
    const line = ["list", "--state", state, ...more, "--json", "--broker", redis.url];
    const { stdout, stderr, code } = await this.run(line);
    assert.equal(code, 0, stderr);
    const { tasks } = JSON.parse(stdout);
    return tasks.map(({ id }: { id: string }) => id);
  }

  /** `taskexe cancel ID... --json`. */
  async cancelled(redis: RedisServer, ...ids: string[]): Promise<unknown> {
    const { stdout, stderr, code } = await this.run(["cancel", ...ids, "--json", "--broker", redis.url]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }
}

const add = (redis: RedisServer, message: unknown, stream = STREAM): Promise<string> =>
  redis.cli(["XADD", stream, "*", "message"], JSON.stringify(message));

const queuedOf = async (broker: Broker): Promise<number | undefined> => (await broker.counts())[0]?.queued;

test("one that waits is found by its id, before any executor was ever up, and in whatever JSON", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const entry = await add(redis, { id: "plain", doc_id: "d", from_page: 0 });
    await add(redis, { task_type: "graphrag", nested: { id: "nested" }, id: "late-id" }, "te.1.common");
    // As Python's json writes it.
    await redis.cli(["XADD", STREAM, "*", "message", '{"id": "sp\\u00e4t/1", "task_type": "raptor"}']);
    const shown = await world.shown(redis, "plain");
    const { id, state, type, queue, priority, attempt, executor } = shown;
    assert.deepEqual(
      { id, state, type, queue, priority, attempt, executor },
      { id: "plain", state: "queued", type: "default", queue: "common", priority: 0, attempt: 0, executor: null },
    );
    assert.equal(shown.enqueued_at, Number(entry.split("-")[0]));
    const late = await world.shown(redis, "late-id");
    assert.deepEqual([late.type, late.priority, late.state], ["graphrag", 1, "queued"]);
    assert.equal((await world.shown(redis, "spät/1")).type, "raptor");
    const nested = await world.run(["task", "nested", "--broker", redis.url]);
    assert.equal(nested.code, 1);
    assert.match(nested.stderr, /no record of a task "nested" on [^;]*$/m);
    assert.equal(await redis.cli(["KEYS", "taskexe:task:*"]), "", "looking writes nothing");
  });
});

test("a look through many gives up somewhere, and says how far it has looked", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const fill = "for i = 1, 120000 do redis.call('XADD', KEYS[1], '*', 'message', '{\"id\":\"w' .. i .. '\"}') end";
    await redis.cli(["EVAL", fill, "1", STREAM]);
    assert.equal((await world.shown(redis, "w99000")).state, "queued");
    const last = await world.run(["task", "w120000", "--broker", redis.url]);
    assert.equal(last.code, 1);
    assert.match(last.stderr, /no record of a task "w120000" .*not among the first 100\d{3} that wait, and more wait/);
  });
});

test("one that runs has its record, and one that has ended keeps what our own keep", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const broker = await world.client(redis.url);
    const tasks = await world.write(TASKS);
    const executor = await world.executor({ broker: redis.url, tasks });
    const stops = world.path("until");
    await add(redis, { id: "runs", task_type: "wait", until: stops });
    const running = await untilBy(executor, "it runs", async () => {
      const shown = await world.shown(redis, "runs");
      return shown.state === "running" && shown;
    });
    const { name } = await executor.status();
    assert.deepEqual([running.attempt, running.executor], [1, name]);
    assert.ok(Number(running.started_at) >= Number(running.enqueued_at) - 1_000);
    // Its record stands by itself: whoever watches it need not look through the stream.
    await untilBy(executor, "its record is written", async () => (await broker.record("runs"))?.state === "running");
    await world.write({ until: "" });
    const done = await recordOnce("done", executor, broker, "runs");
    assert.deepEqual([done.result, done.attempt, done.completions, done.executor], ["waited", 1, 1, name]);
    assert.ok(done.started_at !== null && done.finished_at !== null && done.enqueued_at !== null);
    assert.match(done.message, /"until"/);

    await add(redis, { id: "quiet", task_type: "quiet" });
    const quiet = await recordOnce("done", executor, broker, "quiet");
    assert.deepEqual([quiet.result, quiet.attempt, quiet.executor, quiet.progress], [null, 1, name, 1]);
    assert.ok(Number(quiet.finished_at) >= Number(quiet.started_at));
    assert.ok(Number(quiet.started_at) >= Number(quiet.enqueued_at) - 1_000);
    const shown = await world.shown(redis, "quiet");
    assert.deepEqual([shown.state, shown.type, shown.message], ["done", "quiet", '{"id":"quiet","task_type":"quiet"}']);

    await add(redis, { id: "fails", task_type: "fails" });
    const dead = await recordOnce("dead", executor, broker, "fails");
    assert.deepEqual([dead.reason, dead.errors.length, dead.executor], ["no model", 1, name]);
    assert.deepEqual((await world.listed(redis, "done")).sort(), ["quiet", "runs"]);
    assert.equal(await redis.cli(["XLEN", STREAM]), "0");
  });
});

test("with retention 0 nothing is written, and it is found all the same while it runs", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const tasks = await world.write(TASKS);
    const executor = await world.executor({ broker: redis.url, tasks, args: ["--concurrency", "2"] });
    const stops = world.path("until");
    await add(redis, { id: "unkept", task_type: "unkept", until: stops });
    await untilBy(executor, "it runs", async () => (await world.shown(redis, "unkept")).state === "running");
    // A round of writes of progress later than this one's begin.
    await add(redis, { id: "beside", task_type: "wait", until: stops });
    const broker = await world.client(redis.url);
    await untilBy(executor, "the other has one", async () => (await broker.record("beside")) !== null);
    assert.equal(await redis.cli(["KEYS", "taskexe:task:*"]), "taskexe:task:beside");
    await world.write({ until: "" });
    await recordOnce("done", executor, broker, "beside");
    await untilBy(executor, "both have ended", async () => (await redis.cli(["XLEN", STREAM])) === "0");
    assert.equal(await redis.cli(["KEYS", "taskexe:task:*"]), "taskexe:task:beside");
    assert.equal((await world.run(["task", "unkept", "--broker", redis.url])).code, 1);
  });
});

test("a cancel of one that waits says queued; lists and counts agree, and it is never run", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const broker = await world.client(redis.url);
    const tasks = await world.write(TASKS);
    for (const id of ["one", "two", "three"]) await add(redis, { id, task_type: "quiet" });
    assert.deepEqual(await world.cancelled(redis, "two", "nobody"), [
      { id: "two", state: "queued" },
      { id: "nobody", state: null },
    ]);
    const shown = await world.shown(redis, "two");
    assert.deepEqual([shown.state, shown.reason, shown.type], ["cancelled", "cancelled by a client", "quiet"]);
    assert.deepEqual(await world.listed(redis, "queued"), ["one", "three"]);
    assert.deepEqual(await world.listed(redis, "cancelled"), ["two"]);
    // RagFlow's executors see it, too, and not for ever.
    assert.equal(await redis.cli(["GET", "two-cancel"]), "x");
    assert.ok(Number(await redis.cli(["TTL", "two-cancel"])) > 0);
    assert.deepEqual(await world.cancelled(redis, "two"), [{ id: "two", state: "cancelled" }]);

    const executor = await world.executor({ broker: redis.url, tasks });
    await recordOnce("done", executor, broker, "one");
    await recordOnce("done", executor, broker, "three");
    await untilBy(executor, "it is taken out", async () => (await redis.cli(["XLEN", STREAM])) === "0");
    const { result, executor: by } = await recordOnce("cancelled", executor, broker, "two");
    assert.deepEqual([result, by], [null, (await executor.status()).name]);
    assert.equal(await queuedOf(broker), 0);
    assert.equal(await redis.cli(["EXISTS", "two-cancel"]), "0");
    assert.equal(await redis.cli(["ZCARD", "taskexe:waiting-cancelled:common"]), "0");
  });
});

test("one that is cancelled as it waits, and that a foreign executor takes out, counts as nothing", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const broker = await world.client(redis.url);
    await redis.cli(["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
    for (const id of ["taken", "waits"]) await add(redis, { id, task_type: "graphrag" });
    await world.cancelled(redis, "taken");
    assert.equal(await queuedOf(broker), 1);
    await redis.cli(["XREADGROUP", "GROUP", GROUP, "theirs", "COUNT", "1", "STREAMS", STREAM, ">"]);
    const [entry = ""] = (await redis.cli(["XRANGE", STREAM, "-", "+", "COUNT", "1"])).split("\n");
    await redis.cli(["XACK", STREAM, GROUP, entry]);
    // The first clean-up comes with the start.
    await broker.pause({ kind: "queue", name: "common" });
    const executor = await world.executor({ broker: redis.url });
    const marks = ["taskexe:waiting-cancelled:common", "taskexe:marked-cancelled"];
    await untilBy(executor, "nothing is marked", async () => (await redis.cli(["EXISTS", ...marks])) === "0");
    assert.equal(await queuedOf(broker), 1);
    assert.equal((await world.shown(redis, "taken")).state, "cancelled");
  });
});

test("all that wait are cancelled by a filter, in one pass and as many as there are", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const broker = await world.client(redis.url);
    const fill = "for i = 1, 5000 do redis.call('XADD', KEYS[1], '*', 'message', '{\"id\": \"w' .. i .. '\"}') end";
    await redis.cli(["EVAL", fill, "1", STREAM]);
    const { stdout, stderr, code } = await world.run(["cancel", "--type", "default", "--json", "--broker", redis.url]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { cancelled: 5_000 });
    assert.equal(await queuedOf(broker), 0);
    assert.equal((await broker.counts())[0]?.cancelled, 5_000);
    assert.deepEqual(await world.listed(redis, "queued"), []);
  });
});

test("a retry of a cancelled one queues it again, and nothing stops it then", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const broker = await world.client(redis.url);
    const tasks = await world.write(TASKS);
    await add(redis, { id: "again", task_type: "quiet" });
    await world.cancelled(redis, "again");
    const retried = await world.run(["retry", "again", "--broker", redis.url]);
    assert.equal(retried.code, 0, retried.stderr);
    assert.deepEqual(await world.listed(redis, "queued"), ["again"]);
    assert.equal(await redis.cli(["EXISTS", "again-cancel"]), "0");
    const executor = await world.executor({ broker: redis.url, tasks });
    await recordOnce("done", executor, broker, "again");
  });
});

test(
  "the record goes where the task goes back to the queue, and stays true where its executor is killed",
  SLOW,
  async () => {
    await World.with(async (world) => {
      const redis = await world.redis();
      const broker = await world.client(redis.url);
      const tasks = await world.write(TASKS);
      const one = await world.executor({ broker: redis.url, tasks, lease: "1s", args: ["--grace", "0s"] });
      await add(redis, { id: "moves", task_type: "wait", until: world.path("until") });
      await untilBy(one, "its record is written", async () => (await broker.record("moves"))?.state === "running");
      one.process.kill("SIGTERM");
      await one.ended;
      assert.equal((await world.shown(redis, "moves")).state, "queued");
      const two = await world.executor({ broker: redis.url, tasks, lease: "1s" });
      await untilBy(two, "its record is written", async () => (await broker.record("moves"))?.state === "running");
      two.process.kill("SIGKILL");
      await two.ended;
      const three = await world.executor({ broker: redis.url, tasks, lease: "1s" });
      const { name } = await three.status();
      await until("it has taken it over", PATIENCE_MS, async () => {
        const shown = await world.shown(redis, "moves");
        return shown.state === "running" && shown.executor === name;
      });
      await world.write({ until: "" });
      const { attempt, crashes, executor } = await recordOnce("done", three, broker, "moves");
      assert.deepEqual([attempt, crashes, executor], [1, 0, name]);
      assert.match(await redis.cli(["XPENDING", STREAM, GROUP]), /^0\b/);
    });
  },
);

test("a cancel of what a foreign executor runs sets its flag, for an hour; theirs stops ours", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const broker = await world.client(redis.url);
    const tasks = await world.write(TASKS);
    await redis.cli(["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
    await add(redis, { id: "theirs", task_type: "graphrag" });
    await redis.cli(["XREADGROUP", "GROUP", GROUP, "their_executor", "COUNT", "1", "STREAMS", STREAM, ">"]);
    await redis.cli(["SADD", "TASKEXE", "their_executor"]);
    await redis.cli(["ZADD", "their_executor", String(Date.now() / 1000), '{"name":"their_executor"}']);
    assert.deepEqual(await world.cancelled(redis, "theirs"), [{ id: "theirs", state: "running" }]);
    const { state, executor: by } = await world.shown(redis, "theirs");
    assert.deepEqual([state, by], ["running", "their_executor"], "it runs until they stop it");
    // As their has_canceled() reads it.
    assert.equal(await redis.cli(["GET", "theirs-cancel"]), "x");
    const seconds = Number(await redis.cli(["TTL", "theirs-cancel"]));
    assert.ok(seconds > 3_500 && seconds <= 3_600, `${seconds} s`);

    const executor = await world.executor({ broker: redis.url, tasks });
    await add(redis, { id: "runs", task_type: "wait", until: world.path("until") });
    await untilBy(executor, "it runs", async () => (await broker.record("runs"))?.state === "running");
    await broker.pause({ kind: "queue", name: "common" });
    await add(redis, { id: "waits", task_type: "quiet" });
    await add(redis, { id: "late", task_type: "quiet" });
    // As their cancel_all_task_of() writes it.
    for (const id of ["runs", "waits"]) await redis.cli(["SET", `${id}-cancel`, "x", "EX", "3600"]);
    await recordOnce("cancelled", executor, broker, "runs");
    await broker.resume({ kind: "queue", name: "common" });
    await recordOnce("cancelled", executor, broker, "waits");
    await recordOnce("done", executor, broker, "late");
    for (const id of ["runs", "waits"]) assert.equal(await redis.cli(["EXISTS", `${id}-cancel`]), "0");
  });
});

test("a flag counts until it expires, whoever has set it: a task that comes later runs", SLOW, async () => {
  await World.with(async (world) => {
    const redis = await world.redis();
    const broker = await world.client(redis.url);
    const tasks = await world.write(TASKS);
    const executor = await world.executor({ broker: redis.url, tasks });
    assert.deepEqual(await world.cancelled(redis, "ours", "early"), [
      { id: "ours", state: null },
      { id: "early", state: null },
    ]);
    const seconds = Number(await redis.cli(["TTL", "ours-cancel"]));
    assert.ok(seconds > 3_500 && seconds <= 3_600, `${seconds} s`);
    await redis.cli(["SET", "theirs-cancel", "x", "PX", "1"]);
    await redis.cli(["PEXPIRE", "ours-cancel", "1"]);
    await until("both are over", PATIENCE_MS, async () => {
      return (await redis.cli(["EXISTS", "ours-cancel", "theirs-cancel"])) === "0";
    });
    for (const id of ["ours", "theirs", "early"]) await add(redis, { id, task_type: "quiet" });
    await recordOnce("done", executor, broker, "ours");
    await recordOnce("done", executor, broker, "theirs");
    await recordOnce("cancelled", executor, broker, "early");
  });
});

test(
  "list --foreign shows what others have queued, over the command line, HTTP and the client alike",
  SLOW,
  async () => {
    await World.with(async (world) => {
      const redis = await world.redis();
      const tasks = await world.write(TASKS);
      const executor = await world.executor({ broker: redis.url, tasks });
      const [stops, broker] = [world.path("until"), await world.client(redis.url)];
      const enqueue = async (id: string, type: string, payload: unknown): Promise<void> => {
        const line = ["enqueue", type, JSON.stringify(payload), "--id", id, "--broker", redis.url];
        const { code, stderr } = await world.run(line);
        assert.equal(code, 0, stderr);
      };
      await add(redis, { id: "runs", task_type: "wait", until: stops });
      await enqueue("runs-ours", "wait", { until: stops });
      await untilBy(executor, "both run", async () => (await executor.status()).slots_taken === 2);
      await broker.pause({ kind: "queue", name: "common" });
      await add(redis, { id: "waits", doc_id: "d" });
      // Beyond what lists tell of a message: where its payload would stand is not told.
      const long = "x".repeat(5_000);
      await add(redis, { long, id: "long" });
      await add(redis, { long, id: "long-ours", payload: null });
      await enqueue("waits-ours", "quiet", { long });
      assert.deepEqual(await world.listed(redis, "running", "--foreign"), ["runs"]);
      assert.deepEqual((await world.listed(redis, "queued", "--foreign")).sort(), ["long", "waits"]);
      assert.equal((await world.listed(redis, "queued")).length, 4);
      const table = await world.run(["list", "--foreign", "--broker", redis.url]);
      assert.equal(table.code, 0, table.stderr);
      assert.deepEqual(
        table.stdout
          .trim()
          .split("\n")
          .map((line) => line.split(" ")[0]),
        ["id", "runs", "waits", "long"],
      );
      const idsOf = async (query: string): Promise<string[]> => {
        const { body, code } = await executor.get(`/api/v1/tasks?${query}`);
        assert.equal(code, 200, body);
        return JSON.parse(body)
          .tasks.map(({ id }: { id: string }) => id)
          .sort();
      };
      assert.deepEqual(await idsOf("state=queued&foreign=true"), ["long", "waits"]);
      assert.deepEqual(await idsOf("state=queued&foreign=false"), ["long-ours", "waits-ours"]);
      assert.deepEqual(await idsOf("q=id:waits&foreign=true"), ["waits"]);
      assert.deepEqual(await idsOf("q=id:waits&foreign=false"), []);
      assert.equal((await executor.get("/api/v1/tasks?foreign=perhaps")).code, 400);
      const client = await connect(redis.url);
      try {
        const { tasks: listed } = await client.list({ foreign: true, state: "running" });
        assert.deepEqual(
          listed.map(({ id }) => id),
          ["runs"],
        );
      } finally {
        await client.close();
      }
    });
  },
);
