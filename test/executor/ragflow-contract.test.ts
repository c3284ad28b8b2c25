/**
 * An executor in the place of RagFlow's own, seen with RagFlow's eyes: producers and readers here are the real
 * redis-cli, and keys, shapes and rules are those that RagFlow's own processes rely on.
 * @long about 18 s
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { drained } from "../stage/executor.ts";
import { quickEnough } from "../stage/quick-enough.ts";
import type { RedisServer } from "../stage/redis/server.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { PATIENCE_MS, recordOnce, said, until, untilBy } from "../stage/until.ts";

const STREAM = "te.0.common";
const URGENT = "te.1.common";
const GROUP = "rag_flow_svr_task_broker";
const OURS = "task_executor_common_tests_0";

const TASKS = {
  "tasks/kinds.ts": `import { defineTask } from "taskexe";
    const kind = (type: string) => defineTask({ type,
      run: ({ payload, task }) => ({ handler: type, payload, message: task.message }) });
    export const whatever = kind("default");
    export const dataflow = kind("dataflow");
    export const graphrag = kind("graphrag");
    export const raptor = kind("raptor");
    export const memory = kind("memory");`,
  "tasks/wait.ts": `import { existsSync } from "node:fs";
    import { defineTask, sleep } from "taskexe";
    export default defineTask({ type: "wait", async run({ payload, signal }) {
      while (payload.until !== undefined && !existsSync(payload.until)) await sleep(20, signal);
      return "waited";
    } });`,
  "tasks/tells.ts": `import { defineTask, sleep } from "taskexe";
    export const tells = defineTask({ type: "tells", async run({ payload, progress }) {
      for (const [value, message] of payload.tells) await progress(value, message);
      return "told";
    } });
    export const group = defineTask({ type: "group", attempts: 1, run() {
      const model = new Error("no model", { cause: new Error("no route") });
      throw new AggregateError([new Error("no chunks"), model], "both failed");
    } });
    export const begins = defineTask({ type: "begins", async run({ progress, signal }) {
      await progress(0.25, "begun");
      await sleep(60_000, signal);
    } });`,
};

/** What RagFlow's producers write beside each message's own keys. */
const STAMPS = {
  create_time: 1_767_225_600_000,
  create_date: "2026-01-01 00:00:00",
  update_time: 1_767_225_600_000,
  update_date: "2026-01-01 00:00:00",
};

const KINDS: readonly { readonly what: string; readonly handler: string; readonly message: Record<string, unknown> }[] =
  [
    {
      what: "a document to parse, which names no type",
      handler: "default",
      message: {
        id: "c0ffee00000000000000000000000001",
        doc_id: "d0c00000000000000000000000000001",
        progress: 0.0,
        from_page: 0,
        to_page: 12,
        begin_at: "2026-01-01 00:00:00",
        digest: "9b74c9897bac770f",
        priority: 0,
        ...STAMPS,
      },
    },
    {
      what: "a data flow",
      handler: "dataflow",
      message: {
        id: "c0ffee00000000000000000000000002",
        doc_id: "d0c00000000000000000000000000001",
        from_page: 0,
        to_page: 100_000_000,
        task_type: "dataflow",
        priority: 0,
        begin_at: "2026-01-01 00:00:00",
        kb_id: "kb1",
        tenant_id: "t1",
        dataflow_id: "f1",
        file: { name: "ä.pdf", size: 17 },
        ...STAMPS,
      },
    },
    ...["graphrag", "raptor"].map((task_type, index) => ({
      what: `a ${task_type} over a whole dataset`,
      handler: task_type,
      message: {
        id: `c0ffee0000000000000000000000000${3 + index}`,
        doc_id: "graph_raptor_x",
        from_page: 100_000_000,
        to_page: 100_000_000,
        task_type,
        progress_msg: "created task",
        begin_at: "2026-01-01 00:00:00",
        digest: "1",
        doc_ids: ["d1", "d2"],
        ...STAMPS,
      },
    })),
    {
      what: "a memory, which has no document",
      handler: "memory",
      message: {
        id: "c0ffee00000000000000000000000005",
        task_id: "c0ffee00000000000000000000000005",
        task_type: "memory",
        memory_id: "m1",
        tenant_id: "t1",
        source_id: 17,
        message_dict: { user_id: "u", agent_response: "…" },
      },
    },
  ];

/** Two readings of one clock are no farther apart, in s, though the machine stood still between them. */
const NEAR_S = 20;

