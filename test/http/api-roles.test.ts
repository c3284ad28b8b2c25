/** Roles: every route is asked with every role, and with a token that is limited to queues; each has a row. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { openRoot } from "../../src/concurrency/index.ts";
import { apiRoutes } from "../../src/http/api/api.ts";
import { EventHub } from "../../src/http/api/events/event-hub.ts";
import { TopicReader } from "../../src/http/api/events/topics.ts";
import { mayChange, NEEDS, needOf, PATHS_BESIDE, ROLES, type Role } from "../../src/http/api/guard/roles.ts";
import type { TokenEntry } from "../../src/http/api/guard/tokens-file.ts";
import { createApp } from "../../src/http/app.ts";
import { History } from "../../src/metrics/history.ts";
import { LimitedBroker } from "../../src/operations/limits/limited-broker.ts";
import { ApiStage, refused } from "../stage/api.ts";
import { fakeSource, STATUS } from "../stage/fake-source.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
});
after(() => stage.end());

/** A token is its name here, made long. */
const tokenOf = (name: string): string => `${name}-0123456789abcdef`;
const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` });
const entry = (name: string, role: Role, ...queues: string[]): TokenEntry => ({
  ...{ name, role, queues: queues.length === 0 ? null : new Set(queues) },
  hash: createHash("sha256").update(tokenOf(name)).digest(),
});
const TOKENS = {
  entries: [
    ...ROLES.map((role) => entry(role, role)),
    entry("mine", "operate", "common"),
    entry("mine-admin", "admin", "common"),
    entry("mine-read", "read", "common"),
  ],
};

const hubOf = () => new EventHub(new TopicReader(fakeSource(), stage.broker));
const parts = () => ({ events: hubOf(), history: new History(0) });
const routes = () => apiRoutes({ retentionMs: 0, signal: stage.root.signal, ...parts() });
const appOf = () => stage.app({ tokens: TOKENS, ...parts() });

beforeEach(async () => {
  for (const queue of ["common", "other"]) {
    for (const state of ["queued", "scheduled"] as const) {
      const id = `${queue}-${state}`;
      const message = JSON.stringify({ id, task_type: "sum", payload: { of: queue } });
      const delay = state === "scheduled" ? { delayMs: 3_600_000 } : {};
      await stage.broker.enqueue([{ id, type: "sum", queue, priority: 0, message, retentionMs: 60_000, ...delay }]);
    }
  }
});

test("every route has a row in the table of roles, every row a route, and what changes needs more than read", () => {
  const all = routes();
  assert.deepEqual(all.map(({ operationId }) => operationId).sort(), Object.keys(NEEDS).sort());
  for (const { operationId, method } of all) {
    if (method !== "GET") assert.notEqual(needOf(operationId).role, "read", operationId);
  }
  assert.equal(needOf("somethingNew").role, "admin", "one without a row is for admins alone");
});

test("every path beside the API has a row, too", () => {
  const api = { broker: stage.broker, token: null, retentionMs: 0, signal: openRoot().signal };
  const { routes: served } = createApp(fakeSource(), { api, page: "on" });
  const paths = served
    .filter(({ method, path }) => method !== "ALL" && !path.startsWith("/api/"))
    .map(({ path }) => (path.startsWith("/ui") ? "/ui" : path));
  assert.deepEqual([...new Set(paths)].sort(), Object.keys(PATHS_BESIDE).sort());
});

test("every route serves those whose role is enough, and refuses others before it reads what they sent", async () => {
  const ask = appOf();
  for (const { operationId, method, path } of routes()) {
    const need = needOf(operationId);
    const place = path.replace(/^\//, "").replaceAll(/:\w+/g, "no-such-thing");
    for (const role of ROLES) {
      // A body that no schema takes: whoever may ask hears that, and changes nothing.
      const body = method === "GET" ? {} : { body: { nonsense: 1 } };
      const { status, body: answer } = await ask(method, place, { headers: bearer(role), ...body });
      const isEnough = ROLES.indexOf(role) >= ROLES.indexOf(need.role);
      const what = `${role} asks ${operationId}: ${JSON.stringify(answer).slice(0, 200)}`;
      assert.equal(status === 403, !isEnough, what);
      if (status === 403) assert.match(answer.error.message, new RegExp(`${operationId} needs the role ${need.role}`));
      assert.notEqual(status, 401, what);
    }
    refused(await ask(method, place, method === "GET" ? {} : { body: {} }), 401, "unauthorized", /needs a token/);
  }
});

test("the description says which role each operation needs", async () => {
  const { body } = await appOf()("GET", "openapi.json", { headers: bearer("read") });
  for (const { operationId, method, path } of routes()) {
    const described = body.paths[`/api/v1${path.replaceAll(/:(\w+)/g, "{$1}")}`][method.toLowerCase()];
    assert.match(described.description, new RegExp(`Needs the role ${needOf(operationId).role}\\b`), operationId);
    assert.ok(described.responses["403"], operationId);
  }
});

test("a token that is limited to queues finds, lists and counts nothing of others", async () => {
  const ask = appOf();
  const headers = bearer("mine-read");
  const list = async (query: string) => {
    const { status, body } = await ask("GET", `tasks${query}`, { headers });
    assert.equal(status, 200, JSON.stringify(body));
    return body.tasks.map(({ id }: { id: string }) => id).sort();
  };
  assert.deepEqual(await list(""), ["common-queued", "common-scheduled"]);
  assert.deepEqual(await list("?queue=other"), []);
  for (const q of ["queue:other", "id:other-queued", "id:other*", "other", "payload.of:other"]) {
    assert.deepEqual(await list(`?q=${encodeURIComponent(q)}`), [], q);
  }
  assert.deepEqual(await list("?q=id:common*"), ["common-queued", "common-scheduled"]);
  for (const path of ["tasks/other-queued", "tasks/other-queued/logs", "tasks/other-queued/watch"]) {
    refused(await ask("GET", path, { headers }), 404, "not_found", /no record/);
  }
  assert.equal((await ask("GET", "tasks/common-queued", { headers })).status, 200);
  const { body: queues } = await ask("GET", "queues", { headers });
  assert.deepEqual(
    queues.queues.map(({ name }: { name: string }) => name),
    ["common"],
  );
  assert.equal(queues.left_out, 0);
});

test("pages of a list go through its queues one after the other, and a cursor tells nothing of others", async () => {
  const two = { entries: [entry("two", "read", "common", "other", "third")] };
  const ask = stage.app({ tokens: two });
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const more: string = cursor === "" ? "" : `&cursor=${cursor}`;
    const { body } = await ask("GET", `tasks?limit=1${more}`, { headers: bearer("two") });
    seen.push(...body.tasks.map(({ id }: { id: string }) => id));
    cursor = body.cursor;
    assert.ok(seen.length < 10);
  }
  assert.deepEqual(seen.sort(), ["common-queued", "common-scheduled", "other-queued", "other-scheduled"]);
  refused(await ask("GET", "tasks?cursor=MDp4eHg", { headers: bearer("two") }), 400, "invalid", /cursor/);
});

test("a token that is limited to queues changes nothing of others", async () => {
  const ask = appOf();
  const headers = bearer("mine-admin");
  const post = (path: string, body: unknown = {}) => ask("POST", path, { headers, body });
  const before = await stage.broker.record("other-queued");
  refused(await post("tasks/other-queued/cancel"), 404, "not_found", /no record/);
  refused(await post("tasks/other-queued/retry"), 404, "not_found", /no record/);
  const { body: many } = await post("cancel", { ids: ["other-queued", "not-there"] });
  assert.deepEqual(many.tasks, [
    { id: "other-queued", state: null },
    { id: "not-there", state: null },
  ]);
  assert.deepEqual(await stage.broker.cancelled(["other-queued", "not-there"]), [], "no flag is set either");
  for (const [path, body] of [
    ["cancel", { queue: "other" }],
    ["cancel", { type: "no-such-type" }],
    ["retry", { queue: "other" }],
    ["purge", { state: "done", queue: "other" }],
  ] as const) {
    const { status, body: answer } = await post(path, body);
    assert.equal(status, 200, JSON.stringify(answer));
    assert.equal(answer.cancelled ?? answer.retried ?? answer.purged, 0, path);
  }
  refused(await post("tasks", { type: "sum", queue: "other" }), 403, "forbidden", /may change common alone/);
  refused(await post("queues/other/pause"), 403, "forbidden", /may change common alone/);
  refused(await post("types/sum/pause"), 403, "forbidden", /the whole fleet/);
  assert.deepEqual(await stage.broker.record("other-queued"), before);
  assert.deepEqual(await stage.broker.paused(), []);
  assert.equal((await post("tasks", { type: "sum", id: "made", queue: "common" })).status, 201);
  assert.equal((await post("tasks/made/cancel")).status, 200);
  assert.equal((await post("queues/common/pause")).status, 200);
  assert.equal((await post("queues/common/resume")).status, 200);
  // By type, all of it: only its own go.
  const { body: answer } = await post("cancel", { type: "sum" });
  assert.equal(answer.cancelled, 2);
  assert.equal((await stage.broker.record("other-scheduled"))?.state, "scheduled");
  await stage.broker.purge({ state: "cancelled" }, 100);
});

test("schedules of other queues are not there, and are not replaced", async () => {
  const ask = appOf();
  const put = (who: string, name: string, queue: string) =>
    ask("PUT", `schedules/${name}`, { headers: bearer(who), body: { cron: "@daily", type: "sum", queue } });
  assert.equal((await put("admin", "a-theirs", "other")).status, 200);
  assert.equal((await put("mine", "b-mine", "common")).status, 200);
  const headers = bearer("mine");
  const { body } = await ask("GET", "schedules?limit=1", { headers });
  assert.deepEqual(
    body.schedules.map(({ name }: { name: string }) => name),
    ["b-mine"],
  );
  refused(await ask("GET", "schedules/a-theirs", { headers }), 404, "not_found", /no schedule/);
  for (const what of ["run", "pause", "resume"]) {
    refused(await ask("POST", `schedules/a-theirs/${what}`, { headers, body: {} }), 404, "not_found", /no schedule/);
  }
  refused(await ask("DELETE", "schedules/a-theirs", { headers }), 404, "not_found", /no schedule/);
  refused(await put("mine", "a-theirs", "common"), 403, "forbidden", /is taken/);
  refused(await put("mine", "b-mine", "other"), 403, "forbidden", /may change common alone/);
  assert.equal((await stage.broker.schedule("a-theirs"))?.options.queue, "other");
  assert.equal((await ask("POST", "schedules/b-mine/pause", { headers, body: {} })).status, 200);
  assert.equal((await ask("DELETE", "schedules/b-mine", { headers })).status, 200);
  await stage.broker.removeSchedule("a-theirs");
});

test("events tell a limited token of its own queues, and so does /status", async () => {
  const queue = (name: string) => ({ ...STATUS.queues[0], name, queued: 5 }) as (typeof STATUS.queues)[number];
  const running = STATUS.current["0a1b"];
  assert.ok(running);
  const beat = {
    current: { "other-1": { task_type: "secret" } },
    started: { "other-1": 1 },
    done: 99,
    queues: ["other"],
  };
  const status = {
    ...STATUS,
    queues: [queue("common"), queue("other")],
    current: { "0a1b": running, "other-1": { ...running, queue: "other", message: "secret" } },
    fleet: [{ name: "x", at: STATUS.now, beat }],
  };
  const source = fakeSource({ status: () => status });
  const reader = new TopicReader(source, stage.broker);
  const hub = new EventHub(reader);
  const root = openRoot();
  const runs = hub.run(root.signal).catch(() => {});
  try {
    const api = { broker: stage.broker, token: null, tokens: TOKENS, retentionMs: 0, signal: root.signal, events: hub };
    const app = createApp(source, { api, page: "on" });
    const topics = "overview,queues,types,executors,tasks,task:other-queued,task:common-queued";
    const text = async (who: string): Promise<string> => {
      const response = await app.request(`/api/v1/events?topics=${topics}`, { headers: bearer(who) });
      assert.equal(response.status, 200);
      const stream = response.body?.getReader();
      assert.ok(stream);
      let read = "";
      while (topics.split(",").some((topic) => !read.includes(`event: ${topic}\n`))) {
        const part: { value?: Uint8Array | undefined; done: boolean } = await stream.read();
        assert.ok(!part.done, read);
        read += new TextDecoder().decode(part.value);
      }
      await stream.cancel();
      return read;
    };
    const whole = await text("read");
    assert.match(whole, /event: queues\n.*\n.*"other":\{/);
    const mine = await text("mine-read");
    assert.doesNotMatch(mine, /"name":"other"|other-1|"done":99|secret/);
    assert.match(mine, /event: queues\n.*\n.*"common":\{/);
    assert.match(mine, /event: overview\n.*\n.*"queued":5,/);
    assert.match(mine, /event: task:other-queued\n.*\n.*\{"state":null\}/);
    assert.match(mine, /event: task:common-queued\n.*\n.*"state":"queued"/);
    const told = await (await app.request("/status", { headers: bearer("mine-read") })).text();
    assert.doesNotMatch(told, /"other"|other-1|"done": 99|secret/);
    assert.match(told, /"common"/);
    const { children } = (await (await app.request("/status/tree", { headers: bearer("mine") })).json()) as {
      children?: unknown[];
    };
    assert.deepEqual(children ?? [], []);
  } finally {
    root.cancel("the test is over");
    await runs;
  }
});

test("closed /status and /metrics are told to a limited token of its own queues, or not at all", async () => {
  const ask = stage.app({ tokens: TOKENS, openStatus: false, hostname: "0.0.0.0" });
  const peer = "10.0.0.7";
  for (const path of ["/status", "/status/tree", "/metrics"]) {
    assert.equal((await ask("GET", path, { peer })).status, 401, path);
    assert.equal((await ask("GET", path, { peer, headers: bearer("read") })).status, 200, path);
    const limited = await ask("GET", path, { peer, headers: bearer("mine-admin") });
    assert.equal(limited.status, path === "/status" ? 200 : 403, path);
  }
});

test("a limited broker has no other way: each call that it lets through was thought of", () => {
  const own = Object.getOwnPropertyNames(LimitedBroker.prototype).filter((name) => name !== "constructor");
  const limited = new LimitedBroker(stage.broker, new Set(["common"]));
  for (const name of ["claim", "complete", "release", "renew", "reclaim", "recover", "beat", "leave", "clean"]) {
    assert.ok(!own.includes(name), name);
    assert.ok(!(name in limited), name);
  }
});

test("the page has the buttons that the role has: none, those of operators, those of the whole fleet", () => {
  const may = (role: Role, queues: ReadonlySet<string> | null) => mayChange({ name: "x", role, queues });
  assert.deepEqual(may("read", null), []);
  assert.ok(may("operate", null).includes("pauseType"));
  assert.ok(may("operate", new Set(["a"])).includes("pauseQueue"));
  assert.ok(!may("operate", new Set(["a"])).includes("pauseType"));
  for (const id of may("operate", null)) assert.equal(needOf(id).role, "operate", id);
});
