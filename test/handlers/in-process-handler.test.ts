/** What a handler of this process gives back: data alone, whatever its code returned or threw. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { type CancelScope, openRoot, sleep, sleepForever, withNursery } from "../../src/concurrency/index.ts";
import { defineTask, type TaskDefinition } from "../../src/handlers/define-task.ts";
import type { HandlerAttempt, HandlerEnding } from "../../src/handlers/handler.ts";
import { InProcessHandler } from "../../src/handlers/in-process/in-process-handler.ts";
import { DoNotRetryError, RetryLaterError } from "../../src/task/options/retry.ts";

interface Told {
  readonly progress: (readonly [number, string])[];
  readonly lines: string[];
  readonly leftBehind: string[];
  begun: number;
}

function attemptOf(given: Partial<HandlerAttempt>): { readonly attempt: HandlerAttempt; readonly told: Told } {
  const told: Told = { progress: [], lines: [], leftBehind: [], begun: 0 };
  const attempt: HandlerAttempt = {
    id: "one",
    type: "x",
    task: { id: "one", type: "x", queue: "common", priority: 0, queuedAt: null, message: {} },
    ...{ payload: null, payloadText: "null", isForeign: false },
    ...{ deadlineInMs: null, cancelReason: "cancelled" as const, waits() {}, begun: () => told.begun++ },
    attempt: 1,
    crashes: 0,
    suspect: null,
    graceMs: 20,
    asksForDelay: true,
    tellProgress: (value, message) => told.progress.push([value, message]),
    writeLog: ({ level, plain }) => told.lines.push(`${level} ${plain}`),
    leaveBehind: ({ name }) => told.leftBehind.push(name),
    enqueue: () => Promise.reject(new Error("nothing is enqueued here")),
    takeLock: () => Promise.reject(new Error("nothing is locked here")),
    freeLock: () => Promise.resolve(),
    tellEndedBy: () => undefined,
    tellDelay: () => undefined,
    ...given,
  };
  return { attempt, told };
}

function start(definition: Partial<TaskDefinition>, given: Partial<HandlerAttempt> = {}): Promise<HandlerEnding> {
  const handler = new InProcessHandler(defineTask({ type: "x", run: () => undefined, ...definition }));
  return handler.start(attemptOf(given).attempt, openRoot());
}

function throwing(error: unknown): Partial<TaskDefinition> {
  return {
    run() {
      throw error;
    },
  };
}

async function failureOf(definition: Partial<TaskDefinition>, given: Partial<HandlerAttempt> = {}) {
  const ending = await start(definition, given);
  assert.ok(ending.kind === "failed");
  const { retry, retryInMs, later } = ending;
  return { error: ending.error, how: { retry, retryInMs, later } };
}

test("it says that its code is called before it is", async () => {
  const { attempt, told } = attemptOf({});
  const handler = new InProcessHandler(defineTask({ type: "x", run: () => told.begun }));
  const ending = await handler.start(attempt, openRoot());
  assert.deepEqual([ending.kind === "done" && ending.result, told.begun], ["1", 1]);
});

test("the manifest is data: a function is no backoff of its, and a payload is checked by its schema", async () => {
  const backoff = () => 5;
  const payload = v.object({ n: v.number() });
  const definition = defineTask({ type: "x", attempts: 4, queue: "slow", payload, backoff, run: () => 1 });
  const { type, options, isInline, checkPayload, ...handler } = new InProcessHandler(definition);
  assert.deepEqual([type, options.attempts, options.queue, options.backoff], ["x", 4, "slow", undefined]);
  assert.equal(isInline, true);
  assert.deepEqual(structuredClone(options), { ...options });
  assert.deepEqual(await checkPayload?.({ n: 1 }), { ok: true, value: { n: 1 } });
  assert.equal((await checkPayload?.({ n: "1" }))?.ok, false);
  assert.deepEqual(Object.keys(handler), []);
  const plain = new InProcessHandler(defineTask({ type: "x", backoff: { kind: "fixed", delay_ms: 7 }, run: () => 1 }));
  assert.deepEqual(plain.options.backoff, { kind: "fixed", delay_ms: 7 });
  assert.equal(plain.checkPayload, null);
});

test("what is returned is JSON, nothing is nothing, and what is no JSON is left out with its reason", async () => {
  assert.deepEqual(await start({ run: async () => ({ a: 1 }) }), { kind: "done", result: '{"a":1}', omitted: null });
  assert.deepEqual(await start({}), { kind: "done", result: null, omitted: null });
  const ending = await start({ run: () => 1n });
  assert.ok(ending.kind === "done" && ending.result === null);
  assert.match(ending.omitted ?? "", /left out: it cannot be written as JSON/);
});

test(
  "a payload that the schema refuses is a failure that no further attempt can mend, and " + "nothing is run",
  async () => {
    const payload = v.object({ n: v.number() });
    const run = () => assert.fail("it was run");
    const { error, how } = await failureOf({ payload: payload as never, run }, { payload: { n: "x" } });
    assert.equal(error.name, "PayloadError");
    assert.deepEqual(how, { retry: false, retryInMs: null, later: false });
  },
);

test("the payload is as the schema makes it", async () => {
  const payload = v.object({ n: v.optional(v.number(), 7) });
  const run: TaskDefinition["run"] = ({ payload: given }) => given;
  const ending = await start({ payload: payload as never, run }, { payload: {} });
  assert.deepEqual(ending, { kind: "done", result: '{"n":7}', omitted: null });
});

test("an error says by its class whether and when the next attempt is due", async () => {
  const plain = { retry: true, retryInMs: null, later: false };
  assert.deepEqual((await failureOf(throwing(new Error("no")))).how, plain);
  assert.deepEqual((await failureOf(throwing(new DoNotRetryError("no")))).how, { ...plain, retry: false });
  assert.deepEqual((await failureOf(throwing(new RetryLaterError(70)))).how, { ...plain, retryInMs: 70, later: true });
  const both = new AggregateError([new RetryLaterError(70), new Error("no")]);
  assert.deepEqual((await failureOf(throwing(both))).how, { ...plain, retryInMs: 70 });
});

test(
  "its own function is asked with the attempt and the error, and only where the executor " + "wants to know",
  async () => {
    const asked: unknown[] = [];
    const backoff = (attempt: number, error: unknown): number => {
      asked.push([attempt, error]);
      return 42;
    };
    const error = new Error("no");
    const definition = { ...throwing(error), backoff };
    assert.equal((await failureOf(definition, { attempt: 3 })).how.retryInMs, 42);
    assert.equal((await failureOf(definition, { attempt: 3, asksForDelay: false })).how.retryInMs, null);
    assert.deepEqual(asked, [[3, error]]);
    const nonsense = { ...throwing(error), backoff: () => Number.NaN };
    assert.equal((await failureOf(nonsense)).how.retryInMs, null);
  },
);

test("the error of a child arrives without the groups around it, with its own name", async () => {
  const { error } = await failureOf({
    async run({ nursery }) {
      nursery.startSoon(() => {
        throw new RangeError("from a child");
      });
      await sleepForever(nursery.scope.signal);
    },
  });
  assert.deepEqual([error.name, error.message], ["RangeError", "from a child"]);
});

test("its cancel leaves as the cancel of the scope, but a failure at the cancel is a failure", async () => {
  const cancelled = (definition: Partial<TaskDefinition>): Promise<HandlerEnding> => {
    const scope = openRoot();
    const handler = new InProcessHandler(defineTask({ type: "x", run: () => undefined, ...definition }));
    const ending = handler.start(attemptOf({}).attempt, scope);
    scope.cancel("enough");
    return ending;
  };
  await assert.rejects(cancelled({ run: ({ signal }) => sleepForever(signal) }), /enough/);
  const ending = await cancelled({
    async run({ signal }) {
      await sleepForever(signal).catch(() => {});
      throw new Error("while cleaning up");
    },
  });
  assert.ok(ending.kind === "failed");
  assert.equal(ending.error.message, "while cleaning up");
});

test("progress and lines are told as they come, and a part that ignores the cancel is named", async () => {
  const { attempt, told } = attemptOf({});
  const stuck = Promise.withResolvers<void>();
  let scope: CancelScope | null = null;
  const definition = defineTask({
    type: "x",
    async run({ progress, log, nursery }) {
      await progress(0.5, "half");
      log.warn("a line", { n: 1 });
      scope = nursery.scope;
      nursery.startSoon(() => stuck.promise, { name: "deaf" });
      await sleep(1, nursery.scope.signal);
    },
  });
  const root = openRoot();
  await withNursery(root, async (nursery) => {
    nursery.startSoon(async (task) => {
      await new InProcessHandler(definition).start(attempt, task.scope).catch(() => {});
    });
    while (told.lines.length === 0) await sleep(1, root.signal);
    scope?.cancel("enough");
  });
  stuck.resolve();
  assert.deepEqual(told.progress, [[0.5, "half"]]);
  assert.deepEqual(told.lines, ['warn a line {"n":1}']);
  assert.deepEqual(told.leftBehind, ["deaf"]);
});
