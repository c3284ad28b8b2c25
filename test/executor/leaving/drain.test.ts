/**
 * Leaving on a signal: what can be finished within the grace is finished, the rest is handed back so that others start
 * it at once, and the exit code tells how it went. A second signal means now.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { QUEUES } from "../../stage/broker.ts";
import { countById } from "../../stage/ledger/ledger.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../../stage/ledger/ledger-stage.ts";
import { quickEnough } from "../../stage/quick-enough.ts";
import { until } from "../../stage/until.ts";

const SLOTS = 50;
/** How soon others start what was handed back, in ms. */
const STARTED_WITHIN_MS = 1_000;

for (const { kind, open } of QUEUES) {
  test(`over ${kind} SIGTERM lets 50 running tasks finish within the grace, and the exit code is 0`, {
    timeout: 120_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      const client = await stage.client(broker);
      const executor = await stage.executor({ broker, concurrency: SLOTS, grace: "30s" });
      const gate = stage.path("gate");
      const ids = await enqueueAll(client, ledgerTasks(SLOTS, { gate }));
      await until("all slots are taken", 10_000, async () => (await executor.busySlots()) === SLOTS);
      const waiting = await enqueueAll(client, ledgerTasks(3, {}, "later"));
      executor.kill("SIGTERM");
      await until("it says that it drains", 10_000, async () => (await executor.status()).state === "draining");
      assert.equal((await executor.get("/readyz")).code, 503);
      await stage.openGate(gate);

      assert.deepEqual(await executor.exit, { code: 0, signal: null });
      assert.deepEqual(await notDoneOnce(client, ids), []);
      assert.equal(countById(stage.ledger(), "end").size, SLOTS);
      const { pending, lag } = await client.backlog();
      assert.deepEqual({ pending, lag }, { pending: 0, lag: waiting.length });
      assert.deepEqual(await client.fleet(), []);
    });
  });

  test(`over ${kind} tasks that outlast the grace are handed back and start elsewhere within a second`, {
    timeout: 120_000,
  }, async () => {
    const tookMs = await quickEnough("the start of the last one", STARTED_WITHIN_MS, async () => {
      let tookMs = Number.NaN;
      await LedgerStage.with(async (stage) => {
        tookMs = await handBack(stage, await open(stage));
      });
      return tookMs;
    });
    process.stderr.write(`      ${kind}: handed back and started elsewhere within ${tookMs} ms\n`);
  });
}

/**
 * Has an executor leave with all its slots full; gives how long after their end the last of its tasks began elsewhere.
 */
async function handBack(stage: LedgerStage, broker: string): Promise<number> {
  const client = await stage.client(broker);
  const leaving = await stage.executor({ broker, concurrency: SLOTS, grace: "1s", name: "leaving" });
  const ids = await enqueueAll(client, ledgerTasks(SLOTS, { ms: 60_000 }));
  await until("all slots are taken", 10_000, () => stage.begunBy(leaving) === SLOTS);
  const staying = await stage.executor({ broker, concurrency: SLOTS, name: "staying" });
  leaving.kill("SIGTERM");

  assert.deepEqual(await leaving.exit, { code: 0, signal: null });
  await until("the other runs all of them", 10_000, () => stage.begunBy(staying) === SLOTS);
  const ledger = stage.ledger();
  const stopped = ledger.filter(({ what, pid }) => what === "stopped" && pid === leaving.pid);
  const begun = ledger.filter(({ what, pid }) => what === "start" && pid === staying.pid);
  assert.equal(stopped.length, SLOTS);
  const records = await Promise.all(ids.map((id) => client.record(id)));
  assert.deepEqual(new Set(records.map((record) => record?.executor)), new Set(["staying"]));
  // A hand-back is no failure and no crash: it costs nothing of a task's budgets.
  assert.deepEqual(new Set(records.map((record) => `${record?.attempt} ${record?.crashes}`)), new Set(["1 0"]));
  assert.deepEqual(
    (await client.fleet()).map(({ name }) => name),
    ["staying"],
  );
  return Math.max(...begun.map(({ at }) => at)) - Math.max(...stopped.map(({ at }) => at));
}

for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const) {
  test(`a second ${signal} ends the executor at once with ${code}`, { timeout: 120_000 }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = `sqlite:${stage.path("tasks.db")}`;
      const client = await stage.client(broker);
      const executor = await stage.executor({ broker, concurrency: 1, grace: "60s" });
      await enqueueAll(client, ledgerTasks(1, { ms: 60_000 }));
      await until("it runs the task", 10_000, async () => (await executor.busySlots()) === 1);
      executor.kill(signal);
      await until("it drains", 10_000, async () => (await executor.status()).state === "draining");
      // Two within 50 ms count as one, since a terminal and npm may send the same one twice.
      const begun = performance.now();
      await until("the second is not taken for the first", 10_000, () => performance.now() - begun > 100);
      executor.kill(signal);
      assert.deepEqual(await executor.exit, { code, signal: null });
    });
  });
}
