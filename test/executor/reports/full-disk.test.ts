/**
 * The disk under the embedded queue runs full while tasks run: the executor says so, keeps what it could not record,
 * and records it once there is room again. Needs a file system of its own, so it runs where it may mount one.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { countById } from "../../stage/ledger/ledger.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../../stage/ledger/ledger-stage.ts";
import { until } from "../../stage/until.ts";

const skip = process.getuid?.() === 0 ? false : "only root may mount a small file system";

test("a full disk costs no task: it is told, and everything is recorded once there is room again", {
  skip,
  timeout: 90_000,
}, async (t) => {
  await LedgerStage.with(async (stage) => {
    const disk = await smallDisk(stage);
    if (disk === null) {
      t.skip("this machine does not let even root mount a file system");
      return;
    }
    const broker = `sqlite:${join(disk, "tasks.db")}`;
    const gate = stage.path("gate");
    const executor = await stage.executor({ broker, concurrency: 20 });
    const client = await stage.client(broker);
    const running = await enqueueAll(client, ledgerTasks(20, { gate }, "running"));
    const waiting = await enqueueAll(client, ledgerTasks(30, {}, "waiting"));
    await until("all slots are taken", 10_000, async () => (await executor.busySlots()) === 20);

    const filler = join(disk, "filler");
    await fill(filler);
    await stage.openGate(gate);
    await until("all that ran have ended", 10_000, () => {
      const ended = countById(stage.ledger(), "end");
      return running.every((id) => ended.has(id));
    });
    await until("the executor says that the disk is full, wherever it is asked", 10_000, async () => {
      const { state, broker: said } = await executor.status();
      const { code, body } = await executor.get("/readyz");
      const isSaid = state === "refused" && said.state === "refusing" && /full/.test(said.last_error ?? "");
      return isSaid && code === 503 && body.includes("full");
    });
    await assert.rejects(client.enqueue(ledgerTasks(100, {}, "refused")), /tasks\.db does not work just now: .*full/);
    // A use of the disk that needs no room goes through all the while, and must not say that it works.
    for (let looks = 0; looks < 50; looks++) assert.equal((await executor.get("/readyz")).code, 503);

    await rm(filler);
    await until("all are done", 20_000, async () => (await notDoneOnce(client, [...running, ...waiting])).length === 0);
    await until("it is ready again", 10_000, async () => (await executor.get("/readyz")).code === 200);
    await until("each is counted", 10_000, async () => (await executor.status()).done >= 50);
    await until("the log says that it is over", 10_000, () => /is back after/.test(executor.output()));
    assert.equal(executor.output().match(/is refusing|is back|is away/g)?.length, 2, executor.output());
    const { done, lost } = await executor.status();
    assert.deepEqual({ done, lost }, { done: 50, lost: 0 });
    assert.equal([...countById(stage.ledger(), "start").values()].filter((times) => times > 1).length, 0);
    // What was refused was refused whole: none of it is there.
    assert.equal(await client.record("refused-0"), null);
  });
});

/** A file system of 4 MB that is gone with the fleet; null where it cannot be mounted. */
async function smallDisk(stage: LedgerStage): Promise<string | null> {
  const path = stage.path("disk");
  await mkdir(path);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path]);
  if (status !== 0) return null;
  stage.atEnd(async () => {
    spawnSync("umount", ["--lazy", path]);
  });
  return path;
}

/** Writes to a file until nothing goes in any more. */
async function fill(path: string): Promise<void> {
  for (const size of [65_536, 1]) {
    while (await took(path, size));
  }
}

async function took(path: string, bytes: number): Promise<boolean> {
  try {
    await appendFile(path, Buffer.alloc(bytes));
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}
