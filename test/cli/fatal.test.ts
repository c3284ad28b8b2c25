/**
 * A db in which others meddle: where Redis refuses what an executor must do, it says which command, on which key and
 * what to do, and goes on once that is done; where streams are deleted, it makes them again.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { LEDGER_TASKS } from "../stage/ledger/ledger.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { said, untilBy } from "../stage/until.ts";

async function withRedis(use: (stage: Stage, redis: Awaited<ReturnType<Stage["redis"]>>) => Promise<void>) {
  await Stage.with(async (stage) => use(stage, await stage.redis()));
}

describe("an executor whose db is meddled with", () => {
  test(
    "names the key that is of another type and what to do, from the start, and begins once it is mended",
    SLOW,
    async () => {
      await withRedis(async (stage, redis) => {
        await redis.cli(["set", "te.0.common", "x"]);
        const executor = await stage.executor({ broker: redis.url, ready: false });
        await said(
          executor,
          /is refusing: Redis refused (XGROUP|a script) on te\.0\.common.*: WRONGTYPE.*redis-cli TYPE te\.0\.common/,
        );
        const { code, body } = await executor.get("/readyz");
        assert.deepEqual([code, /starting: .*WRONGTYPE/.test(body)], [503, true], body);
        assert.equal(await redis.cli(["get", "te.0.common"]), "x");
        await redis.cli(["del", "te.0.common"]);
        await untilBy(executor, "it is ready", async () => (await executor.get("/readyz")).code === 200);
        assert.doesNotMatch(executor.output(), /\n\s+at /);
      });
    },
  );

  test(
    "lives through a key of another type that a service meets, says so as text and as JSON, and goes on",
    SLOW,
    async () => {
      await withRedis(async (stage, redis) => {
        for (const format of ["pretty", "json"]) {
          const executor = await stage.executor({
            broker: redis.url,
            ...{ name: `one-${format}`, tasks: LEDGER_TASKS, args: ["--log", format] },
            env: { LEDGER: join(stage.folder, "ledger") },
          });
          const client = await stage.client(redis.url);
          const id = `slow-${format}`;
          // It runs until its gate is there, however long all of this takes.
          const payload = JSON.stringify({ gate: join(stage.folder, id) });
          const enqueue = ["enqueue", "ledger", payload, "--id", id, "--broker", redis.url];
          assert.equal((await stage.run(enqueue)).code, 0);
          await untilBy(executor, "it runs", async () => (await executor.busySlots()) === 1);
          await redis.cli(["set", "taskexe:scheduled:common", "x"]);
          const told = /is refusing: Redis refused a script on taskexe:scheduled:common: WRONGTYPE/;
          await said(executor, told);
          assert.equal((await executor.get("/readyz")).code, 503);
          if (format === "json") {
            const lines = executor.output().trim().split("\n");
            const warned = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === "warn");
            assert.ok(warned.some(({ message }) => told.test(message)));
          }
          await stage.write({ [id]: "" });
          await untilBy(executor, "it is done", async () => (await client.record(id))?.state === "done");
          await redis.cli(["del", "taskexe:scheduled:common"]);
          await untilBy(executor, "it is ready", async () => (await executor.get("/readyz")).code === 200);
          assert.doesNotMatch(executor.output(), /\n\s+at /);
          await executor.end();
        }
      });
    },
  );

  test("goes on where its streams, or all of the db, are deleted under it", SLOW, async () => {
    await withRedis(async (stage, redis) => {
      const executor = await stage.executor({ broker: redis.url, name: "one" });
      for (const command of [["del", "te.0.common", "te.1.common"], ["flushdb"]]) {
        await redis.cli(command);
        const enqueue = ["enqueue", "echo", '"here"', "--wait", "--broker", redis.url];
        const { code, stdout, stderr } = await stage.run(enqueue);
        assert.deepEqual([code, stdout.trim()], [0, '"here"'], `${command}: ${stderr}${executor.output()}`);
      }
      assert.equal(executor.hasEnded, false);
    });
  });
});
