/**
 * An executor over handlers that are none of this process' definitions: it knows their manifests alone, and what passes
 * between it and them is data. So it is with handlers that run in another process.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { type CancelScope, openRoot, sleepForever } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import type {
  Handler,
  HandlerAttempt,
  HandlerEnding,
  HandlerOptions,
  Handlers,
} from "../../../src/handlers/handler.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import { hasEnded } from "../../../src/task/state.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const SOON_MS = 20_000;

type Failed = Extract<HandlerEnding, { kind: "failed" }>;
type Answer = (attempt: HandlerAttempt, scope: CancelScope) => HandlerEnding | Promise<HandlerEnding>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  tells(attempt) {
    attempt.tellProgress(0.5, "half of it");
    attempt.writeLog({ level: "info", text: "a line", properties: null, plain: "a line" });
    return { kind: "done", result: JSON.stringify(attempt.task.queue), omitted: null };
  },
  "fails once": ({ attempt }) => (attempt === 1 ? failed({ retryInMs: 0 }) : done("2")),
  "fails for good": () => failed({ retry: false }),
  "fails as its options say": () => failed({}),
  "comes later": () => failed({ retryInMs: 1, later: true }),
  waits: (_, scope) => sleepForever(scope.signal) as Promise<never>,
  crashes: () => ({ kind: "crashed", reason: "exit code 7" }),
  "dies in company": ({ suspect }) =>
    suspect?.company === 0
      ? { kind: "crashed", reason: "killed by SIGSEGV" }
      : { kind: "suspected", company: suspect?.company ?? 63, reason: "killed by SIGSEGV" },
  "is innocent": ({ suspect, crashes, attempt }) =>
    suspect?.company === 0 ? done(JSON.stringify([crashes, attempt])) : { kind: "suspected", company: 1, reason: "?" },
  "fails as a suspect": ({ suspect, attempt }) => {
    if (attempt === 2) return done(JSON.stringify(suspect));
    return suspect === null ? { kind: "suspected", company: 1, reason: "?" } : failed({ retryInMs: 0 });
  },
  "is killed": async (attempt, scope) => {
    attempt.begun();
    await sleepForever(scope.signal).catch(() => undefined);
    attempt.tellEndedBy({ how: "killed", afterMs: 1_234.4 });
    scope.signal.throwIfAborted();
    return done("0");
  },
  heeds: (attempt, scope) => {
    attempt.begun();
    return sleepForever(scope.signal) as Promise<never>;
  },
  "asks for its delay": ({ asksForDelay }) => done(String(asksForDelay)),
};

const OPTIONS: Readonly<Record<string, HandlerOptions>> = {
  "fails as its options say": { attempts: 2, backoff: { kind: "fixed", delay_ms: 1 } },
  "fails once": { attempts: 2 },
  "fails for good": { attempts: 9 },
};

let stage: Stage;
let client: Broker;
let executor: Executor;
let ran: Promise<void>;

before(async () => {
  stage = Stage.make();
  const url = `sqlite:${join(stage.folder, "queue.db")}`;
  client = await stage.client(url);
  const broker = await createBroker(url, { executor: "one", queues: ["common"], leaseMs: 5_000 });
  const options = { name: "one", version: "0", concurrency: 4, graceMs: 1_000, retryLaterLimit: 3, heartbeatMs: 50 };
  executor = new Executor({ broker, handlers: HANDLERS, options });
  ran = executor.run(openRoot());
});
after(async () => {
  executor.drain("the test is over");
  await ran;
  await stage.end();
});

test("a result, progress and lines that come as data stand in the record and the log", async () => {
  const { state, result, progress, progress_msg } = await endOf("tells");
  assert.deepEqual([state, result, progress], ["done", "common", 1]);
  assert.match(progress_msg, /half of it/);
  assert.deepEqual(
    (await client.logs("tells")).map(({ level, text }) => [level, text]),
    [["info", "a line"]],
  );
});

test("a failure that comes as data is tried again when the handler says, with its error kept", async () => {
  const { state, attempt, errors } = await endOf("fails once");
  assert.deepEqual([state, attempt], ["done", 2]);
  assert.equal(errors?.length, 1);
});

test("a handler that says no to another attempt is obeyed, whatever attempts are left", async () => {
  const { state, attempt, error } = await endOf("fails for good");
  assert.deepEqual([state, attempt, error?.message], ["dead", 1, "no"]);
});

test("attempts and backoff of the manifest hold where the handler does not say", async () => {
  const { state, attempt, reason } = await endOf("fails as its options say");
  assert.deepEqual([state, attempt, reason], ["dead", 2, "no"]);
});

test("a handler that asks to come later spends no attempt, as often as the limit allows", async () => {
  const { state, attempt, reason } = await endOf("comes later");
  assert.deepEqual([state, attempt], ["dead", 1]);
  assert.equal(reason, "asked 3 times in a row to be tried later (retry_later_limit): no");
});

test("a process that dies over a task that is alone costs crashes, and no attempt", async () => {
  const { state, attempt, crashes, reason, errors } = await endOf("crashes");
  assert.deepEqual([state, attempt, crashes], ["dead", 1, 4]);
  assert.equal(reason, "quarantined: its process died 4 times while it ran alone (crash budget 3): exit code 7");
  assert.equal(errors?.[0]?.message, "its process died: exit code 7");
  assert.equal((await endOf("crashes", "no budget", { crash_budget: 0 })).crashes, 1);
});

test("a guilty one is alone after six halves of 64, and then convicted", async () => {
  const { state, attempt, crashes, errors, reason } = await endOf("dies in company", "guilty", { crash_budget: 0 });
  assert.deepEqual([state, attempt, crashes, errors?.length], ["dead", 1, 1, 7]);
  assert.equal(reason, "quarantined: its process died once while it ran alone (crash budget 0): killed by SIGSEGV");
});

test("an innocent one runs again beside fewer, charged nothing, with a crash budget of 0, too", async () => {
  const { state, crashes, result } = await endOf("is innocent", "innocent", { crash_budget: 0 });
  assert.deepEqual([state, crashes, result], ["done", 0, [0, 1]]);
});

test("an attempt that ends by itself clears its task of suspicion", async () => {
  const { state, attempt, result } = await endOf("fails as a suspect", "cleared", { attempts: 2 });
  assert.deepEqual([state, attempt, result], ["done", 2, null]);
});

test("a retry by hand forgets the crashes", async () => {
  await client.retry(["crashes"]);
  const { state, crashes } = await ended("crashes");
  assert.deepEqual([state, crashes], ["dead", 4]);
});

test("a cancel is the cancel of the scope that the handler was given", async () => {
  await client.enqueue([requestOf("waits", "waits", null)]);
  await until("it runs", SOON_MS, async () => (await client.record("waits"))?.state === "running");
  await client.cancel(["waits"]);
  assert.equal((await ended("waits")).state, "cancelled");
});

test("the record, the status and the beats tell how an attempt ended that was told to stop", async () => {
  await client.enqueue([requestOf("killed", "is killed", null), requestOf("heeded", "heeds", null)]);
  for (const id of ["killed", "heeded"]) {
    await until("it runs", SOON_MS, () => Object.hasOwn(executor.status().current, id));
    await client.cancel([id]);
    const { state, reason, ended_by: endedBy } = await ended(id);
    assert.deepEqual([state, endedBy?.how], ["cancelled", id]);
    assert.match(
      reason ?? "",
      id === "killed" ? /^cancelled: killed after 1234 ms$/ : /^cancelled: heeded after \d+ ms$/,
    );
  }
  const { errors, error, reason } = await endOf("heeds", "late", { timeout_ms: 20, attempts: 1 });
  assert.deepEqual([errors[0]?.ended_by?.how, error?.ended_by], ["heeded", errors[0]?.ended_by]);
  assert.equal(reason, "TimeoutError: the attempt took longer than its 20 ms and was stopped");
  const { heeded, killed, abandoned, last } = executor.status().stops;
  assert.deepEqual([heeded, killed, abandoned], [2, 1, 0]);
  assert.deepEqual(last[0], { id: "killed", type: "is killed", why: "cancel", how: "killed", after_ms: 1_234 });
  assert.deepEqual(
    last.map(({ id, why, how }) => [id, why, how]),
    [
      ["killed", "cancel", "killed"],
      ["heeded", "cancel", "heeded"],
      ["late", "timeout", "heeded"],
    ],
  );
  await until("a beat tells it, too", SOON_MS, async () => {
    const beat = (await client.member("one"))?.beat;
    return JSON.stringify(beat?.stops) === JSON.stringify(executor.status().stops);
  });
});

test("a handler's own function is asked only where the message names no backoff and an attempt is left", async () => {
  assert.equal((await endOf("asks for its delay")).result, true);
  const backoff = { kind: "fixed", delay_ms: 1 };
  assert.equal((await endOf("asks for its delay", "by message", { backoff })).result, false);
  assert.equal((await endOf("asks for its delay", "the last one", { attempts: 1 })).result, false);
});

const HANDLERS: Handlers = {
  get: (type) => (ANSWERS[type] === undefined ? undefined : handlerOf(type, ANSWERS[type])),
  types: () => Object.keys(ANSWERS).sort(),
};

function handlerOf(type: string, answer: Answer): Handler {
  return {
    type,
    options: OPTIONS[type] ?? {},
    checkPayload: null,
    start: async (attempt, scope) => answer(attempt, scope),
    delayAfter: () => null,
  };
}

async function endOf(type: string, id = type, options: Record<string, unknown> = {}): Promise<TaskRecord> {
  const request = requestOf(id, type, null);
  const message = JSON.stringify({ ...JSON.parse(request.message), taskexe: options });
  await client.enqueue([{ ...request, message }]);
  return ended(id);
}

function ended(id: string): Promise<TaskRecord> {
  return until(`${id} has ended`, SOON_MS, async () => {
    const record = await client.record(id);
    return record !== null && hasEnded(record.state) && record;
  });
}

function done(result: string): HandlerEnding {
  return { kind: "done", result, omitted: null };
}

function failed(how: Partial<Omit<Failed, "kind">>): Failed {
  return {
    kind: "failed",
    error: { name: "Error", message: "no" },
    retry: true,
    retryInMs: null,
    later: false,
    ...how,
  };
}
