/**
 * The JSON of the whole program, as programs read it: every command with --json and every operation of the API are
 * asked, all keys are in snake case, and what both show has one form. Data of users keeps its names.
 */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ExecutorProcess } from "../stage/executor.ts";
import { Stage } from "../stage/stage.ts";

const SLOW = { timeout: 120_000 };

const stage = Stage.make();
let executor: ExecutorProcess;

/** Looked into at will. */
type Json = ReturnType<typeof JSON.parse>;

before(async () => {
  const file = join(stage.folder, "mine.ts");
  writeFileSync(
    file,
    `import { defineTask } from "taskexe";
     export default defineTask({ type: "mine", run: async ({ log, progress }) => {
         log.info("said", { userName: "x" });
         await progress(0.5, "half");
         return { userResult: { innerKey: 1 } };
       } });
     export const fails = defineTask({ type: "fails", attempts: 1, run: () => {
       throw new AggregateError([new TypeError("a")], "both");
     } });`,
  );
  executor = await stage.executor({ args: ["--tasks", file, "--log", "json"] });
}, SLOW);

after(() => stage.end());

/** Done once, whoever asks: the tests may come in any order. */
function once(body: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => {
    done ??= body();
    return done;
  };
}

/** The values of these keys are data of users, or named by them. */
const OF_USERS = new Set(["payload", "result", "current"]);

