/** The page without a browser: who sees it, under which policy, what it hands out, and how one signs in. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { preferencesOf } from "../../../src/http/page/preferences.ts";
import { ApiStage, TOKEN } from "../../stage/api.ts";
import { buildPage } from "../../stage/executable.ts";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const FORM = { "content-type": "application/x-www-form-urlencoded" };

let stage: ApiStage;
before(async () => {
  await buildPage();
  stage = await ApiStage.open();
});
after(() => stage.end());

test("the page is HTML that can be read without its scripts, under the policy that is promised", async () => {
  const { status, body, headers } = await stage.app()("GET", "/ui");
  assert.equal(status, 200, body);
  assert.equal(headers.get("content-type"), "text/html; charset=UTF-8");
  assert.equal(headers.get("content-security-policy"), POLICY);
  assert.equal(headers.get("cache-control"), "no-store");
  assert.match(body, /^<!doctype html><html lang="en">/);
  assert.match(body, /<h2>Queues<\/h2>/);
  assert.match(body, /<th scope="row"><a href="\/ui\/tasks\?q=queue%3Acommon">common<\/a>/);
  assert.doesNotMatch(body, / (?:style|on[a-z]+)="/, "the policy lets no styles and no code stand in elements");
  assert.match(body, /<script type="module" src="\/ui\/assets\/page\.[0-9a-f]{12}\.js">/);
});

test("every other answer keeps the policy that lets nothing in", async () => {
  const { headers } = await stage.app()("GET", "/status");
  assert.equal(headers.get("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
});

test("assets are named after their content, kept for ever, and come compressed as the browser takes them", async () => {
  const ask = stage.app();
  const { body } = await ask("GET", "/ui");
  const paths = [...String(body).matchAll(/\/ui\/assets\/[^"]+/g)].map(([path]) => path);
  assert.equal(paths.length, 2);
  let bytes = 0;
  for (const path of paths) {
    const plain = await ask("GET", path);
    assert.equal(plain.status, 200);
    assert.equal(plain.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(plain.headers.get("content-encoding"), null);
    bytes += Number(plain.headers.get("content-length"));
    for (const [accepts, gets] of [
      ["gzip, deflate, br", "br"],
      ["gzip", "gzip"],
      ["br;q=0, gzip", "gzip"],
      ["zstd", null],
    ] as const) {
      const { headers } = await ask("GET", path, { headers: { "accept-encoding": accepts } });
      assert.equal(headers.get("content-encoding"), gets, accepts);
    }
  }
  assert.ok(bytes < 150_000, `${bytes} bytes`);
  assert.equal((await ask("GET", "/ui/assets/page.js")).status, 404);
});

test("page = off: there is none; page = read: it offers no change, whoever looks", async () => {
  assert.equal((await stage.app({ page: "off" })("GET", "/ui")).status, 404);
  const { body: index } = await stage.app({ page: "off" })("GET", "/");
  assert.doesNotMatch(index, /\/ui/);
  assert.match((await stage.app({ page: "on" })("GET", "/ui")).body, />may change</);
  assert.match((await stage.app({ page: "read" })("GET", "/ui")).body, />read only</);
  assert.match((await stage.app({ page: "read" })("GET", "/")).body, /\/ui/);
});

test("without a token another machine may read only, and so may whoever comes through a proxy", async () => {
  const ask = stage.app();
  for (const other of [{ peer: "10.1.2.3" }, { headers: { "x-forwarded-for": "10.1.2.3" } }]) {
    assert.match((await ask("GET", "/ui", other)).body, />read only</);
  }
});

test("a link of another site leads to the page, though that site may ask the API nothing", async () => {
  const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  assert.equal((await stage.app()("GET", "/ui", { headers })).status, 200);
  assert.equal((await stage.app()("GET", "queues", { headers })).status, 403);
});

test("with a token one signs in, by a cookie that scripts and other sites do not get", async () => {
  const ask = stage.app({ token: TOKEN });
  const first = await ask("GET", "/ui");
  assert.equal(first.status, 401);
  assert.match(first.body, /<form [^>]*action="\/ui\/login"/);
  assert.doesNotMatch(first.body, /common/, "nothing of the tasks is told");

  const wrong = await ask("POST", "/ui/login", { headers: FORM, body: "token=not-the-right-one" });
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers.get("set-cookie"), null);

  const right = await ask("POST", "/ui/login", { headers: FORM, body: `token=${TOKEN}&next=/ui/dead` });
  assert.equal(right.status, 303);
  assert.equal(right.headers.get("location"), "/ui/dead");
  const set = right.headers.get("set-cookie") ?? "";
  assert.match(set, /; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  assert.ok(!set.includes(TOKEN));

  const cookie = set.split(";")[0] ?? "";
  assert.match((await ask("GET", "/ui", { headers: { cookie } })).body, />may change</);
  assert.equal((await ask("GET", "queues", { headers: { cookie } })).status, 200);
  const paused = await ask("POST", "queues/common/pause", { headers: { cookie }, body: {} });
  assert.equal(paused.status, 200);
  await ask("POST", "queues/common/resume", { headers: { cookie }, body: {} });

  for (const site of ["cross-site", "same-site"]) {
    const headers = { cookie, "sec-fetch-site": site };
    assert.equal((await ask("POST", "queues/common/pause", { headers, body: {} })).status, 403, site);
  }
  const another = stage.app({ token: `${TOKEN}x` });
  assert.equal((await another("GET", "/ui", { headers: { cookie } })).status, 401, "another token ends it");
  const forged = cookie.replace(/=./, (first) => (first === "=0" ? "=1" : "=0"));
  assert.equal((await ask("GET", "/ui", { headers: { cookie: forged } })).status, 401);

  const out = await ask("POST", "/ui/logout", { headers: { cookie } });
  assert.match(out.headers.get("set-cookie") ?? "", /_8080=; .*Max-Age=0/);
  assert.equal((await ask("GET", "/ui", { headers: { cookie } })).status, 401, "whoever kept the cookie is out, too");
});

test("another site cannot sign a browser in, nor be what the sign-in leads to", async () => {
  const ask = stage.app({ token: TOKEN });
  const headers = { ...FORM, origin: "https://evil.example" };
  assert.equal((await ask("POST", "/ui/login", { headers, body: `token=${TOKEN}` })).status, 403);
  for (const next of ["https://evil.example", "//evil.example", "/ui\\evil", "/uix", "/ui/logout"]) {
    const body = `token=${TOKEN}&next=${encodeURIComponent(next)}`;
    assert.equal((await ask("POST", "/ui/login", { headers: FORM, body })).headers.get("location"), "/ui", next);
  }
});

test("what is no page is told so, as a page", async () => {
  const { status, body, headers } = await stage.app()("GET", "/ui/nothing");
  assert.equal(status, 404);
  assert.match(headers.get("content-type") ?? "", /^text\/html/);
  assert.match(body, /There is no such page/);
  assert.equal((await stage.app()("GET", "/ui/tasks/%E0%A4%A")).status, 404);
  assert.equal((await stage.app()("GET", "/ui/tasks/no-such-task")).status, 404);
  assert.equal((await stage.app()("GET", "/ui/tasks/")).headers.get("location"), "/ui/tasks");
});

test("the theme and the time zone come from cookies, and what is none counts as none", () => {
  assert.deepEqual(preferencesOf("a=b; taskexe_theme=dark; taskexe_zone=Europe%2FBerlin"), {
    theme: "dark",
    zone: "Europe/Berlin",
  });
  for (const bad of ["", "taskexe_theme=<b>; taskexe_zone=%", "taskexe_zone=Nowhere/Land"]) {
    assert.deepEqual(preferencesOf(bad), { theme: "system", zone: "UTC" });
  }
});
