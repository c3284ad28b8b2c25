/** One executor is told from outside what to do: over Redis and SQLite, by the command line and HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QUEUES } from "../../stage/broker.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const timeout = 240_000;

for (const { kind, open } of QUEUES) {
  test(`an executor over ${kind} is made quiet, resumed, resized and drained from anywhere`, { timeout }, async () => {
    await Stage.with(async (stage) => {
      const broker = await open(stage);
      const executor = await stage.executor({ broker, args: ["--name", "one", "--concurrency", "3"] });
      const cli = (...args: string[]) => stage.run([...args, "--broker", broker]);
      const beat = async () => JSON.parse((await cli("top", "--once", "--json")).stdout).fleet[0]?.beat ?? {};
      const tell = async (...args: string[]) => {
        const told = await cli("executor", "one", ...args, "--wait-timeout", "60s", "--json");
        assert.deepEqual([told.stderr, told.code], ["", 0]);
        return JSON.parse(told.stdout);
      };

      assert.deepEqual(await tell("quiet"), { name: "one", command: "quiet", taken: true });
      assert.equal((await beat()).quiet, true);
      await cli("enqueue", "noop", "--id", "waits");
      // A claim that was under way may have met it: it goes back, and nothing runs.
      assert.equal((await executor.status()).done, 0);
      assert.deepEqual(await tell("resume"), { name: "one", command: "resume", taken: true });
      await until("it works again", 60_000, async () => (await executor.status()).done === 1);
      assert.equal((await beat()).quiet, undefined);

      assert.deepEqual(await tell("resize", "7"), { name: "one", command: "resize", slots: 7, taken: true });
      assert.equal((await executor.status()).concurrency, 7);
      assert.equal((await beat()).concurrency, 7);

      const headers = { "content-type": "application/json" };
      const post = (what: string, body: unknown) =>
        fetch(`${executor.url}/api/v1/executors/${what}`, { method: "POST", headers, body: JSON.stringify(body) });
      assert.equal((await (await post("one/resize", { slots: 2 })).json()).slots, 2);
      await until("it has two slots", 60_000, async () => (await executor.status()).concurrency === 2);
      assert.equal((await post("nobody/quiet", {})).status, 404);
      assert.equal((await post("one/resize", {})).status, 400);

      const nobody = await cli("executor", "nobody", "drain");
      assert.match(nobody.stderr, /no executor has the name "nobody"/);
      assert.equal(nobody.code, 1);
      assert.deepEqual(await tell("drain"), { name: "one", command: "drain", taken: true });
      assert.equal((await executor.ended).code, 0);
    });
  });
}
