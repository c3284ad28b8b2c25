/**
 * However many tasks run, and however long their messages are: beats and /status stay short, and readers can read them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Broker, BrokerRefusedError, type Delivery } from "../../../src/broker/broker.ts";
import { CapacityLimiter, Latch, openRoot, withScope } from "../../../src/concurrency/index.ts";
import { Attempt } from "../../../src/executor/attempt/attempt.ts";
import { RunningAttempts } from "../../../src/executor/attempt/running-attempts.ts";
import { StatusView } from "../../../src/executor/status/status-view.ts";
import { Tally } from "../../../src/executor/status/tally.ts";
import { type BeatJson, beatJson, type HeartbeatParts, MOST_BYTES } from "../../../src/executor/upkeep/beat-json.ts";
import { keepBeating } from "../../../src/executor/upkeep/heartbeat.ts";
import { parseMessage } from "../../../src/task/message/message.ts";
import { attemptHost } from "../attempt-host.ts";

/** Tasks that run, whose messages have a text of this length in bytes. */
function runningTasks(count: number, bytes: number, prefix = "t"): RunningAttempts {
  const running = new RunningAttempts();
  for (let n = 0; n < count; n++) {
    const raw = JSON.stringify({ id: `${prefix}${n}`, task_type: "big", text: "é".repeat(bytes / 2) });
    const parsed = parseMessage(raw);
    assert.ok(parsed.ok);
    const task = new Attempt({ raw, handle: `h${n}`, queue: "common" } as Delivery, openRoot(), attemptHost(5));
    task.message = parsed.message;
    task.lastMessage = "é".repeat(2_000);
    running.expect();
    running.add(task);
  }
  return running;
}

function partsOf(running: RunningAttempts, types: readonly string[] = ["big"]): HeartbeatParts {
  const broker = { leaseMs: 1, now: () => 5, backlog: async () => ({ pending: 0, lag: 0 }) } as unknown as Broker;
  const serves = { queues: ["common"], types: () => types };
  const about = { name: "e", version: "0", ipAddress: "127.0.0.1", concurrency: 9, bootAt: 0 };
  return { broker, running, tally: new Tally(), serves, ...about };
}

function beatOf(running: RunningAttempts, types?: readonly string[]): Promise<BeatJson> {
  return beatJson(partsOf(running, types));
}

/** What RagFlow's readers do with a beat: every key is there, and `current` is an object from id to an object. */
function read(json: string): { readonly current: Record<string, Record<string, unknown>>; readonly left: number } {
  assert.ok(Buffer.byteLength(json) <= MOST_BYTES, `${Buffer.byteLength(json)} bytes`);
  const beat = JSON.parse(json);
  for (const key of ["ip_address", "pid", "name", "now", "boot_at", "pending", "lag", "done", "failed", "current"])
    assert.ok(key in beat, `no ${key}`);
  for (const [id, task] of Object.entries<Record<string, unknown>>(beat.current)) assert.equal(task.id, id);
  return { current: beat.current, left: beat.current_left_out ?? 0 };
}

test("tasks that fit are told whole", async () => {
  const { current, left } = read((await beatOf(runningTasks(10, 1_000))).whole);
  assert.deepEqual([Object.keys(current).length, left], [10, 0]);
  assert.equal(String(current.t9?.text).length, 500);
});

test("of a hundred tasks of 1 MB a beat tells ids and types", async () => {
  const { current, left } = read((await beatOf(runningTasks(100, 1_000_000))).whole);
  assert.equal(left, 0);
  assert.equal(Object.keys(current).length, 100);
  assert.deepEqual(current.t42, { id: "t42", task_type: "big" });
});

test("of tasks of middling length some are told whole, and each by its id", async () => {
  const { current, left } = read((await beatOf(runningTasks(100, 4_000))).whole);
  const whole = Object.values(current).filter(({ text }) => text !== undefined).length;
  assert.deepEqual([Object.keys(current).length, left], [100, 0]);
  assert.ok(whole >= 8 && whole < 16, `${whole} whole ones`);
});

test("of more runners than can be named the rest is counted", async () => {
  const one = {
    generation: 1,
    kind: "worker ".padEnd(100, "x"),
    isolation: "own",
    state: "ready",
    tasks: 1,
    done: 1,
  } as const;
  const processes = Array.from({ length: 1_000 }, (_, pid) => {
    return { ...one, pid, rss_bytes: 5e7, started_at: "2026-08-01T10:00:00Z", busy_since: null };
  });
  const runners = { view: () => ({ processes, waiting: 0, problems: [], generation: 1, awaited: [], restarts: {} }) };
  const { whole, small } = await beatJson({
    ...partsOf(runningTasks(5_000, 10, "with-an-id-of-some-length-")),
    runners,
  });
  read(whole);
  const { runners: told, more_runners: more } = JSON.parse(whole);
  assert.equal(told.length + more, 1_000);
  assert.ok(told.length >= 10);
  assert.ok(!("runners" in JSON.parse(small)));
});

test("of more tasks than can be named the rest is counted", async () => {
  const types = Array.from({ length: 100 }, (_, n) => `${"long".repeat(50)}-${n}`);
  const { current, left } = read((await beatOf(runningTasks(5_000, 10, "with-an-id-of-some-length-"), types)).whole);
  const named = Object.keys(current).length;
  assert.ok(named > 100, `${named} are named`);
  assert.equal(named + left, 5_000);
});

test("the small form has every key, and names no task", async () => {
  const { small } = await beatOf(runningTasks(100, 4_000));
  assert.deepEqual(read(small), { current: {}, left: 0 });
  assert.ok(small.length < 1_000, `${small.length} characters`);
});

test("a beat that the broker does not take whole is sent small", async () => {
  const sent: string[] = [];
  const enough = new Latch();
  const parts = partsOf(runningTasks(10, 1_000));
  const broker: Partial<Broker> = {
    ...parts.broker,
    beat: async (json) => {
      sent.push(json);
      if (json.length > 5_000) throw new BrokerRefusedError("too long");
      enough.set();
      return null;
    },
  };
  await withScope(openRoot(), {}, async (scope) => {
    const turn = new CapacityLimiter(1);
    const beating = keepBeating({ ...parts, broker: broker as Broker }, 10, async () => true, turn, scope.signal);
    const ended = beating.catch(() => {});
    await enough.wait(openRoot().signal);
    scope.cancel("enough");
    await ended;
  });
  assert.ok(sent.length >= 2 && read(sent.at(-1) ?? "").current.t0 === undefined);
});

test("/status names as many tasks as there is room for, and counts the others", () => {
  const broker = {
    ...{ kind: "redis", url: "redis://x", now: () => 5 },
    connection: () => ({ state: "connected", lastError: null, warnings: [] }),
  } as unknown as Broker;
  const options = { name: "e", version: "0", concurrency: 5_000, graceMs: 1 };
  const view = new StatusView({ broker, running: runningTasks(1_000, 10), tally: new Tally(), options, bootAt: 0 });
  const status = view.status("running");
  const bytes = Buffer.byteLength(JSON.stringify(status));
  assert.ok(bytes < 200_000, `${bytes} bytes`);
  assert.equal(Object.keys(status.current).length + (status.current_left_out ?? 0), 1_000);
});