/** `2025-04-24T15:22:31.508+08:00` */
const ISO_WITH_OFFSET = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/;

interface World {
  readonly stage: Stage;
  readonly redis: RedisServer;
  readonly tasks: string;
  readonly broker: Broker;
}

async function withWorld(use: (world: World) => Promise<void>): Promise<void> {
  await Stage.with(async (stage) => {
    const redis = await stage.redis();
    await use({ stage, redis, tasks: await stage.write(TASKS), broker: await stage.client(redis.url) });
  });
}

const add = (redis: RedisServer, message: unknown, stream = STREAM): Promise<string> =>
  redis.cli(["XADD", stream, "*", "message"], JSON.stringify(message));

const membersOf = async (redis: RedisServer): Promise<string[]> =>
  (await redis.cli(["SMEMBERS", "TASKEXE"])).split("\n").filter((name) => name !== "");

/** Another executor, as RagFlow's own is seen in Redis: a name, and one beat of this age. */
async function foreign(redis: RedisServer, name: string, ageS: number): Promise<void> {
  const at = Date.now() / 1000 - ageS;
  await redis.cli(["SADD", "TASKEXE", name]);
  await redis.cli(["ZADD", name, at.toFixed(3), JSON.stringify({ name, now: new Date(at * 1000).toISOString() })]);
}

async function lastBeat(redis: RedisServer, name = OURS): Promise<Record<string, unknown>> {
  return JSON.parse(await redis.cli(["ZREVRANGE", name, "0", "0"]));
}

