/**
 * Real executors over both brokers, and handlers that throw, return and log what cannot be looked at: each task ends in
 * its own way, the one beside it is done, and what cannot be kept of a result costs a task its result alone.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { drained } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, said } from "../../stage/until.ts";

const TASKS = {
  "tasks/odd.ts": `import { defineTask, RetryLaterError, sleep } from "taskexe";
    const revoked = (target) => { const { proxy, revoke } = Proxy.revocable(target, {}); revoke(); return proxy; };
    const thrown = {
      revoked: () => revoked({}),
      "revoked in a group": () => new AggregateError([revoked({}), new Error("beside it")], "a group"),
      "revoked errors": () => Object.assign(new AggregateError([], "a group"), { errors: revoked([]) }),
      "no prototype": () => Object.create(null),
      "a getter": () => Object.defineProperty(new Error("x"), "message", { get() { throw revoked({}); } }),
      "a delay": () => Object.defineProperty(new RetryLaterError(1), "delayMs", { get() { throw new Error("no"); } }),
      nothing: () => undefined,
    };
    export const throws = defineTask({ type: "throws", attempts: 1, run({ payload }) { throw thrown[payload](); } });
    export const backoff = defineTask({ type: "backoff", attempts: 2,
      async backoff() { throw Object.create(null); }, run() { throw new Error("again"); } });
    export const logs = defineTask({ type: "logs", run({ log }) {
      for (const make of Object.values(thrown)) {
        log.info(make());
        log.warn("with {value.a}", { value: make() });
        log.error("x", make());
      }
      return "logged";
    } });
    const deep = (levels) => levels === 0 ? [] : [deep(levels - 1)];
    const results = {
      long: () => "x".repeat(1024 * 1024),
      deep: () => deep(6000),
      circle: () => { const list = []; list.push(list); return list; },
      bigint: () => 1n,
      "toJSON throws": () => ({ toJSON() { throw Object.create(null); } }),
    };
    export const returns = defineTask({ type: "returns", run: ({ payload }) => results[payload]() });
    export const strays = defineTask({ type: "strays", async run({ signal }) {
      Promise.reject(revoked({}));
      await sleep(100, signal);
    } });
    export const good = defineTask({ type: "good", run: () => "good" });`,
};

for (const kind of ["redis", "sqlite"] as const) {
  describe(`over ${kind}`, () => {
    let stage: Stage;
    let url: string;
    let executor: ExecutorProcess;
    let broker: Broker;

    before(async () => {
      stage = Stage.make();
      url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      executor = await stage.executor({ broker: url, tasks, name: "one", env: { TASKEXE_BACKOFF_DELAY: "1ms" } });
      broker = await stage.client(url);
    }, SLOW);
    after(async () => {
      const code = await drained(executor);
      await stage.end();
      assert.equal(code, 0, "the executor drains as ever");
    }, SLOW);

    test("whatever is thrown, its task is dead with a reason, and the one beside it is done", SLOW, async () => {
      const reasons: readonly (readonly [what: string, reason: RegExp])[] = [
        ["revoked", /NonError: object .* was thrown/],
        ["revoked in a group", /^AggregateError: a group$/],
        ["revoked errors", /^AggregateError: a group$/],
        ["no prototype", /NonError: object .*null prototype.* was thrown/],
        ["a getter", /an error without a message/],
        ["a delay", /RetryLaterError: retry in 1 ms/],
        ["nothing", /NonError: undefined was thrown/],
      ];
      const tasks = reasons.map(([what], index) => requestOf(`thrown-${index}`, "throws", what));
      await broker.enqueue([...tasks, requestOf("beside", "good", null)]);
      for (const [index, [what, reason]] of reasons.entries()) {
        const record = await recordOnce("dead", executor, broker, `thrown-${index}`);
        assert.match(record.reason ?? "", reason, what);
      }
      assert.equal((await recordOnce("done", executor, broker, "beside")).result, "good");
    });

    test("a backoff that gives a rejected promise is not followed, and harms nobody", SLOW, async () => {
      await broker.enqueue([requestOf("backoff", "backoff", null)]);
      assert.equal((await recordOnce("dead", executor, broker, "backoff")).attempt, 2);
      await said(executor, /The backoff of backoff gave Promise/);
    });

    test("whatever is logged, the attempt goes on", SLOW, async () => {
      await broker.enqueue([requestOf("logs", "logs", null)]);
      assert.equal((await recordOnce("done", executor, broker, "logs")).result, "logged");
      assert.equal((await broker.logs("logs")).length, 21);
      const lines = executor
        .output()
        .split("\n")
        .filter((line) => /(INF|WRN|ERR) task: .* id=logs type=logs/.test(line));
      assert.equal(lines.length, 21, executor.output());
    });

    test(
      "a result that cannot be kept leaves its task done, with the reason in the record and in the log",
      SLOW,
      async () => {
        const reasons: readonly (readonly [what: string, reason: RegExp])[] = [
          ["long", /left out: it is 1048578 characters of JSON; at most 1048576 are kept/],
          ["deep", /left out: it is nested deeper than 500 levels/],
          ["circle", /left out: it cannot be written as JSON/],
          ["bigint", /left out: it cannot be written as JSON/],
          ["toJSON throws", /left out: it cannot be written as JSON/],
        ];
        await broker.enqueue(reasons.map(([what], index) => requestOf(`result-${index}`, "returns", what)));
        for (const [index, [what, reason]] of reasons.entries()) {
          const { result, result_omitted, completions, error } = await recordOnce(
            "done",
            executor,
            broker,
            `result-${index}`,
          );
          assert.match(result_omitted ?? "", reason, what);
          assert.deepEqual({ result, completions, error }, { result: null, completions: 1, error: null });
          await said(executor, new RegExp(`WRN.*result-${index} \\(returns\\) is done, but the result was left out`));
        }
      },
    );

    test("`enqueue --wait` and `task` say that a result was left out, with exit code 0", SLOW, async () => {
      const waited = await stage.run(["enqueue", "returns", '"long"', "--id", "waited", "--wait", "--broker", url]);
      assert.deepEqual([waited.code, waited.stdout], [0, "null\n"], waited.stderr);
      assert.match(waited.stderr, /waited is done, but the result was left out: it is 1048578 characters/);
      const shown = await stage.run(["task", "waited", "--broker", url]);
      assert.match(shown.stdout, /result left out +the result was left out: it is 1048578 characters/);
      const json = JSON.parse((await stage.run(["task", "waited", "--json", "--broker", url])).stdout);
      assert.match(json.result_omitted, /1048578 characters/);
      const { body } = await executor.get("/api/v1/tasks/waited");
      assert.equal(JSON.parse(body).result_omitted, json.result_omitted);
    });

    test("what is thrown outside of every task is told, and the executor drains", SLOW, async () => {
      const other = await stage.executor({
        broker: url,
        tasks: join(stage.folder, "tasks"),
        name: "two",
        args: ["--queues", "aside", "--isolation", "inline"],
      });
      await broker.enqueue([{ ...requestOf("stray", "strays", null), queue: "aside" }]);
      assert.equal((await other.ended).code, 1);
      assert.match(other.output(), /FTL an error outside of every task: .*Revoked Proxy.*; draining/);
    });
  });
}
