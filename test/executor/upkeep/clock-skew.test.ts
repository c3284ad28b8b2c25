/**
 * Executors whose clocks are two hours apart, over one Redis: what is due when, who holds a lease and what has passed
 * its deadline is a matter of Redis' clock alone.
 * @long about 20 s
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { EnqueueRequest } from "../../../src/broker/broker.ts";
import { putSchedule } from "../../../src/operations/schedules/put-schedule.ts";
import { formatMessage } from "../../../src/task/message/message.ts";
import type { TaskOptions } from "../../../src/task/message/message-schema.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { enqueueAll, LedgerStage, notDoneOnce, recordsOf } from "../../stage/ledger/ledger-stage.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { until } from "../../stage/until.ts";

const HOUR_MS = 3_600_000;
const SLOTS = 6;
/** Where leases are to end, in ms. */
const LEASE_MS = 2_000;
/** What is off by a clock is off by an hour; a busy machine is late by seconds, in ms. */
const TRUE_MS = 15_000;
const timeout = 60_000;
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PROGRAM = [
  at("../../../node_modules/.bin/bun"),
  "--preload",
  at("shifted-clock.ts"),
  at("../../../src/main.ts"),
] as const;

/** An executor whose clock is off; always from source, since an executable preloads nothing. */
function skewed(
  stage: LedgerStage,
  { broker, name, lease }: { readonly broker: string; readonly name: string; readonly lease: string },
  shiftMs: number,
): Promise<ExecutorProcess> {
  const env = { SHIFT_MS: String(shiftMs) };
  return stage.executor({ broker, name, lease, concurrency: SLOTS, program: [...PROGRAM], env });
}

/**
 * Two executors, an hour fast and an hour slow, and a client whose clock is right. Only who asks for a short lease has
 * to reckon with a machine that stands still for longer.
 */
async function withSkewed(
  use: (stage: LedgerStage, parts: { fast: ExecutorProcess; slow: ExecutorProcess; url: string }) => Promise<void>,
  lease = "30s",
): Promise<void> {
  await LedgerStage.with(async (stage) => {
    const { url } = await stage.redis();
    const fast = await skewed(stage, { broker: url, name: "fast", lease }, HOUR_MS);
    const slow = await skewed(stage, { broker: url, name: "slow", lease }, -HOUR_MS);
    await use(stage, { fast, slow, url });
  });
}

/** The lines of the ledger with the time that it really was. */
function trueLedger(stage: LedgerStage, fast: ExecutorProcess) {
  return stage.ledger().map((line) => ({ ...line, at: line.at + (line.pid === fast.pid ? -HOUR_MS : HOUR_MS) }));
}

function withOptions(id: string, payload: unknown, options: TaskOptions): EnqueueRequest {
  return { ...requestOf(id, "ledger", payload), message: formatMessage({ id, type: "ledger", payload, options }) };
}

test("delayed tasks begin when they are due, whichever clock runs them, and their records tell the true time", {
  timeout,
}, async () => {
  await withSkewed(async (stage, { fast, slow, url }) => {
    const client = await stage.client(url);
    const before = Date.now();
    // As many as both have slots for, and none ends before all have begun: neither can run all of them.
    const gate = stage.path("gate");
    const delayed = Array.from({ length: 2 * SLOTS }, (_, n) => requestOf(`delayed-${n}`, "ledger", { gate }));
    const ids = await enqueueAll(
      client,
      delayed.map((request) => ({ ...request, delayMs: 1_500 })),
    );
    await until("all have begun", 15_000, () => stage.ledger().length === ids.length);
    await stage.openGate(gate);
    await until("all are done", 15_000, async () => (await notDoneOnce(client, ids)).length === 0);
    const begun = trueLedger(stage, fast).filter(({ what }) => what === "start");
    assert.deepEqual(new Set(begun.map(({ pid }) => pid)), new Set([fast.pid, slow.pid]), "one of them ran nothing");
    for (const { id, at: begunAt } of begun) {
      const afterMs = begunAt - before;
      assert.ok(afterMs >= 1_490 && afterMs < TRUE_MS, `${id} began after ${afterMs} ms`);
    }
    for (const record of await recordsOf(client, ids)) {
      for (const time of [record?.enqueued_at, record?.started_at, record?.finished_at]) {
        assert.ok(Math.abs((time ?? 0) - before) < 20_000, `a record is ${(time ?? 0) - before} ms off`);
      }
    }
  });
});

