/**
 * Bad tasks among good ones, in runners that they share: whatever a bad one does to its process, every good one is
 * done, charged nothing and not convicted, with a crash budget of 0, too; every bad one is dead, with the true reason.
 * @long about two minutes
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskOptions } from "../../src/task/message/message-schema.ts";
import { QUEUES } from "../stage/broker.ts";
import { requestOf } from "../stage/outcomes.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const ENDS_WITHIN_MS = 240_000;
const GOOD = 200;

const TASKS = {
  "tasks/handlers.ts": `
    import { defineTask, sleep } from "taskexe";
    const bad = (type, run) => defineTask({ type, attempts: 1, async run({ signal }) {
      await sleep(30, signal);
      return run();
    } });
    export const good = defineTask({ type: "good", run: ({ payload, signal }) => sleep(payload, signal) });
    export const exits = bad("exits", () => process.exit(0));
    export const exitsWith = bad("exits with 7", () => process.reallyExit(7));
    export const killed = bad("is killed", () => process.kill(process.pid, "SIGKILL"));
    export const segfault = bad("segfault", () => process.kill(process.pid, "SIGSEGV"));
    export const aborts = bad("aborts", () => process.abort());
    export const overflows = bad("overflows", () => { const deeper = () => deeper() + 1; return deeper(); });
    export const strays = bad("strays", () => {
      Promise.reject(new Error("let go of"));
      return new Promise(() => {});
    });`,
};

/** What each bad one ends with; how often its process dies is its crash budget, and once more. */
const BAD: Readonly<Record<string, RegExp>> = {
  exits: /: exit code 0$/,
  "exits with 7": /: exit code 7$/,
  "is killed": /: killed by SIGKILL$/,
  // Bun tells of it, and ends itself by another signal.
  segfault: /: killed by SIG(SEGV|ILL|TRAP|ABRT)$/,
  aborts: /: (killed by SIG(ABRT|ILL|TRAP)|exit code 134)$/,
  overflows: /^RangeError: Maximum call stack size exceeded/,
  strays: /: exit code 1: an error outside of every task: Error: let go of$/,
};

for (const { kind, open } of QUEUES) {
  test(`over ${kind} good tasks are done and charged nothing, whatever bad ones do to their runner`, {
    timeout: ENDS_WITHIN_MS + 60_000,
  }, async () => {
    await Stage.with(async (stage) => {
      const broker = await open(stage);
      const client = await stage.client(broker);
      const bad = Object.keys(BAD).flatMap((type) => [
        { id: `${type} 0`, type, options: { crash_budget: 0 } },
        { id: `${type} 1`, type, options: { crash_budget: 1 } },
      ]);
      const good = Array.from({ length: GOOD }, (_, index) => ({
        id: `good ${index}`,
        type: "good",
        options: { crash_budget: index % 2 === 0 ? 0 : 3, attempts: 1 },
      }));
      // A bad one behind some good ones each.
      const all = good.flatMap((each, index) => [each, ...(index % 10 === 5 ? bad.splice(0, 1) : [])]);
      const wanted = [...all, ...bad];
      await client.enqueue(
        wanted.map(({ id, type, options }, index) => request(id, type, 20 + (index % 9) * 40, options)),
      );

      const tasks = await stage.write(TASKS);
      const executor = await stage.executor({ broker, tasks, concurrency: 24 });
      const ids = wanted.map(({ id }) => id);
      await until("all have ended", ENDS_WITHIN_MS, async () =>
        (await client.states(ids)).every((state) => state === "done" || state === "dead"),
      );
      for (const { id } of good) {
        const record = await client.record(id);
        assert.deepEqual([record?.state, record?.attempt, record?.crashes], ["done", 1, 0], `${id}: ${record?.reason}`);
      }
      for (const [type, reason] of Object.entries(BAD)) {
        for (const budget of [0, 1]) {
          const record = await client.record(`${type} ${budget}`);
          assert.equal(record?.state, "dead", `${type}: ${record?.state}`);
          assert.match(record.reason ?? "", reason);
          if (type === "overflows") continue;
          assert.equal(record.crashes, budget + 1);
          const times = budget === 0 ? "once" : "2 times";
          assert.ok(
            record.reason?.startsWith(`quarantined: its process died ${times} while it ran alone`),
            record.reason ?? "",
          );
        }
      }
      assert.equal(executor.hasEnded, false, "the executor has outlived them all");
    });
  });
}

function request(id: string, type: string, payload: number, options: TaskOptions) {
  const plain = requestOf(id, type, payload);
  return { ...plain, message: JSON.stringify({ ...JSON.parse(plain.message), taskexe: options }) };
}
