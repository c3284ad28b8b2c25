/** The record of changes over HTTP: every route that changes something leaves who, what, how many; never a payload. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import type { Role } from "../../src/http/api/guard/roles.ts";
import type { TokenEntry } from "../../src/http/api/guard/tokens-file.ts";
import { type AuditEntry, type AuditJson, auditPage, formatEntry, toldOf } from "../../src/operations/audit/audit.ts";
import { AuditLog } from "../../src/operations/audit/audit-log.ts";
import { ApiStage, refused } from "../stage/api.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
});
after(() => stage.end());

const tokenOf = (name: string): string => `${name}-0123456789abcdef`;
const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` });
const entry = (name: string, role: Role, queues: readonly string[] | null = null): TokenEntry => ({
  ...{ name, role, queues: queues === null ? null : new Set(queues) },
  hash: createHash("sha256").update(tokenOf(name)).digest(),
});
const TOKENS = {
  entries: [
    entry("reader", "read"),
    entry("ops", "operate"),
    entry("boss", "admin"),
    entry("mine", "admin", ["common"]),
  ],
};

async function recorded(): Promise<Omit<AuditJson, "id" | "at">[]> {
  const { entries } = await auditPage(stage.broker, {});
  return entries.filter(({ from }) => from === "10.0.0.7").map(({ id: _id, at: _at, ...rest }) => rest);
}

test("each change is recorded with who, from where, what was meant, and how many it were", async () => {
  const ask = stage.app({ tokens: TOKENS });
  const peer = "10.0.0.7";
  const as = (who: string, body: unknown = {}, more: Record<string, string> = {}) => ({
    ...{ peer, body },
    headers: { ...bearer(who), ...more },
  });
  const secret = { password: "not-to-be-seen" };
  await ask("POST", "tasks", as("ops", { type: "t", id: "one", payload: secret, delay_ms: 60_000 }));
  await ask("POST", "tasks", as("ops", { type: "t", id: "two", payload: secret, delay_ms: 60_000 }));
  await ask("POST", "tasks", as("ops", { tasks: [{ type: "u", payload: secret }] }));
  await ask("POST", "tasks/one/cancel", as("ops", {}, { "sec-fetch-site": "same-origin" }));
  await ask("POST", "cancel", as("boss", { type: "t" }));
  await ask("POST", "cancel", as("boss", { ids: ["two", "none"] }));
  await ask("POST", "retry", as("boss", { ids: ["one"] }));
  await ask("POST", "queues/other/pause", as("boss"));
  await ask("POST", "queues/other/resume", as("boss"));
  await ask("PUT", "schedules/s", as("boss", { cron: "@daily", type: "t", payload: secret }));
  await ask("DELETE", "schedules/s", as("boss"));
  await ask("PATCH", "tasks/one", as("boss", { payload: secret }));
  // Nothing was asked, or nothing is there: nothing is recorded.
  await ask("POST", "cancel", as("boss", { nonsense: 1 }));
  await ask("POST", "cancel", as("boss", { type: "t", dry_run: true }));
  await ask("POST", "tasks/none/cancel", as("boss"));
  await ask("GET", "tasks", { peer, headers: bearer("boss") });
  assert.equal((await ask("POST", "queues/other/pause", as("reader"))).status, 403);
  assert.equal((await ask("POST", "queues/other/pause", as("reader"))).status, 403);
  await ask("POST", "purge", as("boss", { state: "cancelled", queue: "common" }));

  const common = { via: "http", from: peer, outcome: "done" } as const;
  const all = await recorded();
  assert.deepEqual(all.toReversed(), [
    { ...common, who: "ops", what: "enqueueTasks", of: { type: "t", delay_ms: 60_000 }, count: 2 },
    { ...common, who: "ops", what: "enqueueTasks", of: {}, count: 1 },
    { ...common, who: "ops", via: "page", what: "cancelTask", of: { id: "one" }, count: 1 },
    { ...common, who: "boss", what: "cancelTasks", of: { type: "t" }, count: 1 },
    { ...common, who: "boss", what: "cancelTasks", of: { ids: ["two", "none"] }, count: 0 },
    { ...common, who: "boss", what: "retryTasks", of: { ids: ["one"] }, count: 1 },
    { ...common, who: "boss", what: "pauseQueue", of: { name: "other" }, count: 1 },
    { ...common, who: "boss", what: "resumeQueue", of: { name: "other" }, count: 1 },
    { ...common, who: "boss", what: "putSchedule", of: { name: "s", type: "t", cron: "@daily" }, count: 1 },
    { ...common, who: "boss", what: "removeSchedule", of: { name: "s" }, count: 1 },
    { ...common, who: "boss", what: "editTask", of: { id: "one" }, count: 1 },
    { ...common, who: "reader", what: "pauseQueue", of: {}, count: 2, outcome: "refused" },
    { ...common, who: "boss", what: "purgeTasks", of: { queue: "common", state: "cancelled" }, count: 1 },
  ]);
  assert.doesNotMatch(JSON.stringify(all), /not-to-be-seen|0123456789abcdef/);
});

test("the record is for admins of the whole, with filters and pages", async () => {
  const ask = stage.app({ tokens: TOKENS });
  const list = (who: string, query = "") => ask("GET", `audit${query}`, { headers: bearer(who) });
  refused(await list("ops"), 403, "forbidden", /listChanges needs the role admin/);
  refused(await list("mine"), 403, "forbidden", /the whole fleet/);
  for (const text of [1, 2, 3].map((number) => formatEntry(entryOf({ who: `w${number}`, what: "x" })))) {
    await stage.broker.audit.add([text]);
  }
  await stage.broker.audit.add(["no JSON", '{"of":"another version"}']);
  const { body: first } = await list("boss", "?what=x&limit=2");
  assert.deepEqual(
    first.entries.map(({ who }: AuditJson) => who),
    ["w3", "w2"],
  );
  const { body: second } = await list("boss", `?what=x&limit=2&cursor=${first.cursor}`);
  assert.deepEqual(
    second.entries.map(({ who }: AuditJson) => who),
    ["w1"],
  );
  assert.equal(second.cursor, null);
  const { body: one } = await list("boss", "?who=w2");
  assert.equal(one.entries.length, 1);
  const { body: none } = await list("boss", `?since=${Date.now() + 60_000}`);
  assert.deepEqual(none, { entries: [], cursor: null });
  refused(await list("boss", "?since=yesterday"), 400, "invalid", /since: must be Unix ms/);
  refused(await list("boss", "?cursor=x"), 400, "invalid", /cursor: is not one/);
});

function entryOf(parts: Partial<AuditEntry>): AuditEntry {
  return { who: "a", via: "http", from: "h", what: "w", of: {}, count: 1, outcome: "done", ...parts };
}

test("what comes in masses is added up, in a bounded number of entries, and kept at the end", async () => {
  const added: AuditEntry[] = [];
  const broker = {
    audit: { add: async (texts: readonly string[]) => void added.push(...texts.map((each) => JSON.parse(each))) },
  };
  const log = new AuditLog(broker as unknown as Pick<Broker, "audit">);
  for (let made = 0; made < 1_000; made++) log.gather(entryOf({ of: { type: "t" }, count: 2 }));
  await log.flush();
  assert.deepEqual(added, [entryOf({ of: { type: "t" }, count: 2_000 })]);
  for (let made = 0; made < 1_000; made++) log.gather(entryOf({ of: { type: `t${made}` } }));
  const stop = new AbortController();
  const run = log.run(stop.signal);
  stop.abort(new Error("the end"));
  await assert.rejects(run, /the end/);
  assert.equal(added.length, 1 + 201);
  assert.deepEqual(added.at(-1), entryOf({ who: "others", from: "", count: 800 }));
});

test("a record that cannot be written holds no change up", async () => {
  const broken = new AuditLog({ audit: { add: () => Promise.reject(new Error("away")), list: async () => [] } });
  await broken.keep(entryOf({}));
});

test("an entry has what may be told of a request, and is never longer than a broker takes", () => {
  const ids = Array.from({ length: 20 }, (_, number) => `id-${number}`);
  assert.deepEqual(toldOf({ ids, payload: 1, type: "t", result: "x", q: "a".repeat(500), toString: "x" }), {
    ...{ ids: ids.slice(0, 10), ids_count: 20 },
    ...{ type: "t", q: "a".repeat(200) },
  });
  const long = entryOf({ of: { ids: ids.map(() => "\u{1f600}".repeat(100)) } });
  assert.ok(Buffer.byteLength(formatEntry(long)) <= 2_000);
  assert.deepEqual(JSON.parse(formatEntry(long)).of, { left_out: true });
});
