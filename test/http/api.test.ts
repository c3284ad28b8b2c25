import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { ApiStage, refused } from "../stage/api.ts";
import { claimAll, dead as died } from "../stage/outcomes.ts";

let stage: ApiStage;
let ask: ReturnType<ApiStage["app"]>;
before(async () => {
  stage = await ApiStage.open();
  ask = stage.app();
});
after(() => stage.end());

/** Enqueues in `other` and plays the executor for it. */
async function dead(id: string): Promise<void> {
  await ask("POST", "tasks", { body: { type: "frail", id, queue: "other" } });
  await stage.broker.complete((await claimAll(stage.broker, 1)).map((it) => died(it, { reason: "no luck" })));
}

test("a task is enqueued, 201, and again under the same id, 200", async () => {
  const body = { type: "idle", id: "one", payload: { a: 1 }, delay_ms: 60_000, attempts: 2, retention_ms: 5_000 };
  const first = await ask("POST", "tasks", { body });
  assert.deepEqual([first.status, first.body], [201, { id: "one", created: true, state: "scheduled" }]);
  const second = await ask("POST", "tasks", { body });
  assert.deepEqual([second.status, second.body], [200, { id: "one", created: false, state: "scheduled" }]);
  const record = (await ask("GET", "tasks/one")).body;
  assert.deepEqual(JSON.parse(record.message), {
    id: "one",
    task_type: "idle",
    payload: { a: 1 },
    taskexe: { attempts: 2, retention_ms: 5_000 },
  });
});

test("times are Unix ms or ISO 8601 with a zone", async () => {
  const at = Date.now() + 3_600_000;
  await ask("POST", "tasks", { body: { type: "idle", id: "at-ms", at } });
  await ask("POST", "tasks", { body: { type: "idle", id: "at-iso", at: new Date(at).toISOString() } });
  for (const id of ["at-ms", "at-iso"]) {
    const due = (await ask("GET", `tasks/${id}`)).body.due_at;
    assert.ok(Math.abs(due - at) < 5_000, `${id}: ${due - at}`);
  }
  refused(
    await ask("POST", "tasks", { body: { type: "idle", at: "tomorrow" } }),
    400,
    "invalid",
    /^body: at: must be a time like/,
  );
  for (const [times, reason] of [
    [{ at: "2026-02-31T10:00:00Z" }, /at: must be a day that there is: 2026-02-31 is none$/],
    [{ at: "9999-12-31T00:00:00Z" }, /at: must be a time from 2000-01-01 to 2100-01-01$/],
    [{ deadline_at: 1_769_860_800 }, /deadline_at: must be a time from .*; Unix ms are expected, not seconds$/],
    [{ delay_ms: 3_155_760_000_000 }, /the delay is too long: the task would be due at 2126-/],
    [{ delay_ms: 60_000, deadline_at: Date.now() }, /the task could never run/],
  ] as const) {
    refused(await ask("POST", "tasks", { body: { type: "idle", ...times } }), 400, "invalid", reason);
    const many = { tasks: [{ type: "idle" }, { type: "idle", ...times }] };
    const named = new RegExp(`tasks\\.1(: |\\.)${reason.source}`);
    refused(await ask("POST", "tasks", { body: many }), 400, "invalid", named);
  }
});

test("many tasks are enqueued all or not at all, and each receipt says whether it was there", async () => {
  const tasks = Array.from({ length: 1_000 }, (_, index) => ({ type: "idle", id: `many-${index}`, queue: "bulk" }));
  await ask("POST", "tasks", { body: tasks[7] });
  const { status, body } = await ask("POST", "tasks", { body: { tasks } });
  assert.deepEqual([status, body.created, body.tasks.length], [200, 999, 1_000]);
  assert.deepEqual(body.tasks[7], { id: "many-7", created: false, state: "queued" });
  const wrong = [
    { type: "idle", id: "never" },
    { type: "idle", id: "" },
  ];
  refused(
    await ask("POST", "tasks", { body: { tasks: wrong } }),
    400,
    "invalid",
    /^body: tasks\.1\.id: must not be empty$/,
  );
  assert.equal((await ask("GET", "tasks/never")).status, 404);
  refused(
    await ask("POST", "tasks", { body: { tasks: [...tasks, ...tasks] } }),
    400,
    "invalid",
    /tasks: must be at most 1000/,
  );
  refused(await ask("POST", "tasks", { body: { tasks: [] } }), 400, "invalid", /tasks: must not be empty/);
});

