/**
 * The commands about tasks that are there: list, cancel, retry, purge, pause, cron, and the options of an enqueue.
 * @long about 15 s
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());

const json = async (...given: string[]) => JSON.parse((await stage.run([...given, "--json"])).stdout);

test("list shows tasks by state, type and queue, up to its limit", async () => {
  const input = Array.from({ length: 30 }, (_, index) => JSON.stringify({ type: "listed", id: `l${index}` })).join(
    "\n",
  );
  await stage.run(["enqueue", "--jsonl", "-", "--queue", "shelf"], { stdin: input });
  await stage.run(["enqueue", "idle", "--id", "other", "--queue", "shelf"]);
  const first = await stage.run(["list", "--queue", "shelf", "--type", "listed", "--limit", "3"]);
  assert.deepEqual(
    first.stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ +/)[0]),
    ["id", "l0", "l1", "l2"],
  );
  assert.match(first.stderr, /there are more/);
  const all = await json("list", "--queue", "shelf", "--state", "queued");
  assert.equal(all.tasks.length, 31);
  assert.equal(all.more, false);
  assert.equal((await json("list", "--queue", "shelf", "--state", "dead")).tasks.length, 0);
});

test("cancel takes a type or a queue too, and tells how many", async () => {
  await stage.run(["enqueue", "idle", "--id", "c1", "--queue", "cq"]);
  await stage.run(["enqueue", "idle", "--id", "c2", "--queue", "cq", "--delay", "1h"]);
  await stage.run(["enqueue", "keep", "--id", "c3", "--queue", "cq"]);
  const { stdout, code } = await stage.run(["cancel", "--queue", "cq", "--type", "idle"]);
  assert.deepEqual([stdout, code], ["2 tasks cancelled\n", 0]);
  assert.equal((await json("task", "c2")).state, "cancelled");
  assert.equal((await json("task", "c3")).state, "queued");
  assert.deepEqual(await json("cancel", "--queue", "cq"), { cancelled: 1 });
});

test("retry queues tasks again, by id or all that match, and exits with 1 where it cannot", async () => {
  for (const id of ["r1", "r2", "r3"]) await stage.run(["enqueue", "idle", "--id", id, "--queue", "rq"]);
  await stage.run(["cancel", "r1", "r2", "r3"]);
  const byId = await stage.run(["retry", "r1", "nobody", "--queue", "rq"]);
  assert.equal(byId.code, 2);
  const two = await stage.run(["retry", "r1", "nobody"]);
  assert.match(two.stdout, /r1 +cancelled +queued/);
  assert.match(two.stdout, /nobody +unknown +no record/);
  assert.equal(two.code, 1);
  assert.deepEqual(await json("retry", "--queue", "rq"), { retried: 0 });
  const all = await stage.run(["retry", "--queue", "rq", "--all", "--state", "cancelled"]);
  assert.deepEqual([all.stdout, all.code], ["2 tasks queued again\n", 0]);
});

test("promote queues what waits for its time, by id or all that match, and exits with 1 where it cannot", async () => {
  const waits = ["--queue", "pq", "--delay", "1h"];
  for (const id of ["p1", "p2", "p3"]) await stage.run(["enqueue", "idle", "--id", id, ...waits]);
  const some = await stage.run(["promote", "p1", "nobody"]);
  assert.match(some.stdout, /p1 +scheduled +queued/);
  assert.match(some.stdout, /nobody +unknown +no record/);
  assert.equal(some.code, 1);
  assert.equal((await json("task", "p1")).state, "queued");
  const dry = await stage.run(["promote", "--queue", "pq", "--dry-run"]);
  assert.deepEqual([dry.stdout, dry.code], ["2 tasks would be changed; nothing was\n", 0]);
  assert.equal((await json("task", "p2")).state, "scheduled");
  assert.deepEqual(await json("promote", "--type", "idle", "--queue", "pq"), { promoted: 2 });
  assert.deepEqual(await json("promote", "--queue", "pq"), { promoted: 0 });
});

test("edit changes a task that waits, and says what it is where it cannot", async () => {
  await stage.run(["enqueue", "idle", '{"a":1}', "--id", "e-one", "--queue", "edited"]);
  const change = ["--payload", '{"n":12345678901234567890}', "--priority", "1", "--in", "1h"];
  const changed = await stage.run(["edit", "e-one", ...change]);
  assert.deepEqual([changed.stdout, changed.stderr, changed.code], ["e-one changed\n", "", 0]);
  const { state, priority, due_at: due } = await json("task", "e-one");
  assert.deepEqual([state, priority], ["scheduled", 1]);
  assert.ok(due > Date.now() + 3_000_000);
  assert.match((await stage.run(["task", "e-one", "--json"])).stdout, /12345678901234567890/);
  assert.deepEqual(await json("edit", "e-one", "--at", "2020-01-01T00:00:00Z"), {
    ...{ id: "e-one", state: "scheduled", edited: true },
  });
  assert.equal((await json("task", "e-one")).state, "queued");
  await stage.run(["cancel", "e-one"]);
  const ended = await stage.run(["edit", "e-one", "--priority", "0"]);
  assert.match(ended.stderr, /the task e-one has ended: it is cancelled/);
  assert.deepEqual([ended.stdout, ended.code], ["", 1]);
  assert.match((await stage.run(["edit", "nobody", "--in", "0"])).stderr, /no record of a task nobody is kept/);
  const again = await stage.run(["retry", "e-one", "--payload", '{"fixed":true}']);
  assert.match(again.stdout, /e-one +cancelled +queued/);
  assert.deepEqual((await json("task", "e-one")).payload, { fixed: true });
});

test("a dry run counts what a change would reach, and changes nothing", async () => {
  for (const id of ["dry1", "dry2", "dry3"]) await stage.run(["enqueue", "idle", "--id", id, "--queue", "dry"]);
  const place = ["--queue", "dry", "--dry-run"];
  assert.deepEqual(await json("cancel", ...place), { matching: 3 });
  assert.deepEqual(await json("cancel", "--type", "idle", ...place), { matching: 3 });
  assert.deepEqual(await json("cancel", "--type", "none", ...place), { matching: 0 });
  await stage.run(["cancel", "dry1", "dry2"]);
  assert.deepEqual(await json("retry", "--state", "cancelled", ...place), { matching: 2 });
  assert.deepEqual(await json("purge", "--state", "cancelled", "--type", "idle", ...place), { matching: 2 });
  assert.deepEqual(await json("purge", "--state", "cancelled", "--queue", "dry"), { purged: 2 });
});

test("ctrl-C stops a change of many, which says how many were changed; the same command does the rest", async () => {
  const COUNT = 40_000;
  const url = `sqlite:${join(stage.folder, "many.db")}`;
  const broker = await createBroker(url, { executor: null, queues: ["common"], leaseMs: 60_000 });
  await broker.open(openRoot().signal);
  const place = ["--queue", "common", "--broker", url];
  const cancelled = async (): Promise<number> => (await broker.counts())[0]?.cancelled ?? 0;
  try {
    const kept = { type: "many", queue: "common", priority: 0, retentionMs: 3_600_000, delayMs: 3_600_000 };
    for (let at = 0; at < COUNT; at += 1_000) {
      const ids = Array.from({ length: 1_000 }, (_, index) => `many-${at + index}`);
      await broker.enqueue(ids.map((id) => ({ ...kept, id, message: JSON.stringify({ id, task_type: "many" }) })));
    }
    const running = stage.start(["cancel", ...place]);
    await until(async () => (await cancelled()) > 0);
    running.kill("SIGINT");
    const { code, stdout, stderr } = await running.ended;
    assert.deepEqual([code, stdout], [130, ""]);
    const told = Number(/early: (\d+) tasks cancelled by then; the same command does the rest/.exec(stderr)?.[1]);
    assert.ok(told > 0 && told < COUNT, stderr);
    assert.equal(await cancelled(), told);
    assert.deepEqual(await json("cancel", ...place), { cancelled: COUNT - told });
    assert.deepEqual(await json("cancel", ...place), { cancelled: 0 });
    assert.deepEqual(await json("retry", ...place, "--state", "cancelled"), { retried: COUNT });
  } finally {
    await broker.close();
  }
});

test("retry and cancel take more ids than one call to the broker does", async () => {
  const ids = Array.from({ length: 2_100 }, (_, index) => `many-${index}`);
  const input = ids.map((id) => JSON.stringify({ type: "idle", id })).join("\n");
  await stage.run(["enqueue", "--jsonl", "-", "--queue", "mq"], { stdin: input });
  const cancelled: { state: string }[] = await json("cancel", ...ids, "many-0");
  assert.equal(cancelled.length, 2_100);
  assert.ok(cancelled.every(({ state }) => state === "queued"));
  const retried = await stage.run(["retry", ...ids, "many-0", "--json"]);
  assert.deepEqual([retried.stderr, retried.code], ["", 0]);
  const receipts: { id: string; retried: boolean }[] = JSON.parse(retried.stdout);
  assert.deepEqual(
    receipts.map(({ id }) => id),
    ids,
  );
  assert.ok(receipts.every((receipt) => receipt.retried));
});

test("purge removes ended records without asking and tells how many", async () => {
  await stage.run(["enqueue", "idle", "--id", "p1", "--queue", "pq"]);
  await stage.run(["enqueue", "idle", "--id", "p2", "--queue", "pq"]);
  await stage.run(["cancel", "p1"]);
  const { stdout, stderr, code } = await stage.run(["purge", "--state", "cancelled", "--queue", "pq"]);
  assert.deepEqual([stdout, stderr, code], ["1 record removed\n", "", 0]);
  assert.equal((await stage.run(["task", "p1"])).code, 1);
  assert.equal((await json("task", "p2")).state, "queued");
});

test("queues that no executor serves are shown as such, and list --all looks into them", async () => {
  await stage.run(["enqueue", "idle", "--id", "left-1", "--queue", "left-behind"]);
  const { stdout } = await stage.run(["status", "--listen", "off"]);
  assert.match(stdout, /left-behind +1 +0 +0 +0 +none/);
  assert.match(stdout, /^1 task in left-behind, due or not: each waits for an executor of this queue/m);
  const ids = async (...args: string[]) => (await json("list", ...args)).tasks.map(({ id }: { id: string }) => id);
  assert.ok((await ids("--all")).includes("left-1"));
  assert.ok(!(await ids()).includes("left-1"));
  await stage.run(["cancel", "left-1"]);
});

test("pause holds a queue and a type, tells what is paused, and resume lets them go on", async () => {
  assert.equal((await stage.run(["pause"])).stdout, "nothing is paused\n");
  assert.equal((await stage.run(["pause", "queue", "held"])).stdout, "the queue held is paused\n");
  assert.deepEqual(await json("pause", "type", "slow"), { kind: "type", name: "slow", paused: true });
  assert.match((await stage.run(["pause"])).stdout, /queue +held\ntype +slow/);
  await stage.run(["enqueue", "noop", "--id", "h1", "--queue", "held"]);
  const executor = await stage.executor({ args: ["--queues", "held,free"] });
  assert.equal((await stage.run(["enqueue", "noop", "--queue", "free", "--wait"])).code, 0);
  assert.equal((await json("task", "h1")).state, "queued");
  assert.equal((await stage.run(["resume", "queue", "held"])).stdout, "the queue held goes on\n");
  await until(async () => (await json("task", "h1")).state === "done");
  await stage.run(["resume", "type", "slow"]);
  assert.deepEqual(await json("pause"), { queues: [], types: [] });
  executor.kill("SIGTERM");
  await executor.ended;
});

test("cron schedules are added, listed and removed, and wrong ones are refused", async () => {
  const added = await stage.run([
    "cron",
    "add",
    "nightly",
    "0 3 * * *",
    "report",
    '{"of":1}',
    "--timezone",
    "Asia/Tokyo",
  ]);
  assert.match(added.stdout, /^nightly fires next at \d{4}-\d\d-\d\dT18:00:00\.000Z\n$/);
  assert.match(
    (await stage.run(["cron", "list"])).stdout,
    /nightly +0 3 \* \* \* +Asia\/Tokyo +report +common +\S+ +never +none/,
  );
  const [listed] = await json("cron", "list");
  assert.deepEqual(listed.payload, { of: 1 });
  const wrong = await stage.run(["cron", "add", "x", "61 * * * *", "report"]);
  assert.match(wrong.stderr, /"61 \* \* \* \*" cannot be read: Invalid value for minute: 61/);
  assert.equal(wrong.code, 2);
  assert.equal((await stage.run(["cron", "remove", "nightly"])).stdout, "nightly is removed\n");
  const again = await stage.run(["cron", "remove", "nightly"]);
  assert.deepEqual([again.stdout, again.code], ["", 1]);
  assert.match(again.stderr, /there is no schedule "nightly"/);
});

test("cron add takes the options of enqueue; run, pause, resume and show do what they say", async () => {
  const options = [
    ...["--queue", "other", "--priority", "1", "--attempts", "2", "--backoff", "fixed:5s", "--crash-budget", "0"],
    ...["--timeout", "30s", "--delay", "1s", "--deadline", "1h", "--retention", "5m", "--unique=mine"],
    ...["--unique-for", "1m", "--overlap", "queue"],
  ];
  const add = ["cron", "add", "full", "@every 30s", "report", "[1]", ...options];
  const first = await json(...add);
  const { queue, priority, attempts, backoff, crash_budget, timeout_ms } = first;
  assert.deepEqual([queue, priority, attempts, crash_budget, timeout_ms], ["other", 1, 2, 0, 30_000]);
  assert.deepEqual(backoff, { kind: "fixed", delay_ms: 5_000 });
  const { delay_ms, deadline_ms, retention_ms, unique, overlap } = first;
  assert.deepEqual([delay_ms, deadline_ms, retention_ms, overlap], [1_000, 3_600_000, 300_000, "queue"]);
  assert.deepEqual(unique, { key: "mine", for_ms: 60_000 });
  assert.equal((await json(...add)).next_at, first.next_at, "a deploy adds it again");

  const id = (await stage.run(["cron", "run", "full"])).stdout.trim();
  assert.match(id, /^cron-full-\d+$/);
  assert.equal((await json("task", id)).queue, "other");
  const [listed] = await json("cron", "list");
  assert.deepEqual(listed.runs, [{ id, at: Number(id.slice("cron-full-".length)), state: "scheduled" }]);
  assert.deepEqual(await json("cron", "show", "full"), listed);
  const shown = (await stage.run(["cron", "show", "full"])).stdout;
  assert.match(shown, /cron +@every 30s\n/);
  assert.match(shown, new RegExp(`run +time +state\\n${id} +\\S+Z +scheduled`));
  await stage.run(["cancel", id]);
  assert.equal((await json("cron", "show", "full")).runs[0].state, "cancelled");

  assert.match((await stage.run(["cron", "pause", "full"])).stdout, /^full is paused; .* is not caught up\n$/);
  // The run by hand is its last one.
  assert.match((await stage.run(["cron", "list"])).stdout, /full +@every 30s .* paused +\d\S+Z +cancelled/);
  assert.equal((await stage.run(add)).stdout, "full is paused\n");
  assert.match((await stage.run(["cron", "resume", "full"])).stdout, /^full goes on and fires next at \S+Z\n$/);
  for (const command of ["show", "run", "pause", "resume"]) {
    const nobody = await stage.run(["cron", command, "nobody"]);
    assert.deepEqual([nobody.stdout, nobody.stderr, nobody.code], ["", 'taskexe: there is no schedule "nobody"\n', 1]);
  }
  for (const [wrong, message] of [
    [["--overlap", "never"], /flag --overlap: expected skip, queue, allow, got "never"/],
    [["--deadline", "2031-01-01T00:00:00Z"], /flag --deadline: expected a duration/],
    [
      ["--attempts", "0"],
      /flag --attempts: expected a whole number from 1 to 1000.*\ntaskexe: See taskexe cron add --help/,
    ],
    [["--unique-for", "1m"], /--unique-for goes with --unique/],
  ] as const) {
    const refused = await stage.run(["cron", "add", "x", "@daily", "report", ...wrong]);
    assert.match(refused.stderr, message);
    assert.equal(refused.code, 2);
  }
  await stage.run(["cron", "remove", "full"]);
});

test("a cron schedule is fired by an executor", async () => {
  const executor = await stage.executor({ args: ["--queues", "ticks"] });
  await stage.run(["cron", "add", "tick", "* * * * * *", "echo", '"tock"', "--queue", "ticks"]);
  await until(async () => (await json("list", "--queue", "ticks", "--state", "done")).tasks.length >= 2);
  const { tasks } = await json("list", "--queue", "ticks", "--state", "done");
  assert.match(tasks[0].id, /^cron-tick-\d+$/);
  assert.equal(tasks[0].result, "tock");
  await stage.run(["cron", "remove", "tick"]);
  executor.kill("SIGTERM");
  await executor.ended;
});

test("enqueue takes a delay, a time, attempts, a timeout, a retention and a unique key", async () => {
  const place = ["--queue", "later"];
  const before = Date.now();
  await stage.run([
    "enqueue",
    "idle",
    "--id",
    "e1",
    "--delay",
    "1h",
    "--attempts",
    "7",
    "--timeout",
    "5s",
    "--retention",
    "2h",
    ...place,
  ]);
  const record = await json("task", "e1");
  assert.equal(record.state, "scheduled");
  assert.ok(record.due_at >= before + 3_600_000 && record.due_at < Date.now() + 3_600_000);
  assert.deepEqual(JSON.parse(record.message).taskexe, { attempts: 7, timeout_ms: 5_000, retention_ms: 7_200_000 });
  const at = "2099-01-31T12:00:00.000Z";
  await stage.run(["enqueue", "idle", "--id", "e2", "--at", at, ...place]);
  assert.equal(new Date((await json("task", "e2")).due_at).toISOString().slice(0, 16), at.slice(0, 16));
  await stage.run(["enqueue", "sync", '{"a":1,"b":2}', "--id", "e3", "--unique", ...place]);
  const held = await stage.run(["enqueue", "sync", '{"b":2,"a":1}', "--id", "e4", "--unique", ...place]);
  assert.equal(held.stdout, "e3\n");
  assert.match(held.stderr, /the task e3 holds the unique key: queued/);
  const other = await stage.run(["enqueue", "sync", '{"b":2,"a":1}', "--id", "e5", "--unique=mine", ...place]);
  assert.equal(other.stdout, "e5\n");
});

const MISTAKES: readonly (readonly [given: readonly string[], says: RegExp])[] = [
  [["list", "--state", "ended"], /flag --state: expected scheduled, .*, got "ended"/],
  [["list", "--limit", "0"], /flag --limit: expected a whole number from 1 to 999999999, or --all, got "0"/],
  [["list", "--limit", "5", "--all"], /flags --all and --limit: give one of them/],
  [["list", "--cursor", "elsewhere"], /flag --cursor: the cursor "elsewhere" is not one/],
  [["list", "--queue", "a b"], /flag --queue: must be letters/],
  [["cancel", "x", "--type", "y"], /cancel takes IDs, or --type and --queue, not both/],
  [["cancel"], /missing required argument: the IDs of tasks/],
  [["retry"], /retry takes IDs, or --type, --queue or --all/],
  [["retry", "x", "--state", "dead"], /--state goes with/],
  [["retry", "--type", "x", "--payload", "1"], /--payload goes with IDs/],
  [["retry", "x", "--dry-run"], /--dry-run goes with/],
  [["cancel", "x", "--dry-run"], /--dry-run goes with/],
  [["promote"], /promote takes IDs, or --type, --queue or --all/],
  [["promote", "x", "--dry-run"], /--dry-run goes with/],
  [["edit"], /missing required argument 'id'/],
  [["edit", "x"], /edit takes --payload, --priority, --at or --in/],
  [["edit", "x", "--at", "2030-01-01T00:00:00Z", "--in", "1h"], /--at and --in exclude each other/],
  [["edit", "x", "--priority", "7"], /flag --priority: expected 0 \(ordinary\) to 1/],
  [["edit", "x", "--payload", "{"], /the payload: /],
  [["purge"], /purge needs --state/],
  [["purge", "--state", "queued"], /flag --state: expected done, dead, cancelled, got "queued"/],
  [["pause", "thing", "x"], /pause takes queue NAME or type NAME, got "thing"/],
  [["pause", "queue"], /pause queue needs the NAME/],
  [["resume", "queue"], /missing required argument 'name'/],
  [["cron"], /cron needs list, show, add, remove, run, pause or resume/],
  [
    ["cron", "--broker", "sqlite:q.db"],
    /cron needs list, show, add, remove, run, pause or resume, and behind that its options/,
  ],
  [
    ["cron", "--broker", "sqlite:q.db", "list"],
    /cron needs list, show, add, remove, run, pause or resume, and behind that its options/,
  ],
  [["cron", "lst"], /unknown command cron lst; did you mean list\?/],
  [["cron", "add", "x", "@daily"], /missing required argument 'type'/],
  [["cron", "add", "a b", "@daily", "t"], /name: must be letters/],
  [["cron", "add", "x", "@daily", "t", "--timezone", "Mars"], /"Mars" is no time zone/],
  [["enqueue", "x", "--delay", "soon"], /flag --delay: expected a duration .*, got "soon"/],
  [["enqueue", "x", "--at", "soon"], /flag --at: expected a time like/],
  [["enqueue", "x", "--attempts", "0"], /flag --attempts: expected a whole number from 1 to 1000/],
  [["enqueue", "x", "--delay", "1s", "--at", "2099-01-01T00:00:00Z"], /a delay and a time \(at\) exclude each other/],
  [["enqueue", "--jsonl", "-", "--delay", "1s"], /--jsonl does not go with --delay/],
  [["watch"], /missing required argument 'id'/],
];

for (const [given, says] of MISTAKES) {
  test(`taskexe ${given.join(" ")} exits with 2 and says what is wrong`, async () => {
    const { stdout, stderr, code } = await stage.run(given);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /^\s+at /m);
    assert.deepEqual([stdout, code], ["", 2]);
  });
}
