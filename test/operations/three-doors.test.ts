/**
 * The command line, HTTP and the client are three doors to the same operations: asked the same, each does the same,
 * says the same, and gives the same JSON. On a queue in a file, with an executor that serves it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Client } from "../../src/client/client.ts";
import { connect } from "../../src/client/connect.ts";
import { pausedView } from "../../src/operations/views/pause-view.ts";
import { retryView } from "../../src/operations/views/receipt-views.ts";
import { scheduleView } from "../../src/operations/views/schedule-view.ts";
import { taskAndLogView } from "../../src/operations/views/task-view.ts";
import { watchEventView } from "../../src/operations/views/watch-event-view.ts";
import { writeJson } from "../../src/task/text/json-text.ts";
import type { Finished } from "../stage/command.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

/** Looked into at will. */
type Json = ReturnType<typeof JSON.parse>;

const DOORS = ["cli", "http", "client"] as const;
type Door = (typeof DOORS)[number];

const HANDLERS = `
  import { defineTask } from "taskexe";
  export const works = defineTask({ type: "works", run: async ({ payload, progress, log }) => {
    log.info("begun");
    await progress(0.5, "half");
    return payload;
  } });
  export const fails = defineTask({ type: "fails", attempts: 1, run: () => { throw new Error("no luck"); } });
`;

let stage: Stage;
let executor: ExecutorProcess;
let client: Client;
let broker: string;

before(async () => {
  stage = Stage.make();
  await stage.write({ "tasks.ts": HANDLERS });
  broker = `sqlite:${stage.path("queue.db")}`;
  const tasks = stage.path("tasks.ts");
  executor = await stage.executor({ broker, tasks, args: ["--queues", "common,other"] });
  client = await connect(broker, { queues: ["common", "other"] });
  stage.atEnd(() => client.close());
}, SLOW);

after(() => stage.end());

/** Runs a command on the queue. */
function typed(...args: string[]): Promise<Finished> {
  return stage.run([...args, "--broker", broker], { env: { TASKEXE_QUEUES: "common,other" } });
}