test("a unique task is held back and the receipt names the holder", async () => {
  const body = { type: "sync", payload: { of: 1 }, unique: {} };
  const first = await ask("POST", "tasks", { body });
  const second = await ask("POST", "tasks", { body });
  assert.deepEqual([second.status, second.body.created, second.body.id], [200, false, first.body.id]);
});

test("what is wrong with a body is told with its place", async () => {
  const wrong = async (body: unknown) => (await ask("POST", "tasks", { body })).body.error.message;
  assert.equal(await wrong({}), "body: type: is missing");
  assert.equal(await wrong({ type: "a", prioritty: 1 }), "body: prioritty: is not known");
  assert.equal(
    await wrong({ type: "a", priority: 2 }),
    "priority: must be 0 to 1, got 2: the setting priorities is 2, and nobody looks into others",
  );
  assert.equal(await wrong({ type: "a", backoff: { kind: "fixed" } }), "body: backoff.delay_ms: is missing");
  for (const body of ["[]", '[{"type":"a"}]', "null", "1", '"a"']) {
    assert.equal(await wrong(body), "body: must be an object", body);
  }
  assert.equal(await wrong({ tasks: [{ type: "a" }, []] }), "body: tasks.1: must be an object");
  assert.match(await wrong("{"), /^body: not JSON: /);
  assert.equal(await wrong(""), "body: not JSON: it is empty");
  assert.equal(await wrong({ type: "a", delay_ms: 1, at: Date.now() }), "a delay and a time (at) exclude each other");
  assert.match(await wrong(`{"type":"a","payload":${"[".repeat(600)}${"]".repeat(600)}}`), /nested deeper than 500/);
  assert.equal(await wrong(`{"type":"a","payload":${"[".repeat(2_000_000)}`), "body: nested deeper than 500 levels");
});

test("a body that is too long is refused, by its length or as it comes", async () => {
  const long = JSON.stringify({ type: "a", payload: "x".repeat(8 * 1024 * 1024) });
  refused(
    await ask("POST", "tasks", { body: long, headers: { "content-length": String(long.length) } }),
    413,
    "too_long",
    /longer than 8388608 bytes/,
  );
  refused(await ask("POST", "tasks", { body: long }), 413, "too_long", /longer than 8388608 bytes/);
  const ids = JSON.stringify({ ids: ["x".repeat(600_000)] });
  refused(await ask("POST", "cancel", { body: ids }), 413, "too_long", /longer than 524288 bytes/);
});

test("lists are paged and filtered, within their bounds", async () => {
  for (let index = 0; index < 5; index++) {
    await ask("POST", "tasks", { body: { type: "listed", id: `listed-${index}`, payload: "x".repeat(2_000) } });
  }
  const first = (await ask("GET", "tasks?type=listed&state=queued&queue=common&limit=3")).body;
  assert.deepEqual(
    first.tasks.map(({ id }: { id: string }) => id),
    ["listed-0", "listed-1", "listed-2"],
  );
  assert.equal(first.tasks[0].message.length, 1_000);
  const ids: string[] = [];
  for (let cursor = first.cursor; cursor !== null; ) {
    const page = (
      await ask("GET", `tasks?type=listed&state=queued&queue=common&limit=3&cursor=${encodeURIComponent(cursor)}`)
    ).body;
    ids.push(...page.tasks.map(({ id }: { id: string }) => id));
    cursor = page.cursor;
  }
  assert.deepEqual(ids, ["listed-3", "listed-4"]);
  const wrong = async (query: string) => (await ask("GET", `tasks?${query}`)).body.error.message;
  assert.equal(await wrong("limit=1001"), "query: limit: must be 1 to 1000");
  assert.equal(await wrong("limit=0"), "query: limit: must be 1 to 1000");
  assert.equal(await wrong("limit=x"), "query: limit: must be 1 to 1000");
  assert.match(await wrong("state=ended"), /^query: state: must be one of scheduled, queued/);
  assert.equal(await wrong("stat=done"), "query: stat: is not known");
  assert.equal(await wrong("limit=1&limit=2"), "query: limit: was given twice");
  assert.match(await wrong("cursor=nonsense"), /^query: cursor: /);
});

