/** What a query finds, and what is told of one that cannot be. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { searchPage } from "../../src/operations/search/search.ts";
import { readQuery } from "../../src/operations/search/task-query.ts";
import { ApiStage, refused } from "../stage/api.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
  const ask = stage.app();
  const mails = Array.from({ length: 30 }, (_, n) => ({
    ...{ type: n % 2 === 0 ? "mail.send" : "mail.sort", id: `mail-${n}` },
    payload: { user: { id: n, name: `user ${n}` }, note: n === 7 ? "x".repeat(5_000) : "short" },
  }));
  const other = { type: "other", id: "lone", queue: "other", delay_ms: 3_600_000, payload: [1, { a: "b" }] };
  const { status, body } = await ask("POST", "tasks", { body: { tasks: [...mails, other] } });
  assert.equal(status, 200, JSON.stringify(body));
});
after(() => stage.end());

async function idsOf(q: string): Promise<string[]> {
  const { status, body } = await stage.app()("GET", `tasks?${new URLSearchParams({ q, limit: "1000" })}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body.tasks.map(({ id }: { id: string }) => id);
}

test("terms must all hold; a star stands for the end of a text", async () => {
  assert.equal((await idsOf("type:mail.*")).length, 30);
  assert.equal((await idsOf("type:mail.send state:queued")).length, 15);
  assert.deepEqual(await idsOf("id:mail-1"), ["mail-1"]);
  assert.equal((await idsOf("id:mail-1*")).length, 11);
  assert.deepEqual(await idsOf("id:mail-1 type:other"), []);
  assert.deepEqual(await idsOf("state:scheduled"), ["lone"]);
  assert.deepEqual(await idsOf("queue:other"), ["lone"]);
  assert.equal((await idsOf("")).length, 31);
});

test("a word without a key is looked for in ids, types and errors", async () => {
  assert.deepEqual(await idsOf("LONE"), ["lone"]);
  assert.equal((await idsOf("sort")).length, 15);
  assert.deepEqual(await idsOf("sort mail-3"), ["mail-3"]);
});

test("a payload is looked into, a long one as a whole", async () => {
  assert.deepEqual(await idsOf("payload.user.id:7"), ["mail-7"]);
  assert.deepEqual(await idsOf('payload.user.name:"user 7"'), ["mail-7"]);
  assert.equal((await idsOf("payload.user.id>27")).length, 2);
  assert.equal((await idsOf("payload.user.name:user*")).length, 30);
  assert.deepEqual(await idsOf("payload.1.a:b"), ["lone"]);
  assert.deepEqual(await idsOf("payload.user.toString:x"), []);
});

test("ages and attempts are bounds", async () => {
  assert.equal((await idsOf("age<1h")).length, 31);
  assert.deepEqual(await idsOf("age>1h"), []);
  assert.equal((await idsOf("attempt<1")).length, 31);
  assert.deepEqual(await idsOf("run>1ms"), [], "none has run");
});

test("pages of a search go on where the one before ended, each task once", async () => {
  const ask = stage.app();
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const query: Record<string, string> = { q: "type:mail.* payload.note:short", limit: "4" };
    const { body } = await ask("GET", `tasks?${new URLSearchParams(cursor === null ? query : { ...query, cursor })}`);
    assert.ok(body.tasks.length <= 4);
    assert.ok(body.looked >= body.tasks.length, "it says how many it has looked at");
    found.push(...body.tasks.map(({ id }: { id: string }) => id));
    cursor = body.cursor;
  } while (cursor !== null);
  assert.equal(found.length, 29);
  assert.equal(new Set(found).size, 29);
});

test("what indexes answer is not looked at one by one", async () => {
  const { looked } = await searchPage(stage.broker, { q: "state:queued type:mail.send" });
  assert.equal(looked, null);
});

test("a query that cannot be is refused with what was expected", async () => {
  const ask = stage.app();
  for (const [q, message] of [
    ["colour:red", /q: "colour" is none of id: type:/],
    ["state:gone", /q: state: .*scheduled, queued, running/],
    ["age:5m", /q: age takes > or <, as in age>5m/],
    ["age>soon", /takes a duration like 30s/],
    ["attempt>many", /takes a number, got "many"/],
    ["type:", /q: type: has no value/],
    ["id:a id:b", /q: id: was given twice/],
    ["error>3", /error takes a colon/],
    ["a ".repeat(21), /at most 20 terms/],
    ["x".repeat(2_001), /at most 2000 characters/],
  ] as const) {
    refused(await ask("GET", `tasks?${new URLSearchParams({ q })}`), 400, "invalid", message);
  }
  refused(await ask("GET", "tasks?q=state:dead&state=queued"), 400, "invalid", /state:dead and state=queued/);
});

test("hostile text is a query as any other", () => {
  for (const text of [
    '"',
    '""',
    ":",
    ">",
    "payload.:x",
    "payload.a..b:c",
    "\u0000",
    "a:b:c",
    'error:"a',
    "__proto__:1",
  ]) {
    try {
      readQuery(text);
    } catch (error) {
      assert.equal((error as Error).name, "InvalidTaskError", text);
    }
  }
});