/** The JSON of a command. */
async function cli(...args: string[]): Promise<Json> {
  const { stdout, stderr, code } = await typed(...args, "--json");
  assert.notEqual(stdout, "", `${args.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

async function http(method: string, path: string, body?: Json): Promise<Json> {
  const headers = { "content-type": "application/json" };
  const sent = method === "GET" ? {} : { headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(`${executor.url}/api/v1/${path}`, { method, ...sent });
  const answer: Json = await response.json();
  assert.ok(response.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** As it is once it has been JSON. */
function json(value: unknown): Json {
  return JSON.parse(writeJson(value));
}

async function records(ids: readonly string[]): Promise<Json[]> {
  return Promise.all(ids.map(async (id) => json(await client.task(id))));
}

/** Without what differs between two tasks in any case: the id that is in it, and when it happened. */
function alike(record: Json, id: string): Json {
  const text = JSON.stringify(record).replaceAll(id, "ID");
  return JSON.parse(text, (key, value) => (/^(enqueued|started|finished|due)_at$|^at$/.test(key) ? null : value));
}

function allAlike(values: readonly Json[], what: string): void {
  for (const value of values.slice(1)) assert.deepEqual(value, values[0], what);
}

async function ended(id: string): Promise<void> {
  await until(`${id} has ended`, 30_000, async () => (await client.task(id))?.finished_at !== null);
}

test("a task with every option is the same task, whoever enqueues it, and so is its receipt", SLOW, async () => {
  const deadline = "2099-01-31T12:00:00Z";
  const receipts: Record<Door, Json> = {
    cli: await cli(
      ...["enqueue", "works", '{"b":1.0,"a":[2]}', "--id", "all-cli", "--queue", "other", "--priority", "1"],
      ...["--attempts", "2", "--backoff", "exponential:1s:10m", "--crash-budget", "1", "--timeout", "5s"],
      ...["--deadline", deadline, "--delay", "1h", "--retention", "2h", "--unique=key-all-cli", "--unique-for", "1m"],
    ),
    http: await http("POST", "tasks", {
      ...{ type: "works", payload: { b: 1, a: [2] }, id: "all-http", queue: "other", priority: 1, attempts: 2 },
      ...{ backoff: { kind: "exponential", delay_ms: 1_000, max_ms: 600_000 }, crash_budget: 1, timeout_ms: 5_000 },
      ...{ deadline_at: deadline, delay_ms: 3_600_000, retention_ms: 7_200_000 },
      unique: { key: "key-all-http", for_ms: 60_000 },
    }),
    client: json(
      await client.enqueue(
        "works",
        { b: 1, a: [2] },
        {
          ...{ id: "all-client", queue: "other", priority: 1, attempts: 2, crashBudget: 1, timeoutMs: 5_000 },
          backoff: { kind: "exponential", delay_ms: 1_000, max_ms: 600_000 },
          ...{ deadlineAt: new Date(deadline), delayMs: 3_600_000, retentionMs: 7_200_000 },
          unique: { key: "key-all-client", forMs: 60_000 },
        },
      ),
    ),
  };
  allAlike(
    DOORS.map((door) => alike(receipts[door], `all-${door}`)),
    "receipts",
  );
  const tasks = await records(DOORS.map((door) => `all-${door}`));
  const made = tasks.map((task, index) => alike(task, `all-${DOORS[index]}`));
  // The command line passes the text of a payload on as it was typed.
  assert.match(made[0].message, /"payload":\{"b":1\.0,"a":\[2\]\}/);
  allAlike(
    made.map((task) => ({ ...task, message: JSON.parse(task.message) })),
    "records",
  );
  const due = tasks.map(({ enqueued_at, due_at }) => Math.round((due_at - enqueued_at) / 1_000));
  assert.deepEqual(due, [3_600, 3_600, 3_600]);
});

/** A key as JSON has it, and a value that it must not have. */
const WRONG: readonly (readonly [key: string, value: Json])[] = [
  ["priority", 10],
  ["priority", 5],
  ["queue", "a b"],
  ["queue", "x-cancel"],
  ["id", ""],
  ["attempts", 0],
  ["crash_budget", 1.5],
  ["timeout_ms", -1],
  ["delay_ms", 1e300],
  ["retention_ms", "1d"],
  ["backoff", { kind: "linear", delay_ms: 1 }],
  ["unique", { for_ms: 0 }],
  ["unique", { kye: "x" }],
  ["nonsense", 1],
];

test("what is wrong with a task is told in the same words by JSON lines, HTTP and the client", SLOW, async () => {
  const camel = (text: string) => text.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  const camelKeys = (value: Json): Json =>
    typeof value !== "object" || "delay_ms" in value
      ? value
      : Object.fromEntries(Object.entries(value).map(([key, part]) => [camel(key), part]));
  await stage.write({
    "wrong.jsonl": WRONG.map(([key, value]) => `${JSON.stringify({ type: "t", [key]: value })}\n`).join(""),
  });
  const { stderr, code } = await typed("enqueue", "--jsonl", stage.path("wrong.jsonl"));
  assert.equal(code, 1);
  for (const [index, [key, value]] of WRONG.entries()) {
    const response = await fetch(`${executor.url}/api/v1/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "t", [key]: value }),
    });
    assert.equal(response.status, 400, key);
    const answer: Json = await response.json();
    const byHttp = camel(answer.error.message.replace(/^body: /, ""));
    const line = new RegExp(`^taskexe: line ${index + 1}: (.*)$`, "m").exec(stderr)?.[1] ?? "";
    // A line names the keys that there are beside.
    assert.equal(camel(line.replace(/; known are .*/, "")), byHttp, `line ${index + 1} of\n${stderr}`);
    const options = { [camel(key)]: camelKeys(value) };
    await assert.rejects(client.enqueue("t", null, options), { name: "InvalidTaskError", message: byHttp });
  }
});

