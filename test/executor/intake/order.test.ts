/** Real executors over full queues: urgent tasks start first, and what was handed back starts in its place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QUEUES } from "../../stage/broker.ts";
import { enqueueAll, LedgerStage, ledgerTasks } from "../../stage/ledger/ledger-stage.ts";
import { until } from "../../stage/until.ts";

const urgent = (tasks: ReturnType<typeof ledgerTasks>) => tasks.map((each) => ({ ...each, priority: 1 }));

function started(stage: LedgerStage): string[] {
  return stage
    .ledger()
    .filter(({ what }) => what === "start")
    .map(({ id }) => id);
}

for (const { kind, open } of QUEUES) {
  for (const executors of [1, 2]) {
    test(`over ${kind} ${executors} executor(s) with one slot each run all urgent tasks before the first ` +
      "ordinary one", {
      timeout: 60_000,
    }, async () => {
      await LedgerStage.with(async (stage) => {
        const broker = await open(stage);
        const client = await stage.client(broker);
        const ordinary = await enqueueAll(client, ledgerTasks(8, { ms: 20 }, "ordinary"));
        const first = await enqueueAll(client, urgent(ledgerTasks(8, { ms: 20 }, "urgent")));
        for (let i = 0; i < executors; i++) await stage.executor({ broker, concurrency: 1 });
        await until("all have started", 20_000, () => started(stage).length === 16);
        const expected = [...first, ...ordinary];
        for (const [at, id] of started(stage).entries()) {
          // Another executor may have claimed one that came before and not have written down its start.
          const before = expected.slice(0, expected.indexOf(id));
          const late = before.filter((other) => started(stage).indexOf(other) > at);
          assert.ok(late.length < executors, `${id} started before ${late.join(", ")}`);
        }
      });
    });
  }

  test(`over ${kind} an urgent task that comes while a long one runs is the next, and the ordinary ones keep ` +
    "their order", {
    timeout: 60_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      const client = await stage.client(broker);
      await stage.executor({ broker, concurrency: 1 });
      const expected: string[] = [];
      for (let round = 0; round < 3; round++) {
        const gate = stage.path(`gate-${round}`);
        const ordinary = await enqueueAll(client, ledgerTasks(3, { gate }, `ordinary-${round}`));
        await until("the first runs", 20_000, () => started(stage).length === expected.length + 1);
        const between = await enqueueAll(client, urgent(ledgerTasks(2, { gate }, `urgent-${round}`)));
        await stage.openGate(gate);
        expected.push(...ordinary.slice(0, 1), ...between, ...ordinary.slice(1));
        await until("all have started", 20_000, () => started(stage).length === expected.length);
        assert.deepEqual(started(stage), expected);
      }
    });
  });

  test(`over ${kind} what an executor hands back as it leaves starts before what was enqueued later`, {
    timeout: 60_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const broker = await open(stage);
      const client = await stage.client(broker);
      const gate = stage.path("gate");
      const leaving = await stage.executor({ broker, concurrency: 2, grace: "100ms" });
      const ids = await enqueueAll(client, ledgerTasks(6, { gate }));
      await until("both slots are taken", 20_000, () => started(stage).length === 2);
      leaving.kill("SIGTERM");
      assert.deepEqual(await leaving.exit, { code: 0, signal: null });
      await stage.openGate(gate);
      await stage.executor({ broker, concurrency: 1 });
      await until("all have started", 20_000, () => started(stage).length === 8);
      assert.deepEqual(started(stage).slice(2), ids);
    });
  });
}
