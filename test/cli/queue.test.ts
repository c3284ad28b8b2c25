/** The commands that talk to the broker, over the embedded queue, with and without an executor. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());

test("enqueue prints an id of 32 hex digits, and task shows the record", async () => {
  const enqueued = await stage.run(["enqueue", "idle", '{"a": [1, "\\u00e4"]}', "--queue", "still"]);
  assert.match(enqueued.stdout, /^[0-9a-f]{32}\n$/);
  assert.equal(enqueued.code, 0);
  const id = enqueued.stdout.trim();
  const shown = await stage.run(["task", id]);
  assert.match(shown.stdout, /state +queued/);
  assert.match(shown.stdout, /type +idle/);
  const record = JSON.parse((await stage.run(["task", id, "--json"])).stdout);
  assert.equal(record.id, id);
  assert.deepEqual(JSON.parse(record.message).payload, { a: [1, "ä"] });
  assert.equal(record.queue, "still");
});

const TELLS_AND_FAILS = `import { defineTask } from "taskexe";
export default defineTask({
  type: "tell",
  async run({ log, payload }) {
    for (let line = 1; line <= payload; line++) log.info("line " + line);
    throw new TypeError("no luck", { cause: new Error("the root of it") });
  },
});
`;

test("task shows how it is to be run, the end of its log, and its error with the stack", async () => {
  writeFileSync(join(stage.folder, "tell.ts"), TELLS_AND_FAILS);
  const executor = await stage.executor({ args: ["--queues", "told", "--tasks", "tell.ts"] });
  const policy = ["--attempts", "2", "--backoff", "fixed:1ms", "--timeout", "30s", "--unique=mine"];
  const given = ["enqueue", "tell", "25", "--id", "told", "--queue", "told", ...policy];
  assert.equal((await stage.run([...given, "--wait"])).code, 1);
  // The log is written a moment after the end.
  await until(async () => JSON.parse((await stage.run(["task", "told", "--json"])).stdout).logs.length === 50);
  const { stdout } = await stage.run(["task", "told"]);
  assert.match(stdout, /^state +dead$/m);
  assert.match(stdout, /^attempt +2 of 2$/m);
  assert.match(stdout, /^backoff +fixed:1ms$/m);
  assert.match(stdout, /^timeout +30s$/m);
  assert.match(stdout, /^unique key +mine$/m);
  assert.match(stdout, /^log +\(30 lines before these: --json shows them\)\n +\S+Z info +line 6\n/m);
  assert.match(stdout, /line 25\n[a-z]/);
  assert.match(stdout, /^error +TypeError: no luck\n +at .*tell\.ts:/m);
  assert.match(stdout, /^ +Error: the root of it\n +at /m);
  const record = JSON.parse((await stage.run(["task", "told", "--json"])).stdout);
  assert.deepEqual([record.state, record.error.name], ["dead", "TypeError"]);
  assert.deepEqual(Object.keys(record.logs[0]), ["at", "level", "text"]);
  executor.kill("SIGTERM");
  await executor.ended;
});

test("the same id again changes nothing, and says so", async () => {
  const first = await stage.run(["enqueue", "idle", "1", "--id", "twice", "--queue", "still"]);
  const second = await stage.run(["enqueue", "idle", "2", "--id", "twice", "--queue", "still"]);
  assert.deepEqual([first.stdout, second.stdout], ["twice\n", "twice\n"]);
  assert.match(second.stderr, /is there already: queued/);
  const record = JSON.parse((await stage.run(["task", "twice", "--json"])).stdout);
  assert.equal(JSON.parse(record.message).payload, 1);
});

test("the payload comes from a file, or from standard input", async () => {
  writeFileSync(join(stage.folder, "payload.json"), '{\n  "from": "file"\n}\n');
  await stage.run(["enqueue", "idle", "@payload.json", "--id", "from-file", "--queue", "still"]);
  await stage.run(["enqueue", "idle", "-", "--id", "from-input", "--queue", "still"], { stdin: '"input"' });
  const payload = async (id: string) =>
    JSON.parse(JSON.parse((await stage.run(["task", id, "--json"])).stdout).message).payload;
  assert.deepEqual(await payload("from-file"), { from: "file" });
  assert.equal(await payload("from-input"), "input");
});

test("a file that is no JSON, or missing, is named with the place", async () => {
  writeFileSync(join(stage.folder, "broken.json"), '{\n  "a": 1,\n}\n');
  const broken = await stage.run(["enqueue", "idle", "@broken.json"]);
  assert.match(broken.stderr, /broken\.json: not JSON at line 3, column 1: unexpected "}/);
  assert.equal(broken.code, 2);
  const missing = await stage.run(["enqueue", "idle", "@missing.json"]);
  assert.match(missing.stderr, /missing\.json cannot be read: no such file/);
  assert.equal(missing.code, 1);
});

test("task exits with 1 for an id that has no record", async () => {
  const { stdout, stderr, code } = await stage.run(["task", "nobody"]);
  assert.deepEqual([stdout, code], ["", 1]);
  assert.match(stderr, /no record of a task "nobody" on sqlite:/);
});

test("cancel ends waiting tasks at once and tells what it found", async () => {
  await stage.run(["enqueue", "idle", "--id", "waiting", "--queue", "still"]);
  const { stdout, code } = await stage.run(["cancel", "waiting", "never-seen", "waiting", "--json"]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), [
    { id: "waiting", state: "queued" },
    { id: "never-seen", state: null },
  ]);
  const record = JSON.parse((await stage.run(["task", "waiting", "--json"])).stdout);
  assert.equal(record.state, "cancelled");
  assert.match((await stage.run(["cancel", "waiting"])).stdout, /waiting +cancelled +cancelled already/);
});

test("enqueue --jsonl takes many lines, tells wrong ones by number and exits with 1 for them", async () => {
  const good = Array.from({ length: 2_500 }, (_, index) => JSON.stringify({ type: "idle", id: `line-${index}` }));
  const bad = [
    '{"type": 1}',
    "{oops}",
    '{"payload": 1}',
    "[1]",
    '{"type":"a","priorty":1}',
    '{"type":"a","priority":10}',
    '{"type":"a","priority":3}',
    '{"type":"a","timeout_ms":-1}',
  ];
  const text = [...good.slice(0, 1_500), ...bad, "", ...good.slice(1_500)].join("\n");
  writeFileSync(join(stage.folder, "tasks.jsonl"), text);
  const { stdout, stderr, code } = await stage.run(["enqueue", "--jsonl", "tasks.jsonl", "--queue", "bulk"]);
  assert.equal(stdout, "2500 tasks enqueued, 8 lines refused\n");
  assert.equal(code, 1);
  assert.deepEqual(stderr.trimEnd().split("\n"), [
    "taskexe: line 1501: type: must be a string",
    'taskexe: line 1502: not JSON at column 2: unexpected "oops}"',
    "taskexe: line 1503: type: is missing",
    'taskexe: line 1504: expected an object like {"type","payload"}',
    "taskexe: line 1505: priorty: is not known; known are type, payload, id, queue, priority, attempts, backoff, " +
      "crash_budget, timeout_ms, retention_ms, on_done, on_dead, on_cancelled, deadline_at, delay_ms, at, unique",
    "taskexe: line 1506: priority: must be a whole number from 0 (ordinary) to 9 (most urgent)",
    "taskexe: line 1507: priority: must be 0 to 1, got 3: the setting priorities is 2, and nobody looks into others",
    "taskexe: line 1508: timeout_ms: must be 0 or more",
  ]);
});

test("enqueue --jsonl - reads standard input, and prints the ids with --json", async () => {
  const input = '{"type":"idle","id":"one","payload":{"n":1}}\n{"type":"idle"}\n{"type":"idle","id":"one"}';
  const { stdout, code } = await stage.run(["enqueue", "--jsonl", "-", "--json", "--queue", "bulk"], { stdin: input });
  const answer = JSON.parse(stdout);
  assert.equal(code, 0);
  assert.equal(answer.enqueued, 2);
  assert.equal(answer.already_there, 1);
  assert.equal(answer.refused, 0);
  assert.deepEqual([answer.ids[0], answer.ids.length], ["one", 3]);
});

test("status without an executor tells what the broker knows", async (t) => {
  const quiet = Stage.make();
  t.after(() => quiet.end());
  await quiet.run(["enqueue", "--jsonl", "-", "--queue", "bulk"], { stdin: '{"type":"idle"}\n'.repeat(2_502) });
  const { stdout, code } = await quiet.run(["status", "--listen", "off", "--queues", "still,bulk", "--json"]);
  const answer = JSON.parse(stdout);
  assert.equal(code, 0);
  const queued = Object.fromEntries(
    answer.queues.map((queue: { name: string; queued: number }) => [queue.name, queue.queued]),
  );
  assert.equal(queued.bulk, 2_502);
  assert.deepEqual(answer.fleet, []);
  const shown = await quiet.status(["--listen", "127.0.0.1:1", "--queues", "bulk"]);
  assert.match(shown.stderr, /no executor answers at 127\.0\.0\.1:1 \(the connection is refused\)/);
  assert.match(shown.stdout, /bulk +2502 +0 +0 +0/);
  assert.match(shown.stdout, /no executor is registered/);
});

test("status with --url fails when no executor answers there", async () => {
  const { stderr, code } = await stage.run(["status", "--url", "http://127.0.0.1:1"]);
  assert.match(stderr, /no executor answers at http:\/\/127\.0\.0\.1:1\/status/);
  assert.equal(code, 1);
});

test("enqueue --wait prints the result, and exits with 1 when the task ends dead or cancelled", async () => {
  const executor = await stage.executor({ args: ["--queues", "work"] });
  const work = ["--queue", "work", "--wait"];

  const done = await stage.run(["enqueue", "echo", '{"a":1}', ...work]);
  assert.deepEqual([JSON.parse(done.stdout), done.stderr, done.code], [{ a: 1 }, "", 0]);

  const whole = await stage.run(["enqueue", "echo", "7", "--json", ...work]);
  assert.equal(JSON.parse(whole.stdout).result, 7);

  const waiting = stage.start(["enqueue", "sleep", '{"ms":600000}', "--id", "nap", ...work]);
  await until(async () => JSON.stringify(await (await fetch(`${executor.url}/status`)).json()).includes('"nap"'));
  const status = await stage.status(["--url", executor.url]);
  assert.match(status.stdout, /slots +1 of 5 taken/);
  assert.match(status.stdout, /nap +sleep/);
  assert.match((await stage.run(["cancel", "nap"])).stdout, /nap +running +being cancelled/);
  const cancelled = await waiting.ended;
  assert.match(cancelled.stderr, /nap is cancelled/);
  assert.deepEqual([cancelled.stdout, cancelled.code], ["", 1]);

  executor.kill("SIGTERM");
  assert.equal((await executor.ended).code, 0);
});

test("ctrl-C while waiting leaves with 130 and leaves the task alone", async () => {
  const waiting = stage.start(["enqueue", "idle", "--id", "left", "--queue", "still", "--wait"]);
  await until(async () => (await stage.run(["task", "left"])).code === 0);
  waiting.kill("SIGINT");
  const { code, stdout, stderr } = await waiting.ended;
  assert.deepEqual([code, stdout], [130, ""]);
  assert.match(stderr, /left goes on without us/);
  assert.match((await stage.run(["task", "left"])).stdout, /state +queued/);
});