test("a list has the same tasks in the same order and form, with each filter and page by page", SLOW, async () => {
  const items = Array.from({ length: 5 }, (_, index) => ({ id: `list-${index}`, payload: index, delayMs: 3_600_000 }));
  await client.enqueueMany("lists", items);
  await client.enqueueMany("lists", [{ id: "list-gone", delayMs: 3_600_000, queue: "other" }]);
  await client.cancel("list-gone");
  const filters: readonly Record<string, string>[] = [
    { type: "lists" },
    { state: "scheduled", type: "lists" },
    { state: "cancelled", queue: "other" },
    { queue: "common", type: "lists" },
    { state: "done", type: "nothing-of-this" },
  ];
  for (const filter of filters) {
    const flags = Object.entries(filter).flatMap(([name, value]) => [`--${name}`, value]);
    const { tasks } = json(await client.list(filter));
    assert.deepEqual((await http("GET", `tasks?${new URLSearchParams(filter)}`)).tasks, tasks, JSON.stringify(filter));
    assert.deepEqual((await cli("list", ...flags)).tasks, tasks, JSON.stringify(filter));
  }
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const from: string[] = cursor === null ? [] : ["--cursor", cursor];
    const page = json(await client.list({ type: "lists", limit: 2, ...(cursor === null ? {} : { cursor }) }));
    const query = new URLSearchParams({ type: "lists", limit: "2", ...(cursor === null ? {} : { cursor }) });
    assert.deepEqual(await http("GET", `tasks?${query}`), page);
    if (page.tasks.length === 2) {
      const listed = await cli("list", "--type", "lists", "--limit", "2", ...from);
      assert.deepEqual([listed.tasks, listed.next_cursor], [page.tasks, page.cursor]);
    }
    seen.push(...page.tasks.map(({ id }: Json) => id));
    cursor = page.cursor;
  } while (cursor !== null);
  assert.deepEqual(seen.toSorted(), [...items.map(({ id }) => id), "list-gone"].toSorted());
});

test("a filter that is wrong is refused by all, with the same reason", SLOW, async () => {
  const wrong: readonly (readonly [filter: Record<string, string>, reason: RegExp])[] = [
    [{ state: "ended" }, /(must be one of|expected) scheduled, queued, running, retrying, done, dead, cancelled/],
    [{ queue: "a b" }, /must be letters, digits, dot, dash and underscore, at most 128 of them/],
    [{ cursor: "9:9x" }, /is not one that a list has given/],
  ];
  for (const [filter, reason] of wrong) {
    const [[name = "", value = ""] = []] = Object.entries(filter);
    const command = await typed("list", `--${name}`, value);
    assert.equal(command.code, 2);
    assert.match(command.stderr, new RegExp(`^taskexe: flag --${name}: .*${reason.source}`));
    const response = await fetch(`${executor.url}/api/v1/tasks?${new URLSearchParams(filter)}`);
    const answer: Json = await response.json();
    assert.equal(response.status, 400);
    assert.match(answer.error.message, new RegExp(`^query: ${name}: .*${reason.source}`));
    await assert.rejects(client.list(filter), reason);
  }
  const without: readonly Json[] = [{}, { typ: "x" }];
  for (const body of without) {
    await assert.rejects(http("POST", "cancel", body), /give either ids, or a type or a queue|typ: is not known/);
    await assert.rejects(client.cancel(body), { name: "TypeError", message: /none is given|typ: is not known/ });
  }
  assert.equal((await typed("cancel")).code, 2);
});