test("an array is no body, wherever one is taken", async () => {
  for (const [method, path] of [
    ["POST", "cancel"],
    ["POST", "retry"],
    ["POST", "purge"],
    ["PUT", "schedules/nightly"],
  ] as const) {
    refused(await ask(method, path, { body: [] }), 400, "invalid", /^body: must be an object$/);
  }
});

test("ids may hold anything, when they are encoded", async () => {
  const id = "a/b?c#d e%\u00e4\"'<>__proto__";
  await ask("POST", "tasks", { body: { type: "idle", id, delay_ms: 60_000 } });
  assert.equal((await ask("GET", `tasks/${encodeURIComponent(id)}`)).body.id, id);
  assert.equal((await ask("POST", `tasks/${encodeURIComponent(id)}/cancel`)).body.state, "scheduled");
  refused(await ask("GET", `tasks/${"x".repeat(300)}`), 400, "invalid", /^path: id: must be at most 256/);
});

test("unknown tasks are 404, and what a state does not allow is 409", async () => {
  for (const path of ["tasks/nobody", "tasks/nobody/logs", "tasks/nobody/watch"]) {
    refused(await ask("GET", path), 404, "not_found", /no record of a task "nobody"/);
  }
  refused(await ask("POST", "tasks/nobody/cancel"), 404, "not_found", /cancelled if it comes/);
  refused(await ask("POST", "tasks/nobody/retry"), 404, "not_found", /no record/);
  await ask("POST", "tasks", { body: { type: "idle", id: "waits", delay_ms: 60_000 } });
  refused(await ask("POST", "tasks/waits/retry"), 409, "conflict", /is scheduled: only dead and cancelled ones/);
  assert.deepEqual((await ask("POST", "tasks/waits/cancel")).body, { id: "waits", state: "scheduled" });
  refused(await ask("POST", "tasks/waits/cancel"), 409, "conflict", /has ended already: it is cancelled/);
  assert.deepEqual((await ask("POST", "tasks/waits/retry")).body, { id: "waits", state: "cancelled", retried: true });
});

test("dead tasks are retried by ids or by what matches, and purged", async () => {
  await ask("POST", "cancel", { body: { queue: "common" } });
  await ask("POST", "cancel", { body: { queue: "other" } });
  for (const id of ["d1", "d2", "d3", "d4"]) await dead(id);
  const byId = await ask("POST", "retry", { body: { ids: ["d1", "nobody", "d1"] } });
  assert.deepEqual(byId.body.tasks, [
    { id: "d1", state: "dead", retried: true },
    { id: "nobody", state: null, retried: false },
  ]);
  assert.deepEqual((await ask("POST", "purge", { body: { state: "dead", type: "none" } })).body, {
    purged: 0,
    more: false,
  });
  assert.deepEqual((await ask("POST", "retry", { body: { type: "frail", state: "dead" } })).body, {
    retried: 3,
    more: false,
  });
  assert.deepEqual((await ask("POST", "cancel", { body: { type: "frail" } })).body, { cancelled: 4, more: false });
  const purged = (await ask("POST", "purge", { body: { state: "cancelled", queue: "other" } })).body;
  assert.ok(purged.purged >= 4);
  refused(await ask("POST", "retry", { body: {} }), 400, "invalid", /give either ids, or a type, a queue or a state/);
  refused(await ask("POST", "cancel", { body: {} }), 400, "invalid", /give either ids, or a type or a queue/);
  refused(await ask("POST", "cancel", { body: { ids: ["a"], type: "b" } }), 400, "invalid", /give either/);
  refused(
    await ask("POST", "purge", { body: { state: "queued" } }),
    400,
    "invalid",
    /state: must be done, dead or cancelled/,
  );
});

