/**
 * An executor that stands still longer than its lease (SIGSTOP) and wakes up again: another one has taken its task over
 * and finished it, and what the late one says of it is refused and counted as lost.
 * @long about 10 s
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { runtime } from "../../../src/runtime/index.ts";
import { QUEUES, type QueueKind } from "../../stage/broker.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { countById } from "../../stage/ledger/ledger.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../../stage/ledger/ledger-stage.ts";
import { until } from "../../stage/until.ts";

/**
 * The lease of the one that takes over: none of its tasks may go back where the whole machine stands still for a while.
 * SQLite keeps the holder's lease; Redis keeps the longer one of holder and taker, but looks twice before it takes.
 */
function keeps(kind: QueueKind["kind"], lease: string): string {
  return kind === "sqlite" ? "30s" : lease;
}

/**
 * Stops it, but not in the midst of a write: to hold SQLite's lock while it stands still would keep everybody else out.
 */
async function holdStill(executor: ExecutorProcess, broker: string): Promise<void> {
  await until("it stands still, and others can write", 10_000, () => {
    executor.kill("SIGSTOP");
    if (isWritable(broker)) return true;
    executor.kill("SIGCONT");
    return false;
  });
}

function isWritable(broker: string): boolean {
  const [, path] = /^sqlite:(.+)/.exec(broker) ?? [];
  if (path === undefined) return true;
  const database = runtime.openDatabase(path);
  try {
    database.exec("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK");
    return true;
  } catch {
    return false;
  } finally {
    database.close();
  }
}

/**
 * An executor that stands still while it runs one of two tasks and the other waits for its slot, and another executor
 * that has taken both over since. The tasks end once the gate is open.
 */
async function stallWithOneWaiting(stage: LedgerStage, broker: string, kind: QueueKind["kind"]) {
  const options = { broker, name: "stalled", lease: "2s", folder: stage.path("stalled") };
  const gate = stage.path("gate");
  const client = await stage.client(broker);
  const killed = await stage.executor({ ...options, concurrency: 2 });
  const ids = await enqueueAll(client, ledgerTasks(2, { gate }));
  await until("it runs both", 10_000, () => stage.begunBy(killed) === 2);
  killed.kill("SIGKILL");
  await killed.ended;
  // The same name takes both up again, and has a slot for one of them.
  const stalled = await stage.executor({ ...options, concurrency: 1 });
  await until("it has taken them up", 10_000, () => stalled.output().includes("Took up 2 task(s)"));
  await until("one runs", 10_000, () => stage.begunBy(stalled) === 1);
  await holdStill(stalled, broker);
  // Two executors by now: as suspects both may run here beside each other.
  const other = await stage.executor({ broker, name: "other", lease: keeps(kind, "2s"), concurrency: 8 });
  await until("the other has taken both over", 15_000, () => stage.begunBy(other) === 2);
  return { gate, client, ids, stalled, other };
}

/** One executor stands still over the only task, and another one has taken that over. */
async function stallOverOne(stage: LedgerStage, broker: string, kind: QueueKind["kind"]) {
  const options = { broker, lease: "1s", concurrency: 1 };
  const gate = stage.path("gate");
  const client = await stage.client(broker);
  const stalled = await stage.executor({ ...options, name: "stalled" });
  const [id = ""] = await enqueueAll(client, ledgerTasks(1, { gate }));
  await until("it runs the task", 10_000, () => stage.begunBy(stalled) === 1);
  await holdStill(stalled, broker);
  const other = await stage.executor({ ...options, name: "other", lease: keeps(kind, "1s") });
  await until("the other has taken it over", 10_000, () => stage.begunBy(other) === 1);
  return { gate, client, id, stalled, other };
}

async function theWaitingOneRanElsewhere(stage: LedgerStage, client: Broker, ids: readonly string[]): Promise<void> {
  assert.deepEqual(await notDoneOnce(client, ids), []);
  const starts = [...countById(stage.ledger(), "start").values()];
  assert.deepEqual(starts.toSorted(), [2, 3], "the one that waited was started by the killed and the other alone");
}

for (const { kind, open } of QUEUES) {
  test(`over ${kind} a completion that comes after the lease was lost is refused, and the task is done once`, {
    timeout: 120_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const { gate, client, id, stalled, other } = await stallOverOne(stage, await open(stage), kind);
      await stage.openGate(gate);
      await until("the other has finished it", 10_000, async () => (await other.status()).done === 1);
      stalled.kill("SIGCONT");

      await until("the late one knows that it lost", 10_000, async () => (await stalled.status()).lost === 1);
      const record = await client.record(id);
      assert.deepEqual(
        {
          state: record?.state,
          completions: record?.completions,
          executor: record?.executor,
          crashes: record?.crashes,
        },
        { state: "done", completions: 1, executor: "other", crashes: 0 },
      );
      const late = await stalled.status();
      assert.deepEqual({ done: late.done, failed: late.failed, lost: late.lost }, { done: 0, failed: 0, lost: 1 });
      assert.equal((await other.status()).done, 1);
      assert.equal(countById(stage.ledger(), "start").get(id), 2);

      // It is none the worse for it: the next task is as good as any.
      other.kill("SIGTERM");
      await other.ended;
      const next = await enqueueAll(client, ledgerTasks(1, {}, "next"));
      await until("it works on", 10_000, async () => (await notDoneOnce(client, next)).length === 0);
    });
  });
}

for (const { kind, open } of QUEUES) {
  test(`over ${kind} a task whose lease was lost while it waited for its slot is never started`, {
    timeout: 120_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const { gate, client, ids, stalled, other } = await stallWithOneWaiting(stage, await open(stage), kind);
      stalled.kill("SIGCONT");

      await until("the late one knows that it lost both", 10_000, async () => (await stalled.status()).lost === 2);
      await stage.openGate(gate);
      await until("the other has finished them", 10_000, async () => (await other.status()).done === 2);
      await theWaitingOneRanElsewhere(stage, client, ids);
    });
  });
}

for (const { kind, open } of QUEUES) {
  test(`over ${kind} a task whose slot comes after its lease was lost is not started, though nobody has told yet`, {
    timeout: 120_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const { gate, client, ids, stalled, other } = await stallWithOneWaiting(stage, await open(stage), kind);
      await stage.openGate(gate);
      await until("the other has finished them", 10_000, async () => (await other.status()).done === 2);
      // As it wakes, the one that runs finds the gate open and frees its slot, before any renewal is answered.
      stalled.kill("SIGCONT");

      await until("the late one knows that it lost both", 10_000, async () => (await stalled.status()).lost === 2);
      await theWaitingOneRanElsewhere(stage, client, ids);
    });
  });
}

for (const { kind, open } of QUEUES) {
  test(`over ${kind} an attempt whose lease was lost is stopped, and counts as lost too`, {
    timeout: 120_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const { gate, client, id, stalled, other } = await stallOverOne(stage, await open(stage), kind);
      stalled.kill("SIGCONT");

      await until(
        "the late one has stopped its attempt",
        10_000,
        () => countById(stage.ledger(), "stopped").get(id) === 1,
      );
      await until("the late one knows that it lost", 5_000, async () => (await stalled.status()).lost === 1);
      await stage.openGate(gate);
      await until("the other has finished it", 10_000, async () => (await other.status()).done === 1);
      assert.deepEqual(await notDoneOnce(client, [id]), []);
      assert.equal((await stalled.status()).done, 0);
    });
  });
}