test("a schedule fires each second, once, at the true time", { timeout }, async () => {
  await withSkewed(async (stage, { fast, url }) => {
    const client = await stage.client(url);
    const schedule = { name: "tick", cron: "* * * * * *", type: "ledger", payload: {} };
    await putSchedule(client, schedule, { retentionMs: HOUR_MS });
    const ticks = () => trueLedger(stage, fast).filter(({ what }) => what === "start");
    await until("it has fired five times", 20_000, () => ticks().length >= 5);
    await client.removeSchedule("tick");
    const dues = ticks().map(({ id, at: begunAt }) => ({ dueAt: Number(id.replace("cron-tick-", "")), begunAt }));
    assert.equal(new Set(dues.map(({ dueAt }) => dueAt)).size, dues.length, "one second was fired twice");
    for (const { dueAt, begunAt } of dues) {
      assert.equal(dueAt % 1_000, 0);
      assert.ok(begunAt - dueAt > -50 && begunAt - dueAt < TRUE_MS, `it began ${begunAt - dueAt} ms after it was due`);
    }
  });
});

test("a lease that is renewed is not taken over, and one that is not is, whichever clock is whose", {
  timeout,
}, async () => {
  await withSkewed(async (stage, { fast, slow, url }) => {
    const client = await stage.client(url);
    const gateOf = (id: string): string => stage.path(`gate-${id}`);
    const requests = Array.from({ length: 2 * SLOTS }, (_, n) =>
      requestOf(`held-${n}`, "ledger", { gate: gateOf(`held-${n}`) }),
    );
    const ids = await enqueueAll(client, requests);
    const starts = () => stage.ledger().filter(({ what }) => what === "start");
    const startedBy = ({ pid }: ExecutorProcess) => starts().flatMap((line) => (line.pid === pid ? [line.id] : []));
    await until("all run", 15_000, () => starts().length === ids.length);
    // Either gets slots free: it could take over what the other one holds.
    const [ofFast, ofSlow] = [startedBy(fast), startedBy(slow)];
    assert.deepEqual([ofFast.length, ofSlow.length], [SLOTS, SLOTS]);
    const ended = [...ofFast.slice(SLOTS / 2), ...ofSlow.slice(SLOTS / 2)];
    for (const id of ended) await stage.openGate(gateOf(id));
    await until("half of them are done", 15_000, async () => (await notDoneOnce(client, ended)).length === 0);
    const halfDone = Date.now();
    await until("three leases have passed", 15_000, () => Date.now() - halfDone > 3 * LEASE_MS);
    assert.equal(starts().length, ids.length, "a lease was taken over from a living executor");

    slow.kill("SIGKILL");
    await slow.ended;
    const orphans = ofSlow.slice(0, SLOTS / 2);
    await until("the fast one has begun the orphans", 15_000, () => startedBy(fast).length === SLOTS + orphans.length);
    assert.deepEqual(startedBy(fast).slice(SLOTS).toSorted(), orphans.toSorted());
    for (const id of ids) await stage.openGate(gateOf(id));
    await until("all are done", 15_000, async () => (await notDoneOnce(client, ids)).length === 0);
  }, `${LEASE_MS}ms`);
});

test("a deadline is passed when Redis says so: not an hour early, not an hour late", { timeout }, async () => {
  await withSkewed(async (stage, { url }) => {
    const client = await stage.client(url);
    const now = Date.now();
    // As many as both have slots for: neither can run all of them.
    const many = Array.from({ length: 2 * SLOTS }, (_, n) => n);
    const near = many.map((n) => withOptions(`near-${n}`, { ms: 30_000 }, { deadline_at: now + 2_000 }));
    const far = many.map((n) => withOptions(`far-${n}`, { ms: 500 }, { deadline_at: now + HOUR_MS / 2 }));
    await enqueueAll(client, [...near, ...far]);
    const farIds = far.map(({ id }) => id);
    const nearIds = near.map(({ id }) => id);
    const records = await until("those without time are dead", 15_000, async () => {
      const all = await recordsOf(client, nearIds);
      return all.every((record) => record?.state === "dead") ? all : null;
    });
    await until("those with time left are done", 15_000, async () => (await notDoneOnce(client, farIds)).length === 0);
    for (const record of records) {
      const afterMs = (record?.finished_at ?? 0) - now;
      assert.ok(afterMs > 1_900 && afterMs < TRUE_MS, `${record?.id} was stopped after ${afterMs} ms`);
    }
    const executors = new Set(records.map((record) => record?.executor));
    assert.deepEqual(executors, new Set(["fast", "slow"]), "one of them ran nothing");
  });
});
