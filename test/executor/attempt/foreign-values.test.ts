/**
 * Whatever a handler throws, returns, logs, tells or has its backoff give: the task ends with a record that can be
 * read, its neighbours are done, and the executor goes on.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as fc from "fast-check";
import type { Broker } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import { defineTask, type TaskContext } from "../../../src/handlers/define-task.ts";
import { HandlerRegistry } from "../../../src/handlers/registry.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import { hasEnded } from "../../../src/task/state.ts";
import { type Nasty, nastyValues } from "../../stage/nasty-values.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { Stage } from "../../stage/stage.ts";
import { PATIENCE_MS, until } from "../../stage/until.ts";

/** What a handler may do with a value, and how the task may end by it. */
const WAYS = {
  throw: (value) => {
    throw value;
  },
  reject: (value) => Promise.reject(value),
  // A thenable is waited for, and may throw.
  return: (value) => value,
  "return it in an array": (value) => [value],
  "fail in a child": (value, { nursery }) => {
    nursery.startSoon(() => {
      throw value;
    });
  },
  log: (value, { log }) => {
    for (const level of ["debug", "info", "warn", "error"] as const) {
      Reflect.apply(log[level], log, [value]);
      Reflect.apply(log[level], log, ["text {a} {value.b}", value]);
      Reflect.apply(log[level], log, ["text", { value }]);
    }
  },
  "tell as a message": (value, { progress }) => Reflect.apply(progress, undefined, [0.5, value]),
  "tell as a progress": (value, { progress }) => Reflect.apply(progress, undefined, [value]),
} as const satisfies Record<string, (value: unknown, context: TaskContext) => unknown>;

const NEVER_FAILS: readonly string[] = ["log", "tell as a message", "return it in an array"];

type Way = keyof typeof WAYS;

describe("a value that cannot be looked at", () => {
  let stage: Stage;
  let client: Broker;
  let executor: Executor;
  let running: Promise<void>;
  let count = 0;
  const given = new Map<string, { readonly way: Way; readonly value: unknown }>();

  before(async () => {
    stage = Stage.make();
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    client = await stage.client(url);
    const broker = await createBroker(url, { executor: "one", queues: ["common"], leaseMs: 5_000 });
    const handlers = new HandlerRegistry();
    const run = (context: TaskContext) => {
      const { way, value } = given.get(context.task.id) ?? assert.fail("a task that nobody made");
      return WAYS[way](value, context);
    };
    const backoff = (_attempt: number, error: unknown): number => {
      if (error instanceof Error && error.message === "throw") throw current;
      return current as number;
    };
    handlers.add(defineTask({ type: "nasty", attempts: 2, backoff: { kind: "fixed", delay_ms: 0 }, run }), "test");
    handlers.add(
      defineTask({
        type: "backoff",
        attempts: 2,
        backoff,
        run: ({ payload }) => {
          throw new Error(String(payload));
        },
      }),
      "test",
    );
    handlers.add(defineTask({ type: "good", run: () => "good" }), "test");
    const limits = { concurrency: 8, graceMs: 1_000, heartbeatMs: 50 };
    const backoffs = { kind: "fixed", delay_ms: 0 } as const;
    executor = new Executor({ broker, handlers, options: { name: "one", version: "0", ...limits, backoff: backoffs } });
    running = executor.run(openRoot());
  });

  after(async () => {
    executor.drain("the test is over");
    await running;
    await stage.end();
  });

  /** What the backoff functions give. */
  let current: unknown;

  const ended = (id: string): Promise<TaskRecord> =>
    until(`${id} has ended`, PATIENCE_MS, async () => {
      const record = await client.record(id);
      return record !== null && hasEnded(record.state) && record;
    });

  test("ends its own task, readably, and nothing else, whichever way it comes", { timeout: 120_000 }, async () => {
    const ways = fc.constantFrom(...(Object.keys(WAYS) as Way[]));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(ways, nastyValues), { minLength: 1, maxLength: 30 }), async (cases) => {
        const ids = cases.map(([way, { value }]) => {
          const id = `nasty-${++count}`;
          given.set(id, { way, value });
          return id;
        });
        const neighbour = `good-${++count}`;
        await client.enqueue([...ids.map((id) => requestOf(id, "nasty", null)), requestOf(neighbour, "good", null)]);
        for (const [index, id] of ids.entries()) {
          const record = await ended(id);
          const way = cases[index]?.[0] ?? "";
          if (NEVER_FAILS.includes(way)) assert.equal(record.state, "done", `${way}: ${record.reason}`);
          if (record.state === "done") continue;
          assert.equal(record.state, "dead");
          assert.ok(record.error !== null && record.reason !== null);
          assert.match(record.reason, /./);
          assert.ok(record.reason.isWellFormed() && record.reason.length <= 4_300, record.reason);
        }
        assert.equal((await ended(neighbour)).result, "good");
      }),
      { numRuns: 40 },
    );
    assert.equal(executor.status().state, "running");
    assert.equal(executor.status().lost, 0);
  });

  test("is no delay: what a backoff gives or throws instead, the configured one follows", {
    timeout: 60_000,
  }, async () => {
    const cases = fc.tuple(nastyValues, fc.constantFrom("throw", "give"));
    await fc.assert(
      fc.asyncProperty(cases, async ([nasty, how]: readonly [Nasty, string]) => {
        current = nasty.value;
        const id = `backoff-${++count}`;
        await client.enqueue([requestOf(id, "backoff", how)]);
        const record = await ended(id);
        assert.deepEqual([record.state, record.attempt, record.reason], ["dead", 2, how]);
      }),
      { numRuns: 60 },
    );
  });
});
