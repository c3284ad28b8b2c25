/** What is paused has a bound, since every claim of the fleet reads it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PauseTarget } from "../../src/broker/contract/admin.ts";
import { MAX_PAUSED, pause } from "../../src/operations/pauses.ts";
import { InvalidTaskError } from "../../src/task/message/new-task.ts";

function brokerWith(count: number) {
  const targets: PauseTarget[] = Array.from({ length: count }, (_, n) => ({ kind: "type", name: `t${n}` }));
  return {
    targets,
    paused: async () => [...targets],
    pause: async (target: PauseTarget) => {
      targets.push(target);
    },
  };
}

test("as many as may be are paused, one more is refused, and one that is paused may be paused again", async () => {
  const broker = brokerWith(MAX_PAUSED - 1);
  await pause(broker, { kind: "queue", name: "last" });
  assert.equal(broker.targets.length, MAX_PAUSED);
  await assert.rejects(pause(broker, { kind: "queue", name: "more" }), InvalidTaskError);
  await pause(broker, { kind: "queue", name: "last" });
  // A type of the same name is another one.
  await assert.rejects(pause(broker, { kind: "type", name: "last" }), /1000 queues and types are paused/);
});

test("a name that no queue and no type can have is refused", async () => {
  const broker = brokerWith(0);
  await assert.rejects(
    pause(broker, { kind: "type", name: "x".repeat(129) }),
    /type: must be at most 128 characters long/,
  );
  assert.equal(broker.targets.length, 0);
});
