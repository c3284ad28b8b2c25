/** The example in plain shell keeps to the protocol, and leaves as it is asked to. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "../python/worker.ts";
import { ROOT } from "../stage/command.ts";

const SLOW = { timeout: 60_000 };
const COMMAND = ["/bin/sh", join(ROOT, "examples/disk-worker.sh")] as const;

test("a worker in shell runs what it is given, whatever stands in the payload, and answers a ping", SLOW, async () => {
  await using worker = new Worker(COMMAND);
  const { language, types } = await worker.said("hello");
  assert.deepEqual([language, types], ["sh", [{ type: "disk_free", attempts: 2 }]]);
  const payloads = [null, { kind: "stop", run: 99 }, '","run":99', "x".repeat(200_000)];
  const runs = payloads.map((payload) => worker.run("disk_free", payload));
  worker.send({ ask: 7, kind: "ping" });
  for (const run of runs) {
    assert.ok(Number(await worker.result(run)) > 0);
    assert.match(worker.logs(run)[0]?.text ?? "", /^\d+ KiB are free$/);
  }
  assert.deepEqual(await worker.said("answer"), { kind: "answer", ask: 7 });
  worker.send({ kind: "cancel", run: 1, reason: "cancelled", grace_ms: 0 });
  worker.send({ kind: "stop" });
  assert.equal(await worker.exit(), 0);
});

test("it leaves when its executor has gone", SLOW, async () => {
  await using worker = new Worker(COMMAND);
  await worker.said("hello");
  worker.end();
  assert.equal(await worker.exit(), 0);
});

test("where its command fails, so does the attempt", SLOW, async () => {
  await using worker = new Worker(COMMAND, { env: { PATH: "/nowhere" } });
  assert.equal((await worker.failure(worker.run("disk_free"))).retry, true);
});