test("a task that waits is run now or changed, and any other is told by its state", async () => {
  const waits = (id: string) => ask("POST", "tasks", { body: { type: "idle", id, delay_ms: 3_600_000 } });
  await waits("later");
  assert.deepEqual((await ask("POST", "tasks/later/promote")).body, {
    id: "later",
    state: "scheduled",
    promoted: true,
  });
  refused(await ask("POST", "tasks/later/promote"), 409, "conflict", /is queued: only scheduled and retrying ones/);
  refused(await ask("POST", "tasks/nobody/promote"), 404, "not_found", /no record/);
  const edit = (id: string, body: unknown) => ask("PATCH", `tasks/${id}`, { body });
  assert.deepEqual((await edit("later", { payload: { to: "you" }, priority: 1, delay_ms: 3_600_000 })).body, {
    ...{ id: "later", state: "queued", edited: true },
  });
  const { state, priority, payload } = (await ask("GET", "tasks/later")).body;
  assert.deepEqual([state, priority, payload], ["scheduled", 1, { to: "you" }]);
  assert.equal((await edit("later", { at: "2020-01-01T00:00:00Z" })).status, 200);
  assert.equal((await ask("GET", "tasks/later")).body.state, "queued");
  refused(await edit("later", {}), 400, "invalid", /give a payload, a priority, at or delay_ms/);
  refused(await edit("later", { at: "2020-01-01T00:00:00Z", delay_ms: 1 }), 400, "invalid", /exclude each other/);
  refused(await edit("later", { priority: 9 }), 400, "invalid", /priority: must be 0 to 1/);
  refused(await edit("later", { paylod: 1 }), 400, "invalid", /paylod: is not known/);
  refused(await edit("nobody", { priority: 1 }), 404, "not_found", /no record/);
  await ask("POST", "tasks/later/cancel");
  refused(await edit("later", { payload: 1 }), 409, "conflict", /is cancelled: only one that waits can be changed/);
  assert.equal((await ask("POST", "tasks/later/retry", { body: { payload: [1] } })).status, 200);
  assert.deepEqual((await ask("GET", "tasks/later")).body.payload, [1]);
});

test("many are run now by ids or by what matches, and a dry run only counts them", async () => {
  for (const id of ["m1", "m2", "m3"]) await ask("POST", "tasks", { body: { type: "many", id, delay_ms: 3_600_000 } });
  const many = async (path: string, body: unknown) => (await ask("POST", path, { body })).body;
  assert.deepEqual(await many("promote", { type: "many", dry_run: true }), { matching: 3, more: false });
  assert.deepEqual((await many("promote", { ids: ["m1", "nobody"] })).tasks, [
    { id: "m1", state: "scheduled", promoted: true },
    { id: "nobody", state: null, promoted: false },
  ]);
  assert.deepEqual(await many("promote", { type: "many" }), { promoted: 2, more: false });
  assert.deepEqual(await many("cancel", { type: "many", dry_run: true }), { matching: 3, more: false });
  assert.deepEqual(await many("cancel", { type: "many" }), { cancelled: 3, more: false });
  assert.deepEqual(await many("retry", { type: "many", state: "cancelled", dry_run: true }), {
    ...{ matching: 3, more: false },
  });
  assert.deepEqual(await many("purge", { type: "many", state: "cancelled", dry_run: true }), {
    ...{ matching: 3, more: false },
  });
  refused(await ask("POST", "promote", { body: {} }), 400, "invalid", /give either ids, or a type or a queue/);
  refused(await ask("POST", "cancel", { body: { ids: ["m1"], dry_run: true } }), 400, "invalid", /give either/);
});

test("a retry of a task whose unique key another holds by now names that one", async () => {
  const keyed = (id: string) => ({ body: { type: "idle", id, delay_ms: 60_000, unique: { key: "only one" } } });
  await ask("POST", "tasks", keyed("former"));
  await ask("POST", "tasks/former/cancel");
  assert.equal((await ask("POST", "tasks", keyed("present"))).status, 201);
  refused(
    await ask("POST", "tasks/former/retry"),
    409,
    "conflict",
    /unique key of the task "former" is held by "present"/,
  );
  assert.deepEqual((await ask("POST", "retry", { body: { ids: ["former"] } })).body.tasks, [
    { id: "former", state: "cancelled", retried: false, held_by: "present" },
  ]);
  await ask("POST", "tasks/present/cancel");
  assert.equal((await ask("POST", "tasks/former/retry")).status, 200);
  assert.deepEqual((await ask("POST", "tasks", keyed("another"))).body, {
    id: "former",
    created: false,
    state: "queued",
  });
  await ask("POST", "tasks/former/cancel");
});

test("logs are the lines of the task, oldest first", async () => {
  await ask("POST", "tasks", { body: { type: "idle", id: "logged", delay_ms: 60_000 } });
  assert.deepEqual((await ask("GET", "tasks/logged/logs")).body, { lines: [] });
  await stage.broker.appendLogs([{ id: "logged", queue: "te", lines: [{ at: 5, level: "warn", text: "hm" }] }]);
  assert.deepEqual((await ask("GET", "tasks/logged/logs")).body, { lines: [{ at: 5, level: "warn", text: "hm" }] });
});

