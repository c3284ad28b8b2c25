/** `enqueue --jsonl` with input that is slow, signals on the way, and a broker that goes away meanwhile. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { BrokerUnavailableError, ENQUEUE_BATCH_LENGTH, type EnqueueRequest } from "../../../src/broker/broker.ts";
import { enqueueLines, type LinesBroker } from "../../../src/cli/commands/enqueue-lines.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import { MockClock } from "../../../src/testing.ts";
import { ROOT } from "../../stage/command.ts";
import { startRedis } from "../../stage/redis/server.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";
import { outputOf } from "../captured.ts";

const stage = Stage.make();
after(() => stage.end());

/** Starts the command with an input that stays open. */
function fed(given: readonly string[] = []) {
  const { PATH = "" } = process.env;
  const args = [join(ROOT, "src/main.ts"), "enqueue", "--jsonl", "-", ...given];
  const child = spawn(join(ROOT, "node_modules/.bin/bun"), args, {
    cwd: stage.folder,
    env: { PATH, HOME: stage.folder, STATE_DIRECTORY: join(stage.folder, "state") },
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ ...output, code: code as number | null }));
  return { child, stdin: child.stdin, output, ended };
}

const line = (id: string) => `${JSON.stringify({ type: "idle", id })}\n`;

async function queued(queue: string, ...given: string[]): Promise<string[]> {
  const { stdout } = await stage.run(["list", "--queue", queue, "--json", ...given]);
  return JSON.parse(stdout).tasks.map(({ id }: { id: string }) => id);
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`what slow input gave is enqueued while it pauses, and a first ${signal} ends with ${code}`, async () => {
    const queue = `slow-${code}`;
    const running = fed(["--queue", queue]);
    running.stdin.write(line(`${code}-1`) + line(`${code}-2`));
    await until(async () => (await queued(queue)).length === 2);
    running.stdin.write(line(`${code}-3`));
    await until(async () => (await queued(queue)).length === 3);
    running.child.kill(signal);
    const { stdout, stderr, code: exit } = await running.ended;
    assert.deepEqual([stdout, exit], ["", code]);
    assert.equal(stderr, "taskexe: 3 tasks were enqueued before it stopped; line 3 is the last that surely was\n");
  });
}

test("a first signal enqueues what was read and tells the ids, but of no line that was not whole", async () => {
  const running = fed(["--queue", "read", "--json"]);
  // What stands on standard error says that the lines before it were read.
  running.stdin.write(`${line("r1")}${line("r2")}oops\n{"type":"idle","id":"r3"}`);
  await until(async () => running.output.stderr.includes("line 3: not JSON"));
  running.child.kill("SIGTERM");
  const { stdout, stderr, code } = await running.ended;
  assert.equal(code, 143);
  assert.deepEqual(JSON.parse(stdout), { enqueued: 2, already_there: 0, refused: 1, ids: ["r1", "r2"] });
  assert.match(stderr, /2 tasks were enqueued before it stopped; line 2 is the last that surely was/);
  assert.deepEqual(await queued("read"), ["r1", "r2"]);
});

test("a broker that is away for a moment is waited for, and every line is enqueued once", async () => {
  const redis = await startRedis({ appendonly: true });
  try {
    const running = fed(["--broker", redis.url]);
    running.stdin.write(line("one"));
    await until(async () => (await queued("common", "--broker", redis.url)).length === 1);
    await redis.kill("SIGKILL");
    running.stdin.write(line("two"));
    await until(async () => running.output.stderr.includes("the broker is away"));
    await redis.restart();
    running.stdin.end(line("three"));
    const { stdout, code } = await running.ended;
    assert.deepEqual([stdout, code], ["3 tasks enqueued\n", 0]);
    assert.deepEqual(await queued("common", "--broker", redis.url), ["one", "two", "three"]);
  } finally {
    await redis.stop();
  }
});

/** A broker that keeps what is enqueued, and whose answers to the calls with these numbers (from 1) are lost. */
function forgetful(lost: (call: number) => boolean) {
  const kept = new Map<string, EnqueueRequest>();
  const calls: string[][] = [];
  const broker: LinesBroker = {
    url: "redis://somewhere:6379/1",
    now: Date.now,
    audit: { add: async () => {}, list: async () => [] },
    connection: () => ({ state: "away", warnings: [], lastError: "the connection was lost" }),
    async enqueue(requests) {
      calls.push(requests.map(({ id }) => id));
      const receipts = requests.map(({ id }) => ({ id, created: !kept.has(id), state: "queued" as const }));
      for (const request of requests) kept.set(request.id, request);
      if (lost(calls.length)) throw new BrokerUnavailableError("Redis is not available");
      return receipts;
    },
  };
  return { broker, kept, calls };
}

function options(name: string, lines: readonly object[], json = false) {
  const path = join(stage.folder, name);
  // Whole lines: what stands behind the last line end leaves in a batch of its own, where the end of the file comes
  // late.
  writeFileSync(path, lines.map((each) => `${JSON.stringify(each)}\n`).join(""));
  return { path, defaults: { queue: "common", priority: 0 }, retentionMs: 1_000, priorities: 2, json };
}