describe("RagFlow's producers and readers", () => {
  let stage: Stage;
  let redis: RedisServer;
  let executor: ExecutorProcess;
  let broker: Broker;

  before(async () => {
    stage = Stage.make();
    redis = await stage.redis();
    const tasks = await stage.write(TASKS);
    // A beat every 500 ms.
    const env = { WORKER_HEARTBEAT_TIMEOUT: "2" };
    executor = await stage.executor({ broker: redis.url, tasks, name: OURS, env });
    broker = await stage.client(redis.url);
  }, SLOW);
  after(() => stage.end());

  for (const { what, handler, message } of KINDS) {
    test(`${what} is run by the handler "${handler}", which gets the whole message`, SLOW, async () => {
      await add(redis, message);
      const { result } = await recordOnce("done", executor, broker, String(message.id));
      assert.deepEqual(result, { handler, payload: message, message });
    });
  }

  test("both streams are read through RagFlow's group, and what is done is gone from them", SLOW, async () => {
    for (const [id, stream] of Object.entries({ ordinary: STREAM, urgent: URGENT })) {
      await add(redis, { id, doc_id: "d" }, stream);
      await recordOnce("done", executor, broker, id);
    }
    for (const stream of [STREAM, URGENT]) {
      assert.match(
        await redis.cli(["XINFO", "GROUPS", stream]),
        new RegExp(`^name\n${GROUP}\nconsumers\n1\npending\n0`),
      );
      assert.match(await redis.cli(["XINFO", "CONSUMERS", stream, GROUP]), new RegExp(`^name\n${OURS}\n`));
      assert.equal(await redis.cli(["XLEN", stream]), "0");
    }
  });

  test("every beat is JSON with every key that RagFlow's readers need, scored by Unix seconds", SLOW, async () => {
    const seen = join(stage.folder, "seen");
    const task = { id: "shown", task_type: "wait", until: seen, doc_id: "d", unknown: [null, { deep: true }] };
    await add(redis, task);
    const current = await untilBy(executor, "a beat shows the task", async () => {
      const beat = await lastBeat(redis);
      return Object.keys(beat.current ?? {}).length > 0 && beat.current;
    });
    assert.deepEqual(current, { shown: task });
    await stage.write({ seen: "" });
    await recordOnce("done", executor, broker, "shown");
    const lines = (await redis.cli(["ZRANGE", OURS, "0", "-1", "WITHSCORES"])).split("\n");
    assert.ok(lines.length >= 4);
    for (let at = 0; at < lines.length; at += 2) {
      const beat = JSON.parse(lines[at] ?? "");
      assert.equal(beat.name, OURS);
      assert.equal(beat.pid, executor.pid);
      assert.match(beat.ip_address, /^\d+\.\d+\.\d+\.\d+$/);
      assert.match(beat.now, ISO_WITH_OFFSET);
      assert.match(beat.boot_at, ISO_WITH_OFFSET);
      for (const key of ["pending", "lag", "done", "failed"])
        assert.ok(Number.isInteger(beat[key]), `${key}: ${beat[key]}`);
      assert.equal(typeof beat.current, "object");
      assert.ok(Math.abs(Number(lines[at + 1]) - Date.parse(beat.now) / 1000) < NEAR_S);
    }
    assert.ok(Math.abs(Number(lines.at(-1)) - Date.now() / 1000) < NEAR_S);
  });

  test("an executor that was expelled by somebody else is back with its next beat", SLOW, async () => {
    await redis.cli(["SREM", "TASKEXE", OURS]);
    await redis.cli(["DEL", OURS]);
    await untilBy(executor, "it is back", async () => (await membersOf(redis)).includes(OURS));
    // A beat may have come between the two commands above, so that its own heartbeat went with the second.
    await untilBy(executor, "it beats", async () => (await redis.cli(["EXISTS", OURS])) === "1");
    assert.equal((await lastBeat(redis)).name, OURS);
  });

  test("a cancelled id is acknowledged and counted as failed, and not run", SLOW, async () => {
    const { cancelled, failed, dead, done } = await executor.status();
    await redis.cli(["SET", "flagged-cancel", "x", "EX", "3600"]);
    await add(redis, { id: "flagged", doc_id: "d" });
    const record = await recordOnce("cancelled", executor, broker, "flagged");
    assert.equal(record.result, null);
    const status = await untilBy(executor, "it is counted", async () => {
      const now = await executor.status();
      return now.cancelled > cancelled && now;
    });
    const { cancelled: then } = status;
    assert.deepEqual([then, status.failed, status.dead, status.done], [cancelled + 1, failed, dead, done]);
    assert.equal(await redis.cli(["XLEN", STREAM]), "0");
    await untilBy(executor, "a beat counts it", async () => (await lastBeat(redis)).failed === dead + then);
  });

  test("cancelled ids are drained at the speed of the queue", SLOW, async () => {
    const { cancelled } = await executor.status();
    const ids = Array.from({ length: 200 }, (_, index) => `flood-${index}`);
    await redis.cli(["MSET", ...ids.flatMap((id) => [`${id}-cancel`, "x"])]);
    const lines = ids.map((id) => `XADD ${STREAM} * message '{"id":"${id}"}'`);
    const begun = performance.now();
    await redis.cli(["EVAL", lines.map((line) => `redis.call(${quoted(line)})`).join("\n"), "0"]);
    await untilBy(executor, "all are counted", async () => (await executor.status()).cancelled === cancelled + 200);
    assert.ok(performance.now() - begun < 10_000);
  });

  test(
    "progress follows RagFlow's rules: never backwards, -1 for good, each message with clock, pages and [ERROR]",
    SLOW,
    async () => {
      const tells = [
        [0.5, "half"],
        [0.25, "less again"],
        [-1, "no model"],
        [0.75, "after the failure"],
        [-2, "below everything"],
        [1.5, "all the same"],
      ];
      await add(redis, { id: "pages", task_type: "tells", from_page: 0, to_page: 12, tells });
      await add(redis, {
        id: "no-pages",
        task_type: "tells",
        from_page: 0,
        to_page: 100_000_000,
        tells: [[0.5, "half"]],
      });
      const pages = await recordOnce("done", executor, broker, "pages");
      const lines = pages.progress_msg.split("\n");
      assert.deepEqual(
        lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, "HH:MM:SS ")),
        [
          "HH:MM:SS Page(1~12): half",
          "HH:MM:SS Page(1~12): less again",
          "HH:MM:SS Page(1~12): [ERROR]no model",
          "HH:MM:SS Page(1~12): after the failure",
          "HH:MM:SS Page(1~12): all the same",
        ],
      );
      assert.equal(pages.progress, 1);
      const { progress_msg } = await recordOnce("done", executor, broker, "no-pages");
      assert.match(progress_msg, /^\d\d:\d\d:\d\d half$/);
    },
  );

  test("a log of messages keeps its last 3 000 characters", SLOW, async () => {
    const tells = Array.from({ length: 400 }, (_, index) => [0.5, `step ${index} of many`]);
    await add(redis, { id: "long-log", task_type: "tells", tells });
    const { progress_msg } = await recordOnce("done", executor, broker, "long-log");
    assert.ok(progress_msg.length <= 3_000 && progress_msg.length > 2_900, `${progress_msg.length} characters`);
    assert.match(progress_msg, /^\d\d:\d\d:\d\d step \d{3} of many\n/, "it begins with a line");
    assert.match(progress_msg, /step 399 of many$/);
  });

  test("a group of errors is told as its messages with -- between them", SLOW, async () => {
    await add(redis, { id: "grouped", task_type: "group" });
    const { progress_msg, progress } = await recordOnce("dead", executor, broker, "grouped");
    assert.match(progress_msg, /^\d\d:\d\d:\d\d \[ERROR\]both failed -- no chunks -- no model -- no route$/);
    assert.equal(progress, -1);
  });

  test("a task that RagFlow cancels while it runs ends within a second, its log with [Canceled]", SLOW, async () => {
    await quickEnough("its end", 1_500, async (attempt) => {
      const id = `stop-me-${attempt}`;
      await add(redis, { id, task_type: "begins" });
      await untilBy(executor, "it runs", async () => (await executor.status()).current[id]?.progress === 0.25);
      await redis.cli(["SET", `${id}-cancel`, "x", "EX", "3600"]);
      const begun = performance.now();
      const { progress_msg } = await recordOnce("cancelled", executor, broker, id);
      assert.match(progress_msg, /begun\n\d\d:\d\d:\d\d .* \[Canceled\]$/);
      return performance.now() - begun;
    });
  });

  test("TASKEXE holds names of executors and nothing else, and none that has left", SLOW, async () => {
    const leaver = "task_executor_common_leaver_0";
    const leaving = await stage.executor({ broker: redis.url, name: leaver, args: ["--queues", "leaver"] });
    assert.deepEqual((await membersOf(redis)).sort(), [leaver, OURS].sort());
    assert.equal(await drained(leaving), 0);
    assert.deepEqual(await membersOf(redis), [OURS]);
  });
});

