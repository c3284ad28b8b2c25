/** The tokens file, the sessions of the page, and how those who try tokens are slowed down. */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Sessions } from "../../../src/http/api/guard/session.ts";
import { TokenError } from "../../../src/http/api/guard/token.ts";
import { entryFor, newToken, readTokens, type TokenEntry } from "../../../src/http/api/guard/tokens-file.ts";
import { WrongTokens } from "../../../src/http/api/guard/wrong-tokens.ts";
import { ApiStage, refused, TOKEN } from "../../stage/api.ts";
import { buildPage } from "../../stage/executable.ts";

let stage: ApiStage;
before(async () => {
  await buildPage();
  stage = await ApiStage.open();
});
after(() => stage.end());

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

function file(text: string, mode = 0o600): string {
  const path = stage.path("tokens.toml");
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** One entry, of a token that is made here. */
function made(name: string, role: "read" | "operate" | "admin", ...queues: string[]) {
  const { token, entry } = newToken(name, role, queues);
  return { token, entry, entries: readTokens(file(entry)).entries };
}

test("a new token is found by its table alone, which does not have it", () => {
  const { token, entry, entries } = made("ci", "operate", "mail", "common");
  assert.match(token, /^te_[\w-]{43}$/);
  assert.ok(!entry.includes(token));
  assert.deepEqual(
    { ...entries[0], hash: "" },
    { name: "ci", role: "operate", queues: new Set(["mail", "common"]), hash: "" },
  );
  assert.equal(entryFor(entries, token)?.name, "ci");
  for (const wrong of [`${token}x`, token.slice(1), "", "x"]) assert.equal(entryFor(entries, wrong), null);
});

test("what is wrong with a tokens file is told with its place, and never with what stands there", () => {
  const hash = `sha256:${"0".repeat(64)}`;
  const table = (more: string) => `[[token]]\nname = "a"\nrole = "read"\nhash = "${hash}"\n${more}`;
  for (const [text, problem] of [
    ["[[token", /tokens\.toml:1:\d+: not TOML/],
    ["tokens = 1", /unknown key "tokens"; it has \[\[token\]\]/],
    ["token = 1", /expected tables \[\[token\]\]/],
    [table("colour = 1"), /\[\[token\]\] 1: unknown key "colour"/],
    [table("").replace("read", "write"), /\[\[token\]\] 1: role: expected read, operate, admin/],
    [table("").replace(hash, "secret-token-itself"), /\[\[token\]\] 1: hash: expected sha256: and 64 digits/],
    [table("queues = []"), /queues: expected a list of 1 to 64/],
    [table('queues = ["a b"]'), /queues: expected must be letters/],
    [table("").replace('"a"', '"token"'), /name: expected another name than "token"/],
    [table("").replace('"a"', '"a b"'), /name: expected 1 to 64 letters/],
    [table("") + table(""), /two tokens have the name "a"/],
    [table("") + table("").replace('"a"', '"b"'), /"a" and "b" are the same token/],
  ] as const) {
    assert.throws(
      () => readTokens(file(text)),
      (error) => error instanceof TokenError && problem.test(error.message) && !/secret/.test(error.message),
      text,
    );
  }
  assert.throws(() => readTokens(stage.path("none.toml")), /cannot be read: no such file/);
  assert.deepEqual(readTokens(file("")).entries, [], "none at all shuts everybody out");
  assert.match(readTokens(file("", 0o644)).warning ?? "", /every user of this machine .*tokens\.toml; chmod/);
});

test("a file without tokens lets nobody in, and the single token stays as admin beside one", async () => {
  const nobody = stage.app({ tokens: { entries: [] } });
  refused(await nobody("GET", "tasks"), 401, "unauthorized", /needs a token/);
  const { token, entries } = made("reader", "read");
  const ask = stage.app({ tokens: { entries }, token: TOKEN });
  assert.equal((await ask("GET", "tasks", { headers: bearer(token) })).status, 200);
  refused(
    await ask("POST", "queues/common/pause", { headers: bearer(token), body: {} }),
    403,
    "forbidden",
    /the token "reader" may not: pauseQueue needs the role operate, not read/,
  );
  const admin = { headers: bearer(TOKEN), body: {} };
  assert.equal((await ask("POST", "queues/common/pause", admin)).status, 200);
  assert.equal((await ask("POST", "queues/common/resume", admin)).status, 200);
});

test("one signs in to the page by any of them, and sees what its role may do", async () => {
  const all = [made("r", "read"), made("o", "operate"), made("l", "operate", "common"), made("a", "admin")];
  const ask = stage.app({ tokens: { entries: all.flatMap(({ entries }) => entries) } });
  const seen: string[] = [];
  for (const { token } of all) {
    const signed = await ask("POST", "/ui/login", { headers: FORM, body: `token=${token}` });
    assert.equal(signed.status, 303, signed.body);
    const set = signed.headers.get("set-cookie") ?? "";
    assert.match(set, /; HttpOnly; SameSite=Strict$/);
    const headers = { cookie: set.split(";")[0] ?? "" };
    const { body } = await ask("GET", "/ui/queues", { headers });
    const role = />(read only|may operate|may change)</.exec(body)?.[1] ?? "none";
    const buttons = /data-do="pause"/.test(body) ? "with buttons" : "without";
    const island = /"may":(\[[^\]]*\])/.exec(body)?.[1] ?? "[]";
    seen.push(`${role}, ${buttons}${island.includes("pauseType") ? ", types" : ""}`);
  }
  assert.deepEqual(seen, [
    "read only, without",
    "may operate, with buttons, types",
    "may operate, with buttons",
    "may change, with buttons, types",
  ]);
});

