/**
 * An end that cannot be recorded as it is: the handler asks for a delay that is none, or Redis refuses a part of the
 * write. The task ends all the same, its record says why, and the executor goes on.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { drained } from "../../stage/executor.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, said, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/odd.ts": `import { defineTask, RetryLaterError } from "taskexe";
    const odd = (type, make) => defineTask({ type, attempts: 2, backoff: { kind: "fixed", delay_ms: 1 },
      run() { throw make(); } });
    class Fixed extends RetryLaterError {
      override readonly delayMs: any;
      constructor(delay: any) { super(1); this.delayMs = delay; }
    }
    class NaNLater extends RetryLaterError { override readonly delayMs = NaN; constructor() { super(1); } }
    class Getter extends RetryLaterError {
      constructor() {
        super(1);
        Object.defineProperty(this, "delayMs", { get() { throw new Error("no delay for you"); } });
      }
    }
    export const nan = odd("nan", () => new NaNLater());
    export const infinite = odd("infinite", () => new Fixed(Infinity));
    export const negative = odd("negative", () => new Fixed(-1));
    export const huge = odd("huge", () => new Fixed(1e300));
    export const text = odd("text", () => new Fixed("soon"));
    export const object = odd("object", () => new Fixed({ valueOf() { throw new Error("no"); } }));
    export const getter = odd("getter", () => new Getter());
    const run = () => { throw new Error("as ever"); };
    export const backoff = defineTask({ type: "backoff", attempts: 2, backoff: () => NaN, run });
    export const fails = defineTask({ type: "fails", backoff: { kind: "fixed", delay_ms: 1 }, run });
    export const tells = defineTask({ type: "tells", async run({ progress, log }) {
      log.info("a line");
      await progress(0.5, "half");
      return 1;
    } });`,
};

const SETTINGS = 'attempts = 3\nbackoff = "fixed"\nbackoff_delay = "1ms"\n';
const ODD = ["nan", "infinite", "negative", "huge", "text", "object", "getter", "backoff"];

function request(id: string, type: string) {
  const message = JSON.stringify({ id, task_type: type, payload: null });
  return { id, type, queue: "common", priority: 0, message, retentionMs: 3_600_000 };
}

for (const kind of ["redis", "sqlite"] as const) {
  describe(`an end on ${kind}`, () => {
    test("a delay that is none is not followed: the attempt has failed as by any other error", SLOW, async () => {
      await Stage.with(async (stage) => {
        const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
        const tasks = await stage.write({ ...TASKS, "taskexe.toml": SETTINGS });
        const executor = await stage.executor({
          broker: url,
          tasks,
          args: ["--config", join(stage.folder, "taskexe.toml")],
        });
        const broker = await stage.client(url);
        await broker.enqueue(ODD.map((type) => request(type, type)));
        for (const id of ODD) {
          const { attempt, reason } = await recordOnce("dead", executor, broker, id);
          assert.equal(attempt, 2, id);
          assert.match(reason ?? "", id === "backoff" ? /as ever/ : /retry in 1 ms/);
        }
        await said(executor, /A RetryLaterError of nan asks for a delay of NaN ms/);
        assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
        assert.equal(await drained(executor), 0);
      });
    });
  });
}

test(
  "an end of which Redis refuses a part is recorded once that is mended, and others are meanwhile",
  SLOW,
  async () => {
    await Stage.with(async (stage) => {
      const redis = await stage.redis();
      const tasks = await stage.write({ ...TASKS, "taskexe.toml": SETTINGS });
      const executor = await stage.executor({
        broker: redis.url,
        tasks,
        args: ["--config", join(stage.folder, "taskexe.toml")],
      });
      const broker = await stage.client(redis.url);
      await redis.cli(["SET", "taskexe:scheduled:common", "another program's"]);
      await broker.enqueue([request("fails", "fails"), request("fine", "noop")]);
      await said(executor, /is refusing: .*"taskexe:scheduled:common" holds a string/);
      await recordOnce("done", executor, broker, "fine");
      assert.equal((await broker.record("fails"))?.state, "running");
      assert.equal(await redis.cli(["GET", "taskexe:scheduled:common"]), "another program's");
      await redis.cli(["DEL", "taskexe:scheduled:common"]);
      const { attempt, reason } = await recordOnce("dead", executor, broker, "fails");
      assert.deepEqual([attempt, reason], [3, "as ever"]);
      await untilBy(executor, "all are acknowledged", async () => (await broker.backlog()).pending === 0);
    });
  },
);