/** `A 'b c' D` as the arguments of a Lua call. */
function quoted(command: string): string {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, text, word]) => `[==[${text ?? word}]==]`).join(",");
}

test(
  "a dead executor's tasks are taken over; those of a living one never, however long they are idle",
  SLOW,
  async () => {
    await withWorld(async ({ stage, redis, tasks, broker }) => {
      await redis.cli(["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
      const beats = { dead: 61, alive: 0, silent: null };
      for (const [name, ageS] of Object.entries(beats)) {
        if (ageS !== null) await foreign(redis, `task_executor_${name}`, ageS);
        await add(redis, { id: `of-${name}`, doc_id: "d" });
        await redis.cli(["XREADGROUP", "GROUP", GROUP, `task_executor_${name}`, "COUNT", "1", "STREAMS", STREAM, ">"]);
      }
      const env = { WORKER_HEARTBEAT_TIMEOUT: "60" };
      const executor = await stage.executor({ broker: redis.url, tasks, name: OURS, lease: "1s", env });
      const { crashes } = await recordOnce("done", executor, broker, "of-dead");
      assert.equal(crashes, 0, "an executor's death charges nobody");
      await recordOnce("done", executor, broker, "of-silent");
      const pending = await redis.cli(["XPENDING", STREAM, GROUP, "-", "+", "10"]);
      const [, consumer, idleMs, deliveries] = pending.split("\n");
      assert.deepEqual([consumer, deliveries], ["task_executor_alive", "1"]);
      assert.ok(Number(idleMs) > 1_000, `idle for ${idleMs} ms`);
      // It falls silent: from now on its last beat is too old.
      await redis.cli([
        "ZADD",
        "task_executor_alive",
        "XX",
        String(Date.now() / 1000 - 61),
        await redis.cli(["ZREVRANGE", "task_executor_alive", "0", "0"]),
      ]);
      await recordOnce("done", executor, broker, "of-alive");
    });
  },
);

test("a dead executor's name goes with its key, by one cleaner at a time; a living one stays", SLOW, async () => {
  await withWorld(async ({ stage, redis }) => {
    await foreign(redis, "task_executor_dead", 61);
    await foreign(redis, "task_executor_alive", 20);
    await redis.cli(["SET", "clean_task_executor", "task_executor_alive", "EX", "60"]);
    const env = { WORKER_HEARTBEAT_TIMEOUT: "60" };
    const executor = await stage.executor({ broker: redis.url, name: OURS, env });
    // The first clean-up comes with the start; a task that was enqueued and done afterwards tells that it is over.
    const enqueued = await stage.run(["enqueue", "echo", "1", "--wait", "--broker", redis.url]);
    assert.equal(enqueued.code, 0, enqueued.stderr);
    assert.deepEqual((await membersOf(redis)).sort(), [OURS, "task_executor_alive", "task_executor_dead"].sort());
    assert.equal(await redis.cli(["GET", "clean_task_executor"]), "task_executor_alive");

    await redis.cli(["DEL", "clean_task_executor"]);
    await said(executor, /Expelled .*task_executor_dead/);
    assert.deepEqual((await membersOf(redis)).sort(), [OURS, "task_executor_alive"].sort());
    assert.equal(await redis.cli(["EXISTS", "task_executor_dead"]), "0");
    assert.equal(await redis.cli(["EXISTS", "task_executor_alive"]), "1");
    await until("the lock is given back", PATIENCE_MS, async () => {
      return (await redis.cli(["EXISTS", "clean_task_executor"])) === "0";
    });
  });
});

test("the clean-up lock lives 60 s at most and is deleted by its owner only", SLOW, async () => {
  await Stage.with(async (stage) => {
    const redis = await stage.redis();
    const [one, other] = [await stage.client(redis.url, "one"), await stage.client(redis.url, "other")];
    assert.equal(await one.lock(), true);
    assert.equal(await other.lock(), false);
    assert.equal(await redis.cli(["GET", "clean_task_executor"]), "one");
    const ttl = Number(await redis.cli(["TTL", "clean_task_executor"]));
    assert.ok(ttl > 50 && ttl <= 60, `it lives ${ttl} s`);
    await other.unlock();
    assert.equal(await redis.cli(["GET", "clean_task_executor"]), "one");
    // It ran out meanwhile, and somebody else has it by now.
    await redis.cli(["SET", "clean_task_executor", "task_executor_foreign"]);
    await one.unlock();
    assert.equal(await redis.cli(["GET", "clean_task_executor"]), "task_executor_foreign");
  });
});

test("a message of RagFlow's has one attempt; foreign_attempts gives it more", SLOW, async () => {
  await withWorld(async ({ stage, redis, broker }) => {
    const tasks = await stage.write({
      "tasks/fails.ts": `import { defineTask } from "taskexe";
        const run = () => { throw new Error("no model"); };
        const fails = (type: string, more = {}) => defineTask({ type, ...more, run });
        export const plain = fails("fails");
        export const twice = fails("twice", { attempts: 2 });`,
    });
    const quick = { TASKEXE_BACKOFF: "fixed", TASKEXE_BACKOFF_DELAY: "0" };
    const one = await stage.executor({ broker: redis.url, tasks, env: quick });
    await add(redis, { id: "once", task_type: "fails", from_page: 0, to_page: 12 });
    const { attempt, progress, progress_msg } = await recordOnce("dead", one, broker, "once");
    assert.deepEqual([attempt, progress], [1, -1]);
    assert.match(progress_msg, /^\d\d:\d\d:\d\d Page\(1~12\): \[ERROR\]no model$/);
    await add(redis, { id: "said", task_type: "twice" });
    assert.equal((await recordOnce("dead", one, broker, "said")).attempt, 2, "its definition says so");
    const ours = await stage.run(["enqueue", "fails", "{}", "--id", "ours", "--broker", redis.url]);
    assert.equal(ours.code, 0, ours.stderr);
    assert.equal((await recordOnce("dead", one, broker, "ours")).attempt, 3);
    assert.equal(await drained(one), 0);
    const env = { ...quick, TASKEXE_FOREIGN_ATTEMPTS: "4" };
    const more = await stage.executor({ broker: redis.url, tasks, env });
    await add(redis, { id: "often", task_type: "fails" });
    assert.equal((await recordOnce("dead", more, broker, "often")).attempt, 4);
  });
});

test("beside a living executor of RagFlow's of its own name, ours takes nothing and leaves with 1", SLOW, async () => {
  await withWorld(async ({ stage, redis, tasks }) => {
    await redis.cli(["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
    await add(redis, { id: "held", doc_id: "d" });
    await redis.cli(["XREADGROUP", "GROUP", GROUP, OURS, "COUNT", "1", "STREAMS", STREAM, ">"]);
    await add(redis, { id: "waits", doc_id: "d" });
    await foreign(redis, OURS, 25);
    const line = ["run", "--broker", redis.url, "--tasks", tasks, "--name", OURS, "--lease", "1s", "--listen", "off"];
    const late = await stage.run(line);
    assert.equal(late.code, 1);
    const said = `${late.stdout}${late.stderr}`;
    assert.match(said, /an executor of another program lives under the name task_executor_common_tests_0/);
    assert.match(said, /give it a name of its own/);
    // It has not touched what is the other's: its entry, its name, its beats.
    const pending = (await redis.cli(["XPENDING", STREAM, GROUP, "-", "+", "9"])).split("\n");
    assert.deepEqual([pending.length, pending[1], pending[3]], [4, OURS, "1"]);
    assert.deepEqual(await membersOf(redis), [OURS]);
    assert.equal(await redis.cli(["ZCARD", OURS]), "1");
    assert.equal(await redis.cli(["TTL", OURS]), "-1");
  });
});

test("where a living one of RagFlow's takes our name later, ours hands back what it has and leaves", SLOW, async () => {
  await withWorld(async ({ stage, redis, tasks }) => {
    const env = { WORKER_HEARTBEAT_TIMEOUT: "60" };
    const one = await stage.executor({ broker: redis.url, tasks, name: OURS, grace: "0s", env });
    await add(redis, { id: "stays", task_type: "begins" });
    await untilBy(one, "it runs", async () => (await one.status()).current.stays !== undefined);
    await foreign(redis, OURS, -1);
    await add(redis, { id: "more", task_type: "begins" });
    assert.equal((await one.ended).code, 1);
    assert.deepEqual(await membersOf(redis), [OURS], "the name is the other's");
    assert.equal(await redis.cli(["TTL", OURS]), "-1");
    const claims = ["XREADGROUP", "GROUP", GROUP, "task_executor_other", "COUNT", "9", "STREAMS", STREAM, ">"];
    const handed = await redis.cli(claims);
    assert.match(handed, /"id":"stays"/);
    assert.match(handed, /"id":"more"/);
  });
});

test("a dead executor of RagFlow's of our name: what it held is taken up at once", SLOW, async () => {
  await withWorld(async ({ stage, redis, tasks, broker }) => {
    await redis.cli(["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
    await add(redis, { id: "held", doc_id: "d" });
    await redis.cli(["XREADGROUP", "GROUP", GROUP, OURS, "COUNT", "1", "STREAMS", STREAM, ">"]);
    await foreign(redis, OURS, 130);
    const executor = await stage.executor({ broker: redis.url, tasks, name: OURS, lease: "10m" });
    await said(executor, /Took up 1 task/);
    await recordOnce("done", executor, broker, "held");
  });
});

test("a lag that Redis cannot tell stops neither the heartbeats nor the work", SLOW, async () => {
  await withWorld(async ({ stage, redis, tasks, broker }) => {
    const env = { WORKER_HEARTBEAT_TIMEOUT: "1" };
    const executor = await stage.executor({ broker: redis.url, tasks, name: OURS, concurrency: 1, env });
    const beaten = join(stage.folder, "beaten");
    await add(redis, { id: "slow", task_type: "wait", until: beaten });
    await untilBy(executor, "it runs", async () => (await executor.status()).current.slow !== undefined);
    const entries = [];
    for (const id of ["first", "deleted", "last"]) entries.push(await add(redis, { id, doc_id: "d" }));
    await redis.cli(["XDEL", STREAM, entries[1] ?? ""]);
    // Redis tells a null by an empty line.
    assert.match(await redis.cli(["XINFO", "GROUPS", STREAM]), /\nlag\n$/);
    const now = Date.now();
    const beat = await untilBy(executor, "a beat after that", async () => {
      const last = await lastBeat(redis);
      return Date.parse(String(last.now)) > now && last;
    });
    assert.equal(typeof beat.lag, "number");
    await stage.write({ beaten: "" });
    for (const id of ["slow", "first", "last"]) await recordOnce("done", executor, broker, id);
    assert.equal(await broker.record("deleted"), null);
  });
});

test("what is pending under an executor's own name is taken up first when it starts", SLOW, async () => {
  await withWorld(async ({ stage, redis, tasks, broker }) => {
    await redis.cli(["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
    await add(redis, { id: "held", task_type: "wait" });
    await redis.cli(["XREADGROUP", "GROUP", GROUP, OURS, "COUNT", "1", "STREAMS", STREAM, ">"]);
    await add(redis, { id: "new", task_type: "wait" });
    const executor = await stage.executor({ broker: redis.url, tasks, name: OURS, concurrency: 1 });
    const held = await recordOnce("done", executor, broker, "held");
    const fresh = await recordOnce("done", executor, broker, "new");
    assert.ok(Number(held.started_at) <= Number(fresh.started_at));
    await said(executor, /Took up 1 task/);
  });
});