test("queues that no executor serves are among the queues", async () => {
  await ask("POST", "tasks", { body: { type: "idle", id: "left", queue: "left-behind" } });
  const { queues, left_out } = (await ask("GET", "queues")).body;
  const left = queues.find(({ name }: { name: string }) => name === "left-behind");
  assert.deepEqual([left.queued, left.executors, left_out], [1, 0, 0]);
  await ask("POST", "tasks/left/cancel");
});

test("queues and types are paused and resumed, and /queues tells", async () => {
  assert.deepEqual((await ask("POST", "queues/common/pause")).body, { kind: "queue", name: "common", paused: true });
  assert.equal((await ask("POST", "types/a%20type/pause")).status, 200);
  const { queues, paused } = (await ask("GET", "queues")).body;
  assert.deepEqual(paused, { queues: ["common"], types: ["a type"] });
  assert.equal(queues.find(({ name }: { name: string }) => name === "common").paused, true);
  assert.deepEqual((await ask("POST", "queues/common/resume")).body, { kind: "queue", name: "common", paused: false });
  await ask("POST", "types/a%20type/resume");
  assert.deepEqual((await ask("GET", "queues")).body.paused, { queues: [], types: [] });
  refused(await ask("POST", "queues/no%20queue/pause"), 400, "invalid", /^path: name: must be letters/);
});

test("schedules are put, shown, replaced and removed", async () => {
  const body = { cron: "0 3 * * *", timezone: "Europe/Berlin", type: "report", payload: { of: 1 }, priority: 1 };
  const put = await ask("PUT", "schedules/nightly", { body });
  assert.equal(put.status, 200);
  assert.ok(put.body.next_at > Date.now());
  const { next_at, ...rest } = (await ask("GET", "schedules/nightly")).body;
  assert.equal(next_at, put.body.next_at);
  const unsaid = { attempts: null, backoff: null, crash_budget: null, timeout_ms: null, delay_ms: null };
  const follows = { on_done: null, on_dead: null, on_cancelled: null };
  const before = { last_at: null, waiting_at: null, skipped: 0, last_skipped_at: null, runs: [] };
  assert.deepEqual(rest, {
    ...{
      name: "nightly",
      ...body,
      payload_bytes: 8,
      queue: "common",
      ...unsaid,
      deadline_ms: null,
      retention_ms: 86_400_000,
    },
    ...{ ...follows, unique: null, overlap: "allow", paused: false, ...before },
  });
  await ask("PUT", "schedules/nightly", { body: { cron: "@daily", type: "report" } });
  const listed = (await ask("GET", "schedules")).body.schedules;
  assert.deepEqual([listed.length, listed[0].cron, listed[0].timezone], [1, "@daily", null]);
  refused(
    await ask("PUT", "schedules/x", { body: { cron: "nonsense", type: "a" } }),
    400,
    "invalid",
    /"nonsense" cannot be read/,
  );
  refused(
    await ask("PUT", "schedules/x", { body: { cron: "@daily", type: "a", timezone: "Mars" } }),
    400,
    "invalid",
    /"Mars" is no time zone/,
  );
  refused(await ask("PUT", "schedules/a%20b", { body }), 400, "invalid", /^path: name: must be letters/);
  assert.deepEqual((await ask("DELETE", "schedules/nightly")).body, { name: "nightly", removed: true });
  refused(await ask("DELETE", "schedules/nightly"), 404, "not_found", /no schedule "nightly"/);
  refused(await ask("GET", "schedules/nightly"), 404, "not_found", /no schedule "nightly"/);
});