function wrongKeys(value: Json, path = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => wrongKeys(item, `${path}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = `${path}.${key}`;
    if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(key)) return [here];
    return OF_USERS.has(key) ? [] : wrongKeys(inner, here);
  });
}

function inSnakeCase(value: Json, whose: string): Json {
  assert.deepEqual(wrongKeys(value), [], whose);
  return value;
}

const asked = new Set<string>();

/** Runs a command with --json; its output is one document. */
async function cli(...args: string[]): Promise<Json> {
  const finished = await stage.run([...args, "--json"]);
  const command = args[0] === "cron" ? `cron ${args[1]}` : (args[0] ?? "");
  asked.add(command);
  assert.notEqual(finished.stdout, "", `${args.join(" ")}: ${finished.stderr}`);
  return inSnakeCase(JSON.parse(finished.stdout), `taskexe ${args.join(" ")}`);
}

const called = new Set<string>();

/** Calls an operation of the API. */
async function api(method: string, path: string, template: string, body?: Json): Promise<Json> {
  const response = await fetch(`${executor.url}${path}`, {
    method,
    ...(method === "GET" ? {} : { headers: { "content-type": "application/json" } }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  called.add(`${method} ${template}`);
  const answer = JSON.parse(await response.text());
  assert.ok(response.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
  return inSnakeCase(answer, `${method} ${path}`);
}

const V1 = "/api/v1";

/** The data of the first event of a stream of them. */
async function firstEvent(): Promise<Json> {
  const stop = new AbortController();
  const response = await fetch(`${executor.url}${V1}/events?topics=overview,queues,types,executors`, stop);
  called.add("GET /events");
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    const [, data] = /^data: (.*)\n/m.exec(text) ?? [];
    if (data === undefined) continue;
    stop.abort();
    return JSON.parse(data);
  }
  throw new Error(`the stream ended: ${text}`);
}

/** The same keys all the way down, but for data of users; lists by their first items. */
function formOf(value: Json): Json {
  if (Array.isArray(value)) return value.slice(0, 1).map(formOf);
  if (typeof value !== "object" || value === null) return "a value";
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, OF_USERS.has(key) ? "of the user" : formOf(inner)]),
  );
}

function sameForm(one: Json, other: Json, what: string): void {
  assert.deepEqual(formOf(one), formOf(other), what);
}

const tasks = once(async () => {
  const payload = { userKey: 1 };
  const options = { unique: { key: "k", for_ms: 5 }, backoff: { kind: "fixed", delay_ms: 5 }, timeout_ms: 9_000 };
  const posted = await api("POST", `${V1}/tasks`, "/tasks", { type: "mine", payload, id: "a", ...options });
  sameForm(await cli("enqueue", "mine", JSON.stringify(payload), "--id", "b"), posted, "a receipt");
  const waited = await cli("enqueue", "mine", JSON.stringify(payload), "--id", "c", "--wait");
  const record = await cli("task", "c");
  assert.deepEqual(record.payload, payload);
  const { logs: _, ...withoutLogs } = record;
  sameForm(waited, withoutLogs, "a record");
  assert.deepEqual(await api("GET", `${V1}/tasks/c`, "/tasks/{id}"), record);
  assert.deepEqual((await api("GET", `${V1}/tasks/c/logs`, "/tasks/{id}/logs")).lines, record.logs);
  assert.equal(record.logs.length, 1);

  const failed = await cli("enqueue", "fails", "--id", "d", "--wait");
  assert.equal(failed.error.parts.length, 1);
  assert.deepEqual((await api("GET", `${V1}/tasks/d`, "/tasks/{id}")).error, failed.error);
  const [listed] = (await cli("list", "--state", "dead")).tasks;
  sameForm((await api("GET", `${V1}/tasks?state=dead`, "/tasks")).tasks[0], listed, "a task in a list");

  const lines = (await stage.run(["watch", "c", "--json"])).stdout.trimEnd().split("\n");
  asked.add("watch");
  const events = lines.map((line) => inSnakeCase(JSON.parse(line), "watch --json"));
  const sent = await (await fetch(`${executor.url}${V1}/tasks/c/watch`)).text();
  called.add("GET /tasks/{id}/watch");
  const streamed = sent
    .trimEnd()
    .split("\n\n")
    .map((block) => /^event: (.*)\ndata: (.*)$/.exec(block));
  assert.deepEqual(
    streamed.map((match) => ({ kind: match?.[1], ...JSON.parse(match?.[2] ?? "null") })),
    events,
  );
  assert.deepEqual(
    streamed.map((match) => match?.[1]),
    events.map(({ kind }) => kind),
  );
  assert.deepEqual(new Set(events.map(({ kind }) => kind)), new Set(["state", "log", "progress", "end"]));

  const many = await api("POST", `${V1}/tasks`, "/tasks", { tasks: [{ type: "noop" }] });
  sameForm(many.tasks[0], posted, "one receipt of many");
  const file = join(stage.folder, "lines");
  writeFileSync(file, '{"type":"noop"}\n');
  await cli("enqueue", "--jsonl", file);
});

const endings = once(async () => {
  const waits = ["--delay", "1h"];
  for (const id of ["r1", "r2", "r3"]) await cli("enqueue", "noop", "--id", id, "--queue", "aside", ...waits);
  const [cancelled] = await cli("cancel", "r1");
  sameForm(await api("POST", `${V1}/tasks/r2/cancel`, "/tasks/{id}/cancel"), cancelled, "a cancel");
  const some = await api("POST", `${V1}/cancel`, "/cancel", { ids: ["r3", "nobody"] });
  sameForm(some.tasks[0], cancelled, "one cancel of many");
  await api("POST", `${V1}/cancel`, "/cancel", { type: "none" });
  await cli("cancel", "--type", "none");
  const [retried] = await cli("retry", "r1");
  sameForm(await api("POST", `${V1}/tasks/r2/retry`, "/tasks/{id}/retry"), retried, "a retry");
  sameForm((await api("POST", `${V1}/retry`, "/retry", { ids: ["r3"] })).tasks[0], retried, "one retry of many");
  await api("POST", `${V1}/retry`, "/retry", { type: "none" });
  await cli("retry", "--type", "none");
  for (const id of ["w1", "w2", "w3"]) await cli("enqueue", "noop", "--id", id, "--queue", "aside", ...waits);
  const [promoted] = await cli("promote", "w1");
  sameForm(await api("POST", `${V1}/tasks/w2/promote`, "/tasks/{id}/promote"), promoted, "run now");
  const promotions = await api("POST", `${V1}/promote`, "/promote", { ids: ["w3"] });
  sameForm(promotions.tasks[0], promoted, "one of many that are run now");
  const edited = await cli("edit", "w1", "--priority", "1");
  sameForm(await api("PATCH", `${V1}/tasks/w2`, "/tasks/{id}", { priority: 1 }), edited, "an edit");
  const dry = await api("POST", `${V1}/promote`, "/promote", { type: "none", dry_run: true });
  sameForm({ matching: dry.matching }, await cli("promote", "--type", "none", "--dry-run"), "a dry run");
  await api("POST", `${V1}/purge`, "/purge", { state: "dead", type: "none" });
  await cli("purge", "--state", "dead", "--type", "none");
});

const schedules = once(async () => {
  const options = ["--backoff", "exponential:1s:10m", "--unique=k", "--crash-budget", "1", "--deadline", "1h"];
  const added = await cli("cron", "add", "one", "@every 1h", "mine", '{"userKey":1}', ...options);
  const run = await cli("cron", "run", "one");
  const receipt = await api("POST", `${V1}/schedules/one/run`, "/schedules/{name}/run");
  sameForm(receipt, run, "a run");
  const shown = await cli("cron", "show", "one");
  sameForm(await api("GET", `${V1}/schedules/one`, "/schedules/{name}"), shown, "a schedule");
  sameForm({ ...added, runs: shown.runs }, shown, "a schedule that was added");
  const { schedules: all } = await api("GET", `${V1}/schedules`, "/schedules");
  sameForm(all, await cli("cron", "list"), "all schedules");
  const body = { cron: "@daily", type: "noop", retention_ms: 5_000 };
  sameForm(
    await api("PUT", `${V1}/schedules/two`, "/schedules/{name}", body),
    { ...added, backoff: 0, unique: 0 },
    "two",
  );
  sameForm(await api("POST", `${V1}/schedules/one/pause`, "/schedules/{name}/pause"), shown, "a paused one");
  sameForm(await cli("cron", "pause", "one"), shown, "a paused one");
  sameForm(await api("POST", `${V1}/schedules/one/resume`, "/schedules/{name}/resume"), shown, "a resumed one");
  sameForm(await cli("cron", "resume", "one"), shown, "a resumed one");
  const removed = await cli("cron", "remove", "one");
  sameForm(await api("DELETE", `${V1}/schedules/two`, "/schedules/{name}"), removed, "a removed one");
});

const states = once(async () => {
  const paused = await cli("pause", "queue", "aside");
  assert.deepEqual(await api("POST", `${V1}/queues/aside/pause`, "/queues/{name}/pause"), paused);
  assert.deepEqual(await cli("pause"), { queues: ["aside"], types: [] });
  assert.deepEqual((await api("GET", `${V1}/queues`, "/queues")).paused, await cli("pause"));
  const resumed = await cli("resume", "queue", "aside");
  assert.deepEqual(await api("POST", `${V1}/queues/aside/resume`, "/queues/{name}/resume"), resumed);
  sameForm(await api("POST", `${V1}/types/t/pause`, "/types/{name}/pause"), paused, "a paused type");
  sameForm(await api("POST", `${V1}/types/t/resume`, "/types/{name}/resume"), resumed, "a resumed type");

  const { types } = await api("GET", `${V1}/types`, "/types");
  const [one] = types;
  assert.equal((await api("GET", `${V1}/types/${one.type}`, "/types/{name}")).type, one.type);
  assert.equal((await api("GET", `${V1}/history?range=1h`, "/history")).range, "1h");
  const { loaded: _loaded, ...ofFleet } = one;
  sameForm((await cli("types")).types[0], ofFleet, "a type of the fleet");
  inSnakeCase(await firstEvent(), "an event");

  const { queues } = await api("GET", `${V1}/queues`, "/queues");
  const status = inSnakeCase(await (await fetch(`${executor.url}/status`)).json(), "/status");
  sameForm(await cli("status", "--url", executor.url), status, "the status");
  const known = await cli("status", "--listen", "off");
  const top = await cli("top");
  for (const view of [status, known, top]) sameForm(view.queues, queues, "queues");
  assert.deepEqual(top.paused, await cli("pause"));
  sameForm(top.fleet, known.fleet, "the fleet");
  for (const view of [status, known, top]) {
    for (const at of [view.counted_at, view.fleet[0].at]) assert.match(at, /^\d{4}-\d\d-\d\dT[\d:.]{12}[+-]\d\d:\d\d$/);
  }
  sameForm(known.broker, status.broker, "the broker");
  assert.deepEqual(Object.keys(known.fleet[0]), ["name", "at", "beat"]);

  const alerts = await api("GET", `${V1}/alerts`, "/alerts");
  sameForm(await cli("alerts", "--url", executor.url), alerts, "the alerts");
  const changes = await cli("audit", "--what", "pauseType", "--limit", "1");
  sameForm(await api("GET", `${V1}/audit?what=pauseType&limit=1`, "/audit"), changes, "the record of changes");
  assert.equal(changes.entries[0].via, "http");

  for (const path of ["/status/tree", "/healthz", "/readyz"]) {
    inSnakeCase(await (await fetch(`${executor.url}${path}`)).json(), path);
  }
  for (const path of ["/nowhere", `${V1}/nowhere`, `${V1}/tasks?state=x`, "/status/tree?format=x"]) {
    const response = await fetch(`${executor.url}${path}`);
    assert.ok(response.status >= 400);
    inSnakeCase(await response.json(), path);
  }
  await cli("version");
  await cli("check", "--offline");
});

test("tasks: receipts, records, lists, logs and watches have one form", SLOW, tasks);
test("cancels, retries and purges have one form", SLOW, endings);
test("schedules have one form", SLOW, schedules);
test("queues, pauses, executors and the status have one form", SLOW, states);

const orders = once(async () => {
  const name = (await cli("top", "--once")).fleet[0].name;
  for (const command of ["quiet", "resume"]) {
    const told = await cli("executor", name, command);
    const path = `/executors/{name}/${command}`;
    sameForm(await api("POST", `${V1}/executors/${name}/${command}`, path, {}), told, "an order");
  }
  const resized = await cli("executor", name, "resize", "9");
  const resize = await api("POST", `${V1}/executors/${name}/resize`, "/executors/{name}/resize", { slots: 10 });
  sameForm(resize, resized, "a resize");
  // One that leaves answers no more: of an executor that there is not.
  const gone = await fetch(`${executor.url}${V1}/executors/nobody/drain`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
  });
  assert.equal(gone.status, 404);
  called.add("POST /executors/{name}/drain");
});

test("one executor is told what to do in one form", SLOW, orders);

test("every command with --json and every operation of the API is asked by these", SLOW, async () => {
  for (const part of [tasks, endings, schedules, states, orders]) await part();
  called.add("GET /openapi.json");
  const { paths } = (await (await fetch(`${executor.url}${V1}/openapi.json`)).json()) as Json;
  const operations = Object.entries<Json>(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replace(V1, "")}`),
  );
  assert.deepEqual([...called].sort(), operations.sort());
  const withJson: string[] = [];
  for (const command of await commandsOf([])) {
    const inner = command === "cron" ? (await commandsOf(["cron"])).map((name) => `cron ${name}`) : [command];
    for (const one of inner) {
      if ((await stage.run([...one.split(" "), "--help"])).stdout.includes("--json ")) withJson.push(one);
    }
  }
  assert.deepEqual([...asked].sort(), withJson.sort());
});

test("the names of ours in the JSON log are in snake case, those of a handler stay", SLOW, async () => {
  await tasks();
  const lines = executor
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  const said = lines.find(({ message }) => message === "said");
  assert.equal(said?.userName, "x");
  for (const line of lines) if (line !== said && line.message !== "said") inSnakeCase(line, JSON.stringify(line));
});

async function commandsOf(args: readonly string[]): Promise<string[]> {
  const { stdout } = await stage.run([...args, "--help"]);
  const [, list = ""] = stdout.split("Commands:\n");
  return [...list.matchAll(/^ {2}([a-z]+)[| [<]/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
}
