/** An embedded file that is there and does not work: locked for long, damaged, or what else SQLite says. */
import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { test } from "node:test";
import { BrokerRefusedError } from "../../src/broker/broker.ts";
import { reasonOf, stateOf, unavailable } from "../../src/broker/sqlite/file/sqlite-errors.ts";
import { runtime } from "../../src/runtime/index.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../stage/ledger/ledger-stage.ts";
import { until } from "../stage/until.ts";

const LIMIT = { timeout: 60_000 };
const SOON_MS = 10_000;

async function saysRefusing(executor: ExecutorProcess, reason: RegExp): Promise<void> {
  await until(`it says that it is refused (${reason})`, SOON_MS, async () => {
    const { state, broker } = await executor.status();
    const { code, body } = await executor.get("/readyz");
    return state === "refused" && broker.state === "refusing" && code === 503 && reason.test(body);
  });
}

async function isReady(executor: ExecutorProcess): Promise<void> {
  await until("it is ready again", SOON_MS, async () => {
    const { code } = await executor.get("/readyz");
    return code === 200 && (await executor.status()).broker.last_error === null;
  });
}

test(
  "a file that somebody keeps locked is refusing after two seconds, and work goes on when it is let go",
  LIMIT,
  async () => {
    await LedgerStage.with(async (stage) => {
      const path = stage.path("tasks.db");
      const executor = await stage.executor({ broker: `sqlite:${path}` });
      const client = await stage.client(`sqlite:${path}`);
      const gate = stage.path("gate");
      const ids = await enqueueAll(client, ledgerTasks(1, { gate }));
      await until("it runs", SOON_MS, async () => (await executor.busySlots()) === 1);
      const other = runtime.openDatabase(path);
      other.exec("BEGIN IMMEDIATE");
      await stage.openGate(gate);
      const begun = performance.now();
      await saysRefusing(executor, /database is locked; another process holds it/);
      const tookMs = performance.now() - begun;
      assert.ok(tookMs > 1_000 && tookMs < 8_000, `it said so after ${tookMs.toFixed(0)} ms`);
      other.exec("ROLLBACK");
      other.close();
      await isReady(executor);
      await until("it is done", SOON_MS, async () => (await notDoneOnce(client, ids)).length === 0);
    });
  },
);

test("what SQLite says tells whether the file is away or refuses, and what to do", () => {
  const failing = (message: string, errcode: number) => Object.assign(new Error(message), { errcode });
  const said: [string, number, string, RegExp][] = [
    ["database or disk is full", 13, "refusing", /; make room on its disk/],
    ["attempt to write a readonly database", 8 | (6 << 8), "refusing", /; this user may not write to it/],
    ["database is locked", 5, "refusing", /; another process holds it/],
    ["disk I/O error", 10 | (3 << 8), "refusing", /; the disk or its file system fails/],
    ["access permission denied", 3, "refusing", /; this user may not use it/],
    ["database disk image is malformed", 11, "refusing", /; restore it from a backup/],
    ["file is not a database", 26, "refusing", /; something else was written over it/],
    ["unable to open database file", 14, "away", /^unable to open database file$/],
  ];
  for (const [message, errcode, state, reason] of said) {
    const error = failing(message, errcode);
    assert.equal(stateOf(error), state, message);
    assert.match(reasonOf(error), reason);
    assert.equal(unavailable("sqlite:x", error) instanceof BrokerRefusedError, state === "refusing");
  }
});

test(
  "a file that is damaged while it is open is refusing, with what to do, and the executor lives",
  LIMIT,
  async () => {
    await LedgerStage.with(async (stage) => {
      const path = stage.path("tasks.db");
      const executor = await stage.executor({ broker: `sqlite:${path}` });
      const client = await stage.client(`sqlite:${path}`);
      await enqueueAll(client, ledgerTasks(400, {}));
      const own = runtime.openDatabase(path);
      own.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      const size = Number(own.prepare("PRAGMA page_count").get()?.page_count) * 4096;
      own.close();
      const file = await open(path, "r+");
      await file.write(Buffer.alloc(size - 4096, 0x5a), 0, size - 4096, 4096);
      await file.close();
      // Each process has pages in its cache; what is written by somebody else makes it read them anew.
      await until("it meets the damage", SOON_MS, async () => {
        await client.enqueue(ledgerTasks(1, {}, "more")).catch(() => undefined);
        return (await executor.get("/readyz")).code === 503;
      });
      await saysRefusing(executor, /malformed|damaged|not a database/);
      assert.equal(executor.hasEnded, false, executor.output());
    });
  },
);