test("a session ends with its token, with another role of it changes, and with its time", async () => {
  const { token, entries } = made("o", "operate");
  const [operator] = entries;
  assert.ok(operator);
  const tokens: { entries: readonly TokenEntry[] } = { entries };
  const ask = stage.app({ tokens });
  const signed = await ask("POST", "/ui/login", { headers: FORM, body: `token=${token}` });
  const headers = { cookie: (signed.headers.get("set-cookie") ?? "").split(";")[0] ?? "" };
  assert.match((await ask("GET", "/ui", { headers })).body, />may operate</);
  tokens.entries = [{ ...operator, role: "read" }];
  assert.match((await ask("GET", "/ui", { headers })).body, />read only</);
  tokens.entries = made("o", "operate").entries;
  assert.equal((await ask("GET", "/ui", { headers })).status, 401, "another token of that name");

  let now = 0;
  const sessions = new Sessions(() => now);
  const cookie = sessions.begin(operator, "h:1", false).split(";")[0] ?? "";
  assert.equal(sessions.find("h:1", cookie, entries), operator);
  assert.equal(sessions.find("h:2", cookie, entries), null, "of another port");
  now = 12 * 3_600_000;
  assert.equal(sessions.find("h:1", cookie, entries), null);
  assert.equal(sessions.count, 0);
});

test("sessions are bounded: the oldest goes", () => {
  const { entries } = made("o", "operate");
  const [operator] = entries;
  assert.ok(operator);
  const sessions = new Sessions();
  const first = sessions.begin(operator, "h", false).split(";")[0] ?? "";
  for (let made = 0; made < 1_000; made++) sessions.begin(operator, "h", false);
  assert.equal(sessions.count, 1_000);
  assert.equal(sessions.find("h", first, entries), null);
});

test("wrong tokens of one client are bounded a minute; who was in stays in, and others are not held up", () => {
  let now = 0;
  const wrong = new WrongTokens(() => now);
  assert.equal(wrong.shows("10.0.0.1", "known"), 0);
  for (let tries = 0; tries < 20; tries++) assert.equal(wrong.shows("10.0.0.1", null), 0);
  now = 1_000;
  assert.equal(wrong.shows("10.0.0.1", null), 59_000);
  assert.equal(wrong.shows("10.0.0.1", "guessed"), 59_000, "a right one that it has not shown before");
  assert.equal(wrong.shows("10.0.0.1", "known"), 0);
  assert.equal(wrong.shows("10.0.0.2", "guessed"), 0);
  now = 60_000;
  assert.equal(wrong.shows("10.0.0.1", "guessed"), 0);
  for (let tries = 0; tries < 20; tries++) wrong.shows("2001:db8::1", null);
  assert.ok(wrong.shows("2001:db8::ffff:1", null) > 0, "a network of IPv6 is one client");
});

test("whoever tries tokens is answered 429, by the API and by the sign-in", async () => {
  const ask = stage.app({ token: TOKEN });
  const peer = "10.9.9.9";
  for (let tries = 0; tries < 20; tries++) {
    assert.equal((await ask("GET", "tasks", { peer, headers: bearer(`wrong-${tries}`) })).status, 401);
  }
  const slowed = await ask("GET", "tasks", { peer, headers: bearer("wrong") });
  refused(slowed, 429, "too_many_wrong_tokens", /try again in \d+ s/);
  assert.match(slowed.headers.get("retry-after") ?? "", /^\d+$/);
  refused(await ask("GET", "tasks", { peer, headers: bearer(TOKEN) }), 429, "too_many_wrong_tokens", /too many/);
  const login = await ask("POST", "/ui/login", { peer, headers: FORM, body: `token=${TOKEN}` });
  assert.equal(login.status, 429);
  assert.equal((await ask("GET", "tasks", { headers: bearer(TOKEN) })).status, 200, "others are not held up");
});
