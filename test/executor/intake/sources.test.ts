/**
 * Sources: lists and sorted sets of Redis whose members become tasks, on the executable. Nothing is lost or doubled
 * whoever is killed in the middle, executors or Redis itself; what is no JSON ends as dead, with its text.
 *
 * @alone It measures how soon and how fast members are moved.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import type { Broker } from "../../../src/broker/broker.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { allListed, doneWith } from "../../stage/listed.ts";
import { builtOnce } from "../../stage/programs.ts";
import type { RedisServer } from "../../stage/redis/server.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, until, untilBy } from "../../stage/until.ts";

const CONFIG = `
[source.emails]
kind = "list"
key = "emails"
type = "echo"
[source.stack]
kind = "list"
key = "stack"
order = "right"
type = "echo"
[source.due]
kind = "zset"
key = "due"
type = "echo"
[source.ranked]
kind = "zset"
key = "ranked"
order = "score"
type = "echo"
`;

describe("sources", () => {
  let stage: Stage;
  let server: RedisServer;
  let redis: Redis;
  let client: Broker;
  const built = builtOnce(() => stage.path("taskexe"));

  before(async () => {
    stage = Stage.make();
    server = await stage.redis({ appendonly: true });
    await stage.write({ "taskexe.toml": CONFIG });
    redis = new Redis(server.url, { maxRetriesPerRequest: null });
    stage.atEnd(async () => redis.disconnect());
    client = await stage.client(server.url);
  }, SLOW);
  after(() => stage.end());

  const start = async (name: string): Promise<ExecutorProcess> => {
    const args = ["--config", stage.path("taskexe.toml")];
    return stage.executor({
      broker: server.url,
      name,
      lease: "1s",
      grace: "300ms",
      concurrency: 50,
      args,
      program: await built(),
    });
  };

  test("a member is a payload, or a message of its own; what is no JSON is dead, with its text", SLOW, async () => {
    const executor = await start("one");
    await redis.lpush("emails", '{"to":"ä/b"}', " [1.0, 2] ", '"text"', "{broken", '{"task_type":"echo","n":1}');
    const own = (payload: number) => JSON.stringify({ id: "own", task_type: "echo", payload });
    await redis.rpush("emails", own(7), own(8));
    for (const wanted of [{ to: "ä/b" }, [1, 2], "text"]) {
      const task = await untilBy(executor, `done: ${JSON.stringify(wanted)}`, () => doneWith(client, wanted));
      assert.match(task.id, /^emails-\d+-\d+$/);
      assert.equal((await client.record(task.id))?.type, "echo");
    }
    assert.equal((await recordOnce("done", executor, client, "own")).result, 7);
    const [dead] = await untilBy(executor, "one is dead", async () => {
      const found = await allListed(client, "dead");
      return found.length === 1 && found;
    });
    assert.match(dead?.reason ?? "", /the message is not JSON/);
    assert.equal(dead?.message, "{broken");
    const given = await untilBy(executor, "one has an id", async () =>
      (await allListed(client, "done")).find(({ result }) => (result as { n?: number } | null)?.n === 1),
    );
    assert.deepEqual(given.result, { id: given.id, task_type: "echo", n: 1 });
    assert.equal(await redis.llen("emails"), 0);
    const { sources } = await executor.status();
    const emails = sources?.find(({ name }) => name === "emails");
    assert.deepEqual([emails?.held, emails?.moved, emails?.bad, emails?.problem], [true, 7, 1, null]);
    await executor.end();
  });

  test("a sorted set gives what is due, in seconds or ms, or the lowest first", SLOW, async () => {
    const executor = await start("timed");
    const now = Date.now();
    await redis.zadd("due", now / 1_000 - 5, '"s"');
    await redis.zadd("due", now - 5, '"ms"');
    await redis.zadd("due", now / 1_000 + 3_600, '"later s"');
    await redis.zadd("due", now + 1_500, '"soon"');
    await redis.zadd("ranked", 3, '"third"');
    await redis.zadd("ranked", -1, '"first"');
    await redis.zadd("ranked", 2, '"second"');
    for (const wanted of ["s", "ms", "first", "second", "third"]) {
      await untilBy(executor, `done: ${wanted}`, () => doneWith(client, wanted));
    }
    const soon = await untilBy(executor, "what was to come is there", () => doneWith(client, "soon"));
    assert.ok((soon.enqueued_at ?? 0) >= now + 1_490, `${soon.enqueued_at} before ${now + 1_500}`);
    assert.equal(String(await redis.zrange("due", 0, "-1")), '"later s"');
    await executor.end();
  });

  test("a key of another kind is told, and moved from once it is right", SLOW, async () => {
    await redis.set("stack", "no list");
    const executor = await start("wrong");
    await untilBy(executor, "it is told", async () => {
      const { sources } = await executor.status();
      return sources?.some(({ name, problem }) => name === "stack" && /WRONGTYPE.*"stack"/.test(problem ?? ""));
    });
    await redis.del("stack");
    await redis.lpush("stack", '"a"', '"b"');
    await untilBy(executor, "both are done", async () => (await doneWith(client, "a")) && doneWith(client, "b"));
    await executor.end();
  });

  test("nothing is lost or doubled while executors and Redis are killed again and again", SLOW, async () => {
    const count = 4_000;
    const names = Array.from({ length: count }, (_, n) => `{"storm":${n}}`);
    for (let at = 0; at < count; at += 1_000) await redis.rpush("emails", ...names.slice(at, at + 1_000));
    const [first, second] = [await start("storm-a"), await start("storm-b")];
    const left = (): Promise<number> => redis.llen("emails");
    await until("some are moved", 60_000, async () => (await left()) < count);
    first.kill("SIGKILL");
    await first.ended;
    await server.kill("SIGKILL");
    await server.restart();
    await until("Redis is there again", 60_000, async () => (await left()) >= 0);
    second.kill("SIGKILL");
    await second.ended;
    const last = await start("storm-c");
    await untilBy(last, "all are moved and done", async () => {
      const counts = await client.counts(["common"]);
      const open = counts.reduce((sum, { queued, running, scheduled }) => sum + queued + running + scheduled, 0);
      return open === 0 && (await left()) === 0;
    });
    const done = (await allListed(client, "done")).map(
      ({ result }) => (result as { storm?: number } | null)?.storm ?? -1,
    );
    const storm = done.filter((n) => n >= 0).sort((a, b) => a - b);
    assert.deepEqual(storm.length, count);
    assert.deepEqual(new Set(storm).size, count);
    await last.end();
  });

  test(
    "what comes while all is idle is picked up within some ms; tens of thousands move in a second",
    SLOW,
    async () => {
      const executor = await start("quick");
      await untilBy(executor, "it holds the source", async () => {
        const { sources } = await executor.status();
        return sources?.every(({ held }) => held);
      });
      const waits: number[] = [];
      for (let n = 0; n < 30; n++) {
        const [seconds = "0", micros = "0"] = (await redis.time()).map(String);
        const before = Number(seconds) * 1_000 + Number(micros) / 1_000;
        await redis.rpush("emails", `"quick ${n}"`);
        const done = await untilBy(executor, "it is done", () => doneWith(client, `quick ${n}`));
        waits.push(Number(done.id.split("-")[1]) / 1_000 - before);
      }
      waits.sort((a, b) => a - b);
      const many = 50_000;
      const big = Array.from({ length: 1_000 }, (_, n) => `{"n":${n}}`);
      await client.pause({ kind: "queue", name: "common" });
      for (let at = 0; at < many; at += 1_000) await redis.rpush("held back", ...big);
      await redis.rename("held back", "emails");
      const begun = performance.now();
      await until("all are moved", 60_000, async () => (await redis.exists("emails")) === 0);
      const tookMs = performance.now() - begun;
      const rate = Math.round(many / (tookMs / 1_000));
      process.stderr.write(`picked up after ${waits[15]?.toFixed(1)} ms (p50); ${rate} a second moved\n`);
      // Limits that hold on a machine with much else to do.
      assert.ok((waits[15] ?? 0) < 100, `p50 ${waits[15]} ms`);
      assert.ok(tookMs < 30_000, `${tookMs} ms`);
      await executor.end();
      // The pause, and all that waits behind it.
      await redis.flushdb();
    },
  );

  test("check and run say what a table needs", SLOW, async () => {
    const config = ["--config", stage.path("taskexe.toml")];
    const fine = await stage.run(["check", "--offline", "--broker", server.url, ...config]);
    assert.match(fine.stdout, /^ok +tables .*\[source\.emails\]: the list "emails", echo in common$/m);
    for (const command of ["check", "run"]) {
      const wrong = await stage.run([command, "--broker", "sqlite:queue.db", ...config]);
      assert.equal(wrong.code, 2);
      assert.match(wrong.stdout + wrong.stderr, /\[source\.emails\]: this broker has no lists and sorted sets/);
    }
    await stage.write({ "order.toml": '[source.a]\nkind = "list"\nkey = "te.0.common"\n' });
    const bad = await stage.run(["check", "--config", stage.path("order.toml"), "--broker", server.url]);
    assert.match(bad.stdout, /\[source\.a\] key: expected the name of a key/);
  });
});
