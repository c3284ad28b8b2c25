/**
 * The embedded file is deleted, replaced or loses its log while processes have it open. Those would go on in a file
 * that nobody else sees: the executor says so, is not ready, opens what is there now and goes on; clients do, too.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { describe, test } from "node:test";
import { createBroker } from "../../src/broker/drivers.ts";
import { connect } from "../../src/client/connect.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { runtime } from "../../src/runtime/index.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../stage/ledger/ledger-stage.ts";
import { requestOf } from "../stage/outcomes.ts";
import { until } from "../stage/until.ts";

const LIMIT = { timeout: 60_000 };
const SOON_MS = 10_000;
const ENDS = ["", "-wal", "-shm"];

async function isReady(executor: ExecutorProcess): Promise<void> {
  await until("it is ready", SOON_MS, async () => (await executor.get("/readyz")).code === 200);
}

/** Waits until the executor is not ready and says why, and until it is ready again. */
async function noticed(executor: ExecutorProcess, what: RegExp): Promise<void> {
  await until(`it is not ready (${what})`, SOON_MS, async () => {
    const { code, body } = await executor.get("/readyz");
    return code === 503 && what.test(body);
  });
  await until("it is in the log", SOON_MS, () => what.test(executor.output()));
  await isReady(executor);
  const { broker } = await executor.status();
  assert.deepEqual([broker.state, broker.last_error], ["connected", null]);
  assert.match(broker.warnings.join(), what);
}

/** A file with tasks in it that no process has open. */
async function otherFile(
  stage: LedgerStage,
  count: number,
): Promise<{ readonly path: string; readonly ids: string[] }> {
  const path = stage.path("other.db");
  const broker = await createBroker(`sqlite:${path}`, { executor: null, queues: ["common"], leaseMs: 1_000 });
  await broker.open(openRoot().signal);
  const ids = await enqueueAll(broker, ledgerTasks(count, {}, "other"));
  await broker.close();
  return { path, ids };
}

function isSound(path: string): boolean {
  const db = runtime.openDatabase(path);
  const found = db.prepare("PRAGMA integrity_check").all();
  db.close();
  return JSON.stringify(found) === JSON.stringify([{ integrity_check: "ok" }]);
}

describe("the file of an executor that runs", () => {
  test(
    "is deleted: that is said, it is made anew and served, and what ran from the old one is stopped",
    LIMIT,
    async () => {
      await LedgerStage.with(async (stage) => {
        const path = stage.path("tasks.db");
        const url = `sqlite:${path}`;
        const executor = await stage.executor({ broker: url, concurrency: 2, lease: "1s" });
        const early = await connect(url);
        stage.atEnd(() => early.close());
        const { id } = await early.enqueue("ledger", { gate: stage.path("never") }, { id: "old" });
        await until("it runs", SOON_MS, async () => (await executor.busySlots()) === 1);
        const watched = (async () => {
          const kinds: string[] = [];
          for await (const { kind } of early.watch(id)) kinds.push(kind);
          return kinds.at(-1);
        })();

        for (const end of ENDS) await rm(path + end, { force: true });
        // Whoever notices first makes it anew: to others it is then another file.
        await noticed(executor, /tasks\.db was (deleted|replaced by another file) while it was open/);
        assert.equal(await watched, "end", "whoever watched the old task learns that it is not there");
        await until("the old task is stopped", SOON_MS, async () => (await executor.busySlots()) === 0);
        // Whoever had it open before, and whoever comes now, meet in the same file.
        const late = await stage.client(url);
        await early.enqueue("echo", 1, { id: "by-early" });
        await enqueueAll(late, [requestOf("by-late", "echo", 2)]);
        const ids = ["by-early", "by-late"];
        await until("both are done", SOON_MS, async () => (await notDoneOnce(late, ids)).length === 0);
        assert.equal((await late.fleet()).length, 1, "the executor is registered in the new file");
        assert.equal(executor.hasEnded, false);
        assert.equal(executor.output().match(/ while it was open \(noticed/g)?.length, 2, executor.output());
      });
    },
  );

  test(
    "is replaced by another one, beside the log of the old: that one is served, and stays sound",
    LIMIT,
    async () => {
      await LedgerStage.with(async (stage) => {
        const path = stage.path("tasks.db");
        const other = await otherFile(stage, 20);
        const executor = await stage.executor({ broker: `sqlite:${path}`, concurrency: 4 });
        const early = await stage.client(`sqlite:${path}`);
        const before = await enqueueAll(early, ledgerTasks(50, {}, "before"));
        await until("they are done", SOON_MS, async () => (await notDoneOnce(early, before)).length === 0);
        assert.ok(existsSync(`${path}-wal`));

        await rename(other.path, path);
        await noticed(executor, /tasks\.db was replaced by another file while it was open/);
        const late = await stage.client(`sqlite:${path}`);
        await until("its tasks are done", SOON_MS, async () => (await notDoneOnce(late, other.ids)).length === 0);
        assert.equal(await late.record("before-0"), null);
        assert.equal((await early.record("other-0"))?.state, "done", "a client of the old file sees the new one");
        assert.ok(isSound(path));
      });
    },
  );

  for (const [end, what] of [
    ["-wal", /tasks\.db lost its log/],
    ["-shm", /tasks\.db lost its index/],
  ] as const) {
    test(`loses ${end} alone: what was written is still there, and work goes on`, LIMIT, async () => {
      await LedgerStage.with(async (stage) => {
        const path = stage.path("tasks.db");
        const executor = await stage.executor({ broker: `sqlite:${path}`, concurrency: 4 });
        const client = await stage.client(`sqlite:${path}`);
        const ids = await enqueueAll(client, ledgerTasks(50, {}, "before"));
        await until("they are done", SOON_MS, async () => (await notDoneOnce(client, ids)).length === 0);
        await rm(path + end);
        await noticed(executor, what);
        ids.push(...(await enqueueAll(client, ledgerTasks(5, {}))));
        await until("they are done", SOON_MS, async () => (await notDoneOnce(client, ids)).length === 0);
        assert.ok(isSound(path));
      });
    });
  }
});

test("an enqueue that went into a deleted file is not answered, but sent again into the new one", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const path = stage.path("tasks.db");
    const client = await connect(`sqlite:${path}`);
    stage.atEnd(() => client.close());
    for (let round = 0; round < 5; round++) {
      for (const end of ENDS) await rm(path + end, { force: true });
      // Before any look could have noticed it.
      await client.enqueue("echo", null, { id: `task-${round}` });
      const late = await createBroker(`sqlite:${path}`, { executor: null, queues: ["common"], leaseMs: 1_000 });
      await late.open(openRoot().signal);
      assert.equal((await late.record(`task-${round}`))?.state, "queued");
      await late.close();
    }
  });
});