test("a batch whose answer was lost is sent again under the same ids, and counts once", async () => {
  const clock = new MockClock();
  const { broker, kept, calls } = forgetful((call) => call < 3);
  const lines = [{ type: "idle" }, { type: "idle" }, { type: "idle", id: "named" }];
  const output = await outputOf(async () => {
    const running = enqueueLines(broker, openRoot({ clock }), options("again.jsonl", lines));
    while (calls.length < 3) await clock.advance(50);
    assert.equal(await running, 0);
  });
  assert.equal(kept.size, 3);
  assert.deepEqual(calls[1], calls[0]);
  assert.deepEqual(calls[2], calls[0]);
  // Whoever named the third one may have enqueued it before.
  assert.equal(output.stdout, "2 tasks enqueued, 1 there already\n");
  assert.match(output.stderr, /the broker is away; it is asked again for up to 30 s/);
  assert.equal(clock.pendingTimers, 0);
});

test("a broker that stays away ends it after 30 s, and the last line that surely was enqueued is named", async () => {
  const clock = new MockClock();
  const { broker, calls } = forgetful((call) => call > 1);
  const lines = Array.from({ length: 1_001 }, (_, index) => ({ type: "idle", id: `t${index}` }));
  const output = await outputOf(async () => {
    const running = enqueueLines(broker, openRoot({ clock }), options("away.jsonl", lines));
    const failed = assert.rejects(running, (error: Error) => {
      assert.ok(error instanceof BrokerUnavailableError);
      assert.match(error.message, /redis:\/\/somewhere:6379\/1 stayed away for 30 s: the connection was lost/);
      return true;
    });
    while (calls.length < 2) await clock.advance(0);
    await clock.advance(29_000);
    const before = calls.length;
    assert.ok(before > 100, String(before));
    await clock.advance(1_000);
    await failed;
  });
  assert.match(output.stderr, /1000 tasks were enqueued before it stopped; line 1000 is the last that surely was/);
  assert.equal(clock.pendingTimers, 0);
});

test("where nothing was enqueued it says that no line surely was", async () => {
  const clock = new MockClock();
  const { broker, calls } = forgetful(() => true);
  const scope = openRoot({ clock });
  const output = await outputOf(async () => {
    const running = enqueueLines(broker, scope, options("never.jsonl", [{ type: "idle", id: "a" }]));
    const failed = assert.rejects(running);
    while (calls.length < 2) await clock.advance(100);
    scope.cancel("ctrl-C");
    await failed;
  });
  assert.match(output.stderr, /0 tasks were enqueued before it stopped; no line surely was/);
});

test("long lines leave in batches of 16 million characters, and no batch is made while one is on its way", async () => {
  const { broker, kept } = forgetful(() => false);
  const lengths: number[] = [];
  let onTheWay = 0;
  const watched: LinesBroker = {
    ...broker,
    async enqueue(requests) {
      onTheWay += 1;
      assert.equal(onTheWay, 1);
      lengths.push(requests.reduce((sum, { message }) => sum + message.length, 0));
      await new Promise((resolve) => setImmediate(resolve));
      const receipts = await broker.enqueue(requests);
      onTheWay -= 1;
      // What was sent is not held here.
      kept.clear();
      return receipts;
    },
  };
  const payload = "x".repeat(4_000_000);
  const lines = Array.from({ length: 22 }, (_, index) => ({ type: "idle", id: `l${index}`, payload }));
  const output = await outputOf(async () => {
    assert.equal(await enqueueLines(watched, openRoot(), options("long.jsonl", lines)), 0);
  });
  assert.equal(output.stdout, "22 tasks enqueued\n");
  assert.ok(Math.max(...lengths) < ENQUEUE_BATCH_LENGTH + payload.length, `${lengths}`);
  const sum = lengths.reduce((all, each) => all + each, 0);
  assert.ok(sum > lines.length * payload.length, `${sum}`);
});

test("a line with a time or a duration that cannot be is left out alone, and told by its number", async () => {
  const { broker, kept } = forgetful(() => false);
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ at: "2026-02-31T10:00:00Z" }, /at: must be a day that there is: 2026-02-31 is none/],
    [{ at: 1 }, /at: must be a time from 2000-01-01 to 2100-01-01, 1 is 1970/],
    [{ at: "2026-01-31T10:00:00" }, /at: must have a zone/],
    [{ at: "9999-01-01T00:00:00Z" }, /at: must be a time from 2000-01-01 to 2100-01-01/],
    [{ deadline_at: 253_402_300_799_000 }, /deadline_at: must be a time from 2000-01-01 to 2100-01-01/],
    [{ at: true }, /at: must be a time like/],
    [{ delay_ms: 3_155_760_000_000 }, /the delay is too long/],
    [{ delay_ms: 1e300 }, /delay_ms: must be at most 3155760000000 ms \(100 years\)/],
    [{ delay_ms: "5m" }, /delay_ms: must be a number of ms/],
    [{ delay_ms: 86_400_000_000, deadline_at: "2026-01-01T00:00:00Z" }, /the task could never run/],
  ];
  const lines = wrong.flatMap(([each], index) => [
    { type: "idle", id: `fine-${index}` },
    { type: "idle", ...each },
  ]);
  const output = await outputOf(async () => {
    assert.equal(await enqueueLines(broker, openRoot(), options("times.jsonl", lines)), 1);
  });
  assert.equal(output.stdout, "10 tasks enqueued, 10 lines refused\n");
  assert.deepEqual([...kept.keys()].sort(), wrong.map((_, index) => `fine-${index}`).sort());
  const told = output.stderr.trimEnd().split("\n");
  for (const [index, [, reason]] of wrong.entries()) {
    assert.match(told[index] ?? "", new RegExp(`^taskexe: line ${2 * index + 2}: ${reason.source}`));
  }
});
