/**
 * An executor holds no more than it can run: what it took over from the dead, or took up from its own last life, counts
 * before what it claims, and a claim that comes too late for its slots goes back for others.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { QUEUES } from "../../stage/broker.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../../stage/ledger/ledger-stage.ts";
import { until } from "../../stage/until.ts";

const SLOTS = 4;

for (const { kind, open } of QUEUES) {
  test(`over ${kind} an executor that took up its own tasks leaves those it has no slot for to others`, {
    timeout: 120_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      const gate = stage.path("gate");
      const client = await stage.client(broker);
      const before = await stage.executor({ broker, concurrency: SLOTS, name: "phoenix" });
      const held = await enqueueAll(client, ledgerTasks(SLOTS, { gate }, "held"));
      await until("all slots are taken", 10_000, async () => (await before.busySlots()) === SLOTS);
      before.kill("SIGKILL");
      await before.ended;
      const queued = await enqueueAll(client, ledgerTasks(2 * SLOTS, { gate }, "queued"));

      const after = await stage.executor({ broker, concurrency: SLOTS, name: "phoenix" });
      await until("it has taken them up", 10_000, async () => (await after.busySlots()) === SLOTS);
      const other = await stage.executor({ broker, concurrency: 2 * SLOTS, name: "other" });
      await until("the other runs all the rest", 10_000, async () => (await other.busySlots()) === 2 * SLOTS);
      assert.deepEqual(Object.keys((await after.status()).current).sort(), held);
      await stage.openGate(gate);
      await until("all are done", 10_000, async () => (await notDoneOnce(client, [...held, ...queued])).length === 0);
    });
  });

  test(`over ${kind} an executor that took orphans over leaves those it has no slot for to others`, {
    timeout: 120_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      const gate = stage.path("gate");
      const client = await stage.client(broker);
      const options = { broker, concurrency: SLOTS, lease: "1s" };
      const dying = await stage.executor({ ...options, name: "dying" });
      const orphans = await enqueueAll(client, ledgerTasks(SLOTS, { gate }, "orphan"));
      await until("all slots are taken", 10_000, async () => (await dying.busySlots()) === SLOTS);
      const heir = await stage.executor({ ...options, name: "heir" });
      dying.kill("SIGKILL");
      await until("they are taken over", 10_000, async () => (await heir.busySlots()) === SLOTS);

      // The heir's claims have been waiting since before it took the orphans over.
      const queued = await enqueueAll(client, ledgerTasks(2 * SLOTS, { gate }, "queued"));
      const other = await stage.executor({ ...options, concurrency: 2 * SLOTS, name: "other" });
      await until("the other runs all the rest", 10_000, async () => (await other.busySlots()) === 2 * SLOTS);
      await stage.openGate(gate);
      await until(
        "all are done",
        10_000,
        async () => (await notDoneOnce(client, [...orphans, ...queued])).length === 0,
      );
    });
  });
}
