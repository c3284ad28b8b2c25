/**
 * A db in which others meddle: where Redis refuses what an executor must do, it drains, says where it failed and on
 * which key, and ends with 1; where streams are deleted, it makes them again.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Place, SLOW, said, untilBy } from "../executor/place.ts";
import { LEDGER_TASKS } from "../support/ledger.ts";

async function withRedis(use: (place: Place, redis: Awaited<ReturnType<Place["redis"]>>) => Promise<void>) {
  await Place.with(async (place) => use(place, await place.redis()));
}

describe("an executor whose db is meddled with", () => {
  test("names the key that is of another type and what to do, and ends with 1", SLOW, async () => {
    await withRedis(async (place, redis) => {
      await redis.cli(["set", "te.0.common", "x"]);
      const { code, stderr } = await place.run(["run", "--broker", redis.url, "--listen", "off"]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /taskexe: executor: Redis refused \w+ on te\.0\.common: WRONGTYPE/);
      assert.match(stderr, /redis-cli TYPE te\.0\.common/);
      assert.doesNotMatch(stderr, /\n\s+at /);
    });
  });

  test("finishes what runs, tells the path as text and as JSON, and ends with 1", SLOW, async () => {
    await withRedis(async (place, redis) => {
      for (const format of ["pretty", "json"]) {
        const executor = await place.executor(redis.url, {
          ...{ name: "one", tasks: LEDGER_TASKS, args: ["--log", format] },
          env: { LEDGER: join(place.folder, "ledger") },
        });
        const client = await place.client(redis.url);
        const id = `slow-${format}`;
        // It runs until its gate is there, however long all of this takes.
        const payload = JSON.stringify({ gate: join(place.folder, id) });
        const enqueue = ["enqueue", "ledger", payload, "--id", id, "--broker", redis.url];
        assert.equal((await place.run(enqueue)).code, 0);
        await untilBy(executor, "it runs", async () => (await executor.busySlots()) === 1);
        await redis.cli(["set", "taskexe:scheduled:common", "x"]);
        await said(executor, /Draining: \w+ failed/);
        assert.equal((await client.record(id))?.state, "running");
        await redis.cli(["del", "taskexe:scheduled:common"]);
        await place.write({ [id]: "" });
        assert.equal((await executor.exit).code, 1);
        assert.equal((await client.record(id))?.state, "done");
        // Whoever comes across the key first.
        const told = /executor > (promote|status): Redis refused (a script|\w+) on taskexe:scheduled:common: WRONGTYPE/;
        const part = told.exec(executor.log())?.[1];
        assert.ok(part, executor.log());
        if (format === "json") {
          const lines = executor.log().trim().split("\n");
          const fatal = lines.map((line) => JSON.parse(line)).find(({ level }) => level === "fatal");
          assert.deepEqual(fatal?.path, ["executor", part]);
        }
        assert.doesNotMatch(executor.log(), /\n\s+at /);
      }
    });
  });

  test("goes on where its streams, or all of the db, are deleted under it", SLOW, async () => {
    await withRedis(async (place, redis) => {
      const executor = await place.executor(redis.url, { name: "one" });
      for (const command of [["del", "te.0.common", "te.1.common"], ["flushdb"]]) {
        await redis.cli(command);
        const enqueue = ["enqueue", "echo", '"here"', "--wait", "--broker", redis.url];
        const { code, stdout, stderr } = await place.run(enqueue);
        assert.deepEqual([code, stdout.trim()], [0, '"here"'], `${command}: ${stderr}${executor.log()}`);
      }
      assert.equal(executor.hasEnded, false);
    });
  });
});