test("a schedule takes what an enqueue takes, and is run, paused and resumed", async () => {
  const options = {
    ...{ queue: "other", priority: 1, attempts: 2, backoff: { kind: "fixed", delay_ms: 5 }, crash_budget: 1 },
    ...{ timeout_ms: 1_000, delay_ms: 0, deadline_ms: 60_000, retention_ms: 5_000, overlap: "queue" },
  };
  const body = { cron: "@every 1h", type: "report", ...options, unique: { key: "one", for_ms: 9_000 } };
  const put = (await ask("PUT", "schedules/hourly", { body })).body;
  assert.deepEqual({ ...put, ...body }, put);
  const run = await ask("POST", "schedules/hourly/run");
  assert.equal(run.status, 201);
  assert.match(run.body.id, /^cron-hourly-\d+$/);
  const record = (await ask("GET", `tasks/${run.body.id}`)).body;
  assert.deepEqual([record.queue, record.priority, record.state], ["other", 1, "queued"]);
  const { deadline_at, ...taskexe } = JSON.parse(record.message).taskexe;
  const { attempts, backoff, crash_budget, timeout_ms, retention_ms } = options;
  const unique = { unique_key: "one", unique_for_ms: 9_000 };
  assert.deepEqual(taskexe, { attempts, backoff, crash_budget, timeout_ms, retention_ms, ...unique });
  assert.ok(deadline_at > Date.now() && deadline_at <= Date.now() + 60_000);

  await ask("PUT", "schedules/hourly", { body: { ...body, overlap: "skip" } });
  const again = await ask("POST", "schedules/hourly/run");
  assert.deepEqual([again.status, again.body], [200, { id: run.body.id, created: false, state: "queued" }]);
  const paused = (await ask("POST", "schedules/hourly/pause")).body;
  assert.deepEqual([paused.paused, paused.next_at], [true, null]);
  assert.deepEqual(paused.runs, [{ id: run.body.id, at: paused.runs[0].at, state: "queued" }]);
  const resumed = (await ask("POST", "schedules/hourly/resume")).body;
  assert.equal(resumed.paused, false);
  assert.ok(resumed.next_at > Date.now());
  for (const verb of ["run", "pause", "resume"]) {
    refused(await ask("POST", `schedules/nobody/${verb}`), 404, "not_found", /no schedule "nobody"/);
  }
  for (const [wrong, message] of [
    [{ overlap: "never" }, /^body: overlap: must be one of skip, queue, allow/],
    [{ deadline_at: 1 }, /^body: deadline_at: is not known/],
    [{ id: "x" }, /^body: id: is not known/],
    [{ attempts: 0 }, /^body: attempts: must be 1 or more/],
    [{ priority: 2 }, /priority: must be 0 to 1/],
    [{ cron: "@every 10ms" }, /@every takes 1s to 366d/],
  ] as const) {
    refused(
      await ask("PUT", "schedules/x", { body: { cron: "@daily", type: "a", ...wrong } }),
      400,
      "invalid",
      message,
    );
  }
  await ask("DELETE", "schedules/hourly");
});

test("unknown paths and methods are told in the same shape", async () => {
  refused(await ask("GET", "task/one"), 404, "not_found", /there is no \/api\/v1\/task\/one/);
  const reply = await ask("PUT", "tasks", { body: {} });
  refused(reply, 405, "method_not_allowed", /\/api\/v1\/tasks takes /);
  assert.match(reply.headers.get("allow") ?? "", /POST/);
});

test("while the broker is away every call is a 503 that may be repeated", async () => {
  const away: Broker = await createBroker("redis://127.0.0.1:1/1", {
    executor: null,
    queues: ["common"],
    leaseMs: 30_000,
  });
  const shut = await createBroker(`sqlite:${stage.folder}/shut.db`, {
    executor: null,
    queues: ["common"],
    leaseMs: 30_000,
  });
  try {
    for (const broker of [away, shut]) {
      const none = stage.app({ broker });
      for (const [method, path, body] of [
        ["GET", "tasks"],
        ["GET", "tasks/x"],
        ["GET", "tasks/x/logs"],
        ["GET", "queues"],
        ["GET", "schedules"],
        ["POST", "tasks", { type: "a" }],
        ["POST", "cancel", { type: "a" }],
        ["POST", "queues/common/pause"],
      ] as const) {
        const reply = await none(method, path, { body });
        refused(reply, 503, "broker_unavailable", /does not answer just now/);
        assert.equal(reply.headers.get("retry-after"), "1");
      }
    }
  } finally {
    await away.close();
    await shut.close();
  }
});

test("a failure that nobody expected is a 500 that says nothing of it", async () => {
  const broken = Object.create(stage.broker, {
    record: {
      value: () => {
        throw new Error("secret detail");
      },
    },
  });
  const reply = await stage.app({ broker: broken })("GET", "tasks/x");
  refused(reply, 500, "internal", /^internal error; the log of this executor has the details$/);
  assert.doesNotMatch(JSON.stringify(reply.body), /secret/);
});