test("a wait ends with the record, a watch tells the same events, and each shows the same task", SLOW, async () => {
  const waited = await cli("enqueue", "works", '{"deep":[1,{"x":null}]}', "--id", "watched", "--wait");
  const logs = await client.logs("watched");
  const record = await client.task("watched");
  assert.ok(record);
  const shown = json(taskAndLogView(record, logs));
  assert.deepEqual(shown.payload, { deep: [1, { x: null }] });
  assert.deepEqual(await cli("task", "watched"), shown);
  assert.deepEqual(await http("GET", "tasks/watched"), shown);
  assert.deepEqual({ ...waited, logs: shown.logs }, shown);

  const byClient: Json[] = [];
  for await (const event of client.watch("watched")) {
    const { kind, data } = watchEventView(event);
    byClient.push({ kind, ...json(data) });
  }
  const { stdout } = await typed("watch", "watched", "--json");
  const byCli = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const stream = await (await fetch(`${executor.url}/api/v1/tasks/watched/watch`)).text();
  const byHttp = stream
    .trimEnd()
    .split("\n\n")
    .map((block) => {
      const [, kind = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      return { kind, ...JSON.parse(data) };
    });
  allAlike([byCli, byHttp, byClient], "events");
  assert.deepEqual(byCli.at(-1), { kind: "end", task: waited });
});

test("nobody knows a task that is not there", SLOW, async () => {
  assert.equal(await client.task("nowhere"), null);
  assert.equal((await typed("task", "nowhere")).code, 1);
  assert.equal((await fetch(`${executor.url}/api/v1/tasks/nowhere`)).status, 404);
});

test("cancels, retries and purges change the same and answer the same, by ids and by filter", SLOW, async () => {
  const cancelled: Json[] = [];
  const counts: Json[] = [];
  const retried: Json[] = [];
  for (const door of DOORS) {
    const ids = [1, 2, 3].map((n) => `bulk-${door}-${n}`);
    const [first = "", second = "", third = ""] = ids;
    const type = `bulk-${door}`;
    await client.enqueueMany(
      type,
      ids.map((id) => ({ id, delayMs: 3_600_000 })),
    );
    const some = [first, "nobody-knows"];
    const all: Record<Door, () => Promise<Json>> = {
      cli: async () => [
        await cli("cancel", ...some),
        (await cli("cancel", "--type", type)).cancelled,
        await cli("retry", second),
        (await cli("retry", "--type", type, "--state", "cancelled")).retried,
      ],
      http: async () => [
        (await http("POST", "cancel", { ids: some })).tasks,
        (await http("POST", "cancel", { type })).cancelled,
        (await http("POST", "retry", { ids: [second] })).tasks,
        (await http("POST", "retry", { type, state: "cancelled" })).retried,
      ],
      client: async () => [
        json(await client.cancel(some)),
        await client.cancel({ type }),
        (await client.retry(second)).map(retryView),
        await client.retry({ type, state: "cancelled" }),
      ],
    };
    const [byIds, byFilter, again, rest] = await all[door]();
    cancelled.push(alike(byIds, first));
    retried.push(alike(again, second));
    counts.push([byFilter, rest]);
    // No executor knows the type: they are queued, and can be cancelled once more.
    await client.cancel([first, second, third]);
    await until("all are cancelled", 30_000, async () =>
      (await records(ids)).every(({ state }) => state === "cancelled"),
    );
    const purged: Record<Door, () => Promise<number>> = {
      cli: async () => (await cli("purge", "--state", "cancelled", "--type", type)).purged,
      http: async () => (await http("POST", "purge", { state: "cancelled", type })).purged,
      client: () => client.purge({ state: "cancelled", type }),
    };
    assert.equal(await purged[door](), 3, door);
  }
  allAlike(cancelled, "cancels by ids");
  allAlike(retried, "retries by ids");
  allAlike(counts, "cancels and retries by filter");
  assert.deepEqual(counts[0], [2, 2]);
});

test("a schedule is put, shown, run, paused, resumed and removed alike", SLOW, async () => {
  const forms: Json[] = [];
  for (const door of DOORS) {
    const name = `each-${door}`;
    const put: Record<Door, () => Promise<Json>> = {
      cli: () =>
        cli(
          "cron",
          "add",
          name,
          "@every 1h",
          "works",
          '{"n":1}',
          "--overlap",
          "skip",
          "--attempts",
          "2",
          "--queue",
          "other",
        ),
      http: () =>
        http("PUT", `schedules/${name}`, {
          ...{ cron: "@every 1h", type: "works", payload: { n: 1 }, overlap: "skip", attempts: 2, queue: "other" },
        }),
      client: async () => {
        const timetable = { cron: "@every 1h", overlap: "skip", attempts: 2, queue: "other" } as const;
        return json(scheduleView(await client.schedules.put(name, timetable, "works", { n: 1 })));
      },
    };
    const stored = await put[door]();
    const shown = [
      await cli("cron", "show", name),
      await http("GET", `schedules/${name}`),
      json(scheduleView((await client.schedules.get(name)) ?? assert.fail())),
    ];
    allAlike(shown, `the schedule of ${door}`);
    assert.deepEqual(shown[0], stored);
    const change = (what: "pause" | "resume"): Promise<Json> => {
      if (door === "cli") return cli("cron", what, name);
      if (door === "http") return http("POST", `schedules/${name}/${what}`);
      return client.schedules[what](name).then((schedule) => json(scheduleView(schedule)));
    };
    assert.equal((await change("pause")).paused, true);
    const resumed = await change("resume");
    assert.equal(resumed.paused, false);
    const run: Record<Door, () => Promise<Json>> = {
      cli: () => cli("cron", "run", name),
      http: () => http("POST", `schedules/${name}/run`),
      client: async () => json(await client.schedules.run(name)),
    };
    const receipt = await run[door]();
    assert.deepEqual([receipt.created, receipt.id.startsWith(`cron-${name}-`)], [true, true]);
    await ended(receipt.id);
    forms.push({ ...alike(stored, name), next_at: null });
    const listed = json((await client.schedules.list()).map(scheduleView));
    assert.deepEqual(await cli("cron", "list"), listed);
    assert.deepEqual((await http("GET", "schedules")).schedules, listed);
    const removed: Record<Door, () => Promise<Json>> = {
      cli: async () => (await cli("cron", "remove", name)).removed,
      http: async () => (await http("DELETE", `schedules/${name}`)).removed,
      client: () => client.schedules.remove(name),
    };
    assert.equal(await removed[door](), true);
  }
  allAlike(forms, "what was put");
});

test("a schedule that is wrong is refused by all, with the same reason", SLOW, async () => {
  for (const [cron, name, reason] of [
    ["61 * * * *", "fine", /the cron pattern "61 \* \* \* \*" cannot be read: /],
    ["@daily", "a b", /: name: must be letters/],
  ] as const) {
    const command = await typed("cron", "add", name, cron, "works");
    assert.equal(command.code, 2);
    await assert.rejects(client.schedules.put(name, { cron }, "works"), reason);
    const message = await client.schedules.put(name, { cron }, "works").catch((error: Error) => error.message);
    assert.ok(command.stderr.includes(`${message}`), command.stderr);
    const response = await fetch(`${executor.url}/api/v1/schedules/${encodeURIComponent(name)}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ cron, type: "works" }),
    });
    const answer: Json = await response.json();
    assert.equal(response.status, 400);
    assert.equal(answer.error.message.replace(/^path: /, ""), message);
  }
});

test("what is paused, counted and alive is told alike", SLOW, async () => {
  const target = { kind: "queue", name: "held" };
  assert.deepEqual(await cli("pause", "queue", "held"), { ...target, paused: true });
  assert.deepEqual(await http("POST", "queues/held/pause"), { ...target, paused: true });
  await client.pause({ queue: "held" });
  await client.pause({ type: "slow" });
  const paused = { queues: ["held"], types: ["slow"] };
  assert.deepEqual(await cli("pause"), paused);
  assert.deepEqual((await http("GET", "queues")).paused, paused);
  assert.deepEqual((await cli("top")).paused, paused);
  assert.deepEqual(pausedView(await client.paused()), paused);
  assert.deepEqual(await cli("resume", "type", "slow"), { kind: "type", name: "slow", paused: false });
  assert.deepEqual(await http("POST", "queues/held/resume"), { ...target, paused: false });
  await client.resume({ queue: "held" });
  assert.deepEqual(await client.paused(), []);
  await assert.rejects(client.pause({ queue: "a b" }), /^InvalidTaskError: queue: must be letters/);
  assert.equal((await typed("pause", "queue", "a b")).code, 2);

  const queues = ["--queues", "common,other"];
  const byCli = (await cli("status", ...queues)).queues;
  assert.deepEqual((await cli("top", ...queues)).queues, byCli);
  assert.deepEqual((await http("GET", "queues")).queues, byCli);
  assert.deepEqual(
    (await client.counts()).map((count) => ({ ...count, paused: false, executors: 1 })),
    byCli,
  );
  const members = (await client.fleet()).map(({ name }) => name);
  const status: Json = await executor.status();
  assert.deepEqual(
    (await cli("status", ...queues)).fleet.map(({ name }: Json) => name),
    members,
  );
  assert.deepEqual(
    status.fleet.map(({ name }: Json) => name),
    members,
  );
  for (const time of [status.now, status.boot_at, status.counted_at, status.fleet[0].at]) {
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/);
  }
});
