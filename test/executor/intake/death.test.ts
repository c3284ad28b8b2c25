/**
 * Executors that are killed with kill -9: what they held is done by others, or by their own next life, and nothing is
 * missing. The lease is 3 s here so that the suite is quick; the default is 30 s and shifts the bounds by as much.
 * @long about 25 s
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { QUEUES } from "../../stage/broker.ts";
import { countById, type LedgerLine } from "../../stage/ledger/ledger.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../../stage/ledger/ledger-stage.ts";
import { until } from "../../stage/until.ts";

const LEASE_MS = 3_000;
/** The fleet has an orphaned task in hand this long after its lease is over, in ms. */
const TAKEN_OVER_WITHIN_MS = 5_000;
/** What waits for a lease of 30 s to be over takes far longer. */
const AT_ONCE_MS = 5_000;
const MANY = 10_000;
const timeout = 120_000;

for (const { kind, open } of QUEUES) {
  test(`10 000 tasks over ${kind} are all done though one of two executors is killed with its slots full`, {
    timeout,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      const options = { broker, lease: "3s", concurrency: 50 };
      const first = await stage.executor({ ...options, name: "first" });
      const second = await stage.executor({ ...options, name: "second" });
      const client = await stage.client(broker);
      const ids = await enqueueAll(client, ledgerTasks(MANY, { ms: 40 }));

      await until("both work and the first has its slots full", 20_000, async () => {
        const [one, other] = [await first.status(), await second.status()];
        return one.done > 200 && other.done > 200 && Object.keys(one.current).length === options.concurrency;
      });
      // Its tasks end in waves: it is held still, so that the kill cannot come between two of them.
      await until("it is held still in the midst of its tasks", 20_000, () => {
        first.kill("SIGSTOP");
        if (openIn(stage.ledger(), first.pid) > options.concurrency / 2) return true;
        first.kill("SIGCONT");
        return false;
      });
      first.kill("SIGKILL");
      await first.ended;
      const killedAt = Date.now();

      await until("the queue is empty", 60_000, async () => isEmpty(await client.backlog()));
      assert.deepEqual(await notDoneOnce(client, ids), []);
      const ledger = stage.ledger();
      assert.equal(countById(ledger, "end").size, MANY);

      // What ran twice is what the killed one had begun; it was begun anew soon after its lease was over.
      const again = [...countById(ledger, "start")].filter(([, times]) => times > 1).map(([id]) => id);
      const begun = new Set(
        ledger.filter(({ what, pid }) => what === "start" && pid === first.pid).map(({ id }) => id),
      );
      assert.deepEqual(
        again.filter((id) => !begun.has(id)),
        [],
      );
      assert.ok(again.length > 0, "the killed one held nothing: this test showed nothing");
      const late = ledger.filter(({ what, id, pid }) => what === "start" && pid === second.pid && begun.has(id));
      const lastAt = Math.max(...late.map(({ at }) => at));
      const tookMs = lastAt - killedAt;
      assert.ok(tookMs < LEASE_MS + TAKEN_OVER_WITHIN_MS, `the last orphan was begun ${tookMs} ms after the kill`);
      process.stderr.write(`      ${kind}: ${again.length} ran twice, the last was taken over after ${tookMs} ms\n`);
    });
  });

  test(`over ${kind} the tasks of a dead executor do not wait until a busy one has worked off its backlog`, {
    timeout,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      const options = { broker, lease: "1s", concurrency: 2 };
      const client = await stage.client(broker);
      const dying = await stage.executor({ ...options, name: "dying" });
      const gate = stage.path("gate");
      const orphans = await enqueueAll(client, ledgerTasks(2, { gate }, "orphan"));
      await until("it runs them", 10_000, async () => (await dying.busySlots()) === 2);
      await enqueueAll(client, ledgerTasks(100, { ms: 500 }, "backlog"));
      const busy = await stage.executor({ ...options, name: "busy" });
      await until("the other has its slots full", 10_000, async () => (await busy.busySlots()) === 2);
      dying.kill("SIGKILL");
      await dying.ended;
      await stage.openGate(gate);

      // The backlog takes more than twice as long.
      await until("the orphans are done", 1_000 + TAKEN_OVER_WITHIN_MS + 4_000, async () => {
        return (await notDoneOnce(client, orphans)).length === 0;
      });
      assert.ok((await client.backlog()).lag > 0, "the backlog was worked off: this test showed nothing");
    });
  });

  test(`over ${kind} an executor that comes back under its name takes up what it held at once`, {
    timeout,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      // The lease is the default of 30 s: nobody could take these over within the time that is waited here.
      const options = { broker, concurrency: 20, name: "phoenix" };
      const gate = stage.path("gate");
      const client = await stage.client(broker);
      const before = await stage.executor(options);
      const ids = await enqueueAll(client, ledgerTasks(20, { gate }));
      await until("all of them run", 10_000, async () => (await before.busySlots()) === 20);
      before.kill("SIGKILL");
      await before.ended;

      const after = await stage.executor(options);
      const readyAt = Date.now();
      await until("it runs them again", 10_000, () => stage.begunBy(after) === 20);
      await after.says(/Took up 20 task\(s\) pending under our own name/);
      const begun = stage.ledger().filter(({ what, pid }) => what === "start" && pid === after.pid);
      assert.ok(Math.max(...begun.map(({ at }) => at)) - readyAt < AT_ONCE_MS, "not at once");
      await stage.openGate(gate);
      await until("all are done", 10_000, async () => (await notDoneOnce(client, ids)).length === 0);
      await until("each is counted", 10_000, async () => (await after.status()).done >= 20);
      assert.equal((await after.status()).done, 20);
    });
  });
}

function isEmpty({ pending, lag }: { readonly pending: number; readonly lag: number }): boolean {
  return pending === 0 && lag === 0;
}

/** How many tasks a process has begun and not ended. */
function openIn(ledger: readonly LedgerLine[], pid: number): number {
  const own = ledger.filter((line) => line.pid === pid);
  return own.filter(({ what }) => what === "start").length - own.filter(({ what }) => what === "end").length;
}
