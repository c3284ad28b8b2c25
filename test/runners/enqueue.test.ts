/** What a runner asks to be enqueued is enqueued by the attempt that it runs, and by no other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedEnqueueError } from "../../src/handlers/enqueue-error.ts";
import { InvalidTaskError, PayloadRefusedError } from "../../src/task/message/new-task.ts";
import { type Running, withPool } from "./pool-stage.ts";

const SOON = { timeout: 30_000 };

async function resultOf(running: Running): Promise<unknown> {
  const ending = await running.ending;
  assert.ok(ending !== "stopped" && ending.kind === "done" && ending.result !== null, JSON.stringify(ending));
  return JSON.parse(ending.result);
}

test("its tasks go to its attempt, and what became of them comes back", SOON, async () => {
  await withPool({}, async (pool) => {
    const asked: unknown[] = [];
    const receipt = { id: "c", created: true, state: "queued" } as const;
    const enqueue = async (tasks: readonly unknown[]) => {
      asked.push(...tasks);
      return [receipt];
    };
    const tasks = [{ type: "other", payload: { n: 1 } }];
    assert.deepEqual(await resultOf(pool.run({ do: "enqueue", tasks }, { enqueue })), [receipt]);
    assert.deepEqual(asked, tasks);
  });
});

test("why one was refused comes back with a code", SOON, async () => {
  await withPool({}, async (pool) => {
    const unavailable = Object.assign(new Error("away"), { name: "BrokerUnavailableError" });
    for (const [error, code] of [
      [new InvalidTaskError("wrong"), "invalid_task"],
      [new PayloadRefusedError("odd"), "payload_refused"],
      [new RefusedEnqueueError("over"), "refused"],
      [unavailable, "unavailable"],
      [new Error("other"), "failed"],
    ] as const) {
      const enqueue = () => Promise.reject(error);
      const answer = await resultOf(pool.run({ do: "enqueue", tasks: [] }, { enqueue }));
      assert.deepEqual(answer, { code, message: error.message });
    }
  });
});

test("for a run that has ended, or never was, nothing is enqueued", SOON, async () => {
  await withPool({}, async (pool) => {
    const enqueue = () => Promise.reject(new Error("it was asked"));
    const answer = await resultOf(pool.run({ do: "enqueue", of: 77, tasks: [{ type: "x" }] }, { enqueue }));
    assert.deepEqual(answer, { code: "refused", message: "run 77 has ended: it enqueues nothing any more" });
  });
});
