/** Who may call the API, and who may not: each way in that must be closed is a test. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readToken, TokenError } from "../../src/http/api/guard/token.ts";
import { createApp } from "../../src/http/app.ts";
import { ApiStage, refused, TOKEN } from "../stage/api.ts";
import { fakeSource, STATUS } from "../stage/fake-source.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
});
after(() => stage.end());

const TASK = { body: { type: "idle" } };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test("without a token this machine may read and change", async () => {
  const ask = stage.app();
  assert.equal((await ask("GET", "tasks")).status, 200);
  assert.equal((await ask("POST", "tasks", TASK)).status, 201);
  assert.equal((await ask("POST", "tasks", { ...TASK, peer: "::1" })).status, 201);
});

test("without a token another machine may read, and change nothing", async () => {
  const ask = stage.app();
  for (const peer of ["10.0.0.7", "2001:db8::1", "", null, "127.0.0.1.evil.example"]) {
    refused(
      await ask("POST", "tasks", { ...TASK, peer }),
      403,
      "token_needed",
      /only this machine may change anything/,
    );
    refused(await ask("DELETE", "schedules/x", { peer }), 403, "token_needed", /TASKEXE_TOKEN/);
    assert.equal((await ask("GET", "tasks", { peer })).status, 200);
  }
});

test("without a token nothing is changed while it listens on a network, not even from this machine", async () => {
  const ask = stage.app({ hostname: "0.0.0.0" });
  refused(await ask("POST", "tasks", TASK), 403, "token_needed", /listens on 0\.0\.0\.0: set TASKEXE_TOKEN/);
});

test("without a token nothing is changed through a proxy on this machine", async () => {
  const ask = stage.app();
  for (const name of [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Server",
    "Forwarded",
    "Via",
    "X-Real-IP",
    "X-Original-Host",
    "X-Envoy-External-Address",
    "CF-Connecting-IP",
    "CF-Ray",
    "True-Client-IP",
    "Fastly-Client-IP",
    "X-Cluster-Client-IP",
    "X-Client-IP",
    "X-ProxyUser-Ip",
    "X-Amzn-Trace-Id",
    "CDN-Loop",
  ]) {
    refused(
      await ask("POST", "tasks", { ...TASK, headers: { [name]: "10.0.0.7" } }),
      403,
      "token_needed",
      /through a proxy/,
    );
  }
});

test("a name that was pointed at this machine is refused before anything else (DNS rebinding)", async () => {
  const ask = stage.app();
  for (const host of ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"]) {
    const reply = await ask("POST", "tasks", { ...TASK, headers: { host } });
    assert.equal(reply.status, 421);
    assert.equal((await ask("GET", "tasks", { headers: { host } })).status, 421);
  }
});

test("a form of another site is refused: its types are no JSON", async () => {
  const ask = stage.app();
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
    "application/jsonx",
  ]) {
    const reply = await ask("POST", "tasks", { ...TASK, headers: { "content-type": type } });
    refused(reply, 415, "not_json", /expected the header Content-Type: application\/json/);
  }
  const withoutBody = await ask("POST", "tasks/x/cancel", { headers: { "content-type": "text/plain" } });
  refused(withoutBody, 415, "not_json", /text\/plain/);
  assert.equal(
    (await ask("POST", "tasks", { ...TASK, headers: { "content-type": "application/json; charset=utf-8" } })).status,
    201,
  );
});

test("a compressed body is refused as such, and not as broken JSON", async () => {
  const ask = stage.app();
  const encoded = (encoding: string) =>
    ask("POST", "tasks", { ...TASK, headers: { "content-type": "application/json", "content-encoding": encoding } });
  refused(await encoded("gzip"), 415, "encoded", /must come as it is, without Content-Encoding, got "gzip"/);
  assert.equal((await encoded("identity")).status, 201);
});

test("without a token nothing is changed over HTTP/1.0, which is what a proxy speaks that adds no header", async () => {
  const old = { isOld: true };
  refused(await stage.app()("POST", "tasks", { ...TASK, ...old }), 403, "token_needed", /HTTP\/1\.0, as a proxy sends/);
  assert.equal((await stage.app()("GET", "tasks", old)).status, 200);
  const headers = bearer(TOKEN);
  assert.equal((await stage.app({ token: TOKEN })("POST", "tasks", { ...TASK, ...old, headers })).status, 201);
});

test("who listens on a name of another address than loopback listens on a network", async () => {
  const ask = stage.app({ hostname: "localhost", address: "10.1.2.3" });
  refused(await ask("POST", "tasks", TASK), 403, "token_needed", /listens on localhost/);
  assert.equal((await stage.app({ hostname: "127.1", address: "127.0.0.1" })("POST", "tasks", TASK)).status, 201);
});

test("a page of another site is refused, whatever it sends and whether there is a token or not", async () => {
  for (const [ask, headers] of [
    [stage.app(), {}],
    [stage.app({ token: TOKEN }), bearer(TOKEN)],
  ] as const) {
    for (const foreign of [
      { origin: "https://evil.example" },
      { origin: "http://localhost:3000" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      refused(
        await ask("POST", "tasks", { ...TASK, headers: { ...headers, ...foreign } }),
        403,
        "cross_site",
        /another site/,
      );
      for (const path of ["tasks", "tasks/x", "queues", "openapi.json", "nothing"]) {
        const read = await ask("GET", path, { headers: { ...headers, ...foreign } });
        refused(read, 403, "cross_site", /neither read nor change/);
        assert.equal((await ask("HEAD", path, { headers: { ...headers, ...foreign } })).status, 403);
      }
      refused(
        await ask("DELETE", "schedules/x", { headers: { ...headers, ...foreign } }),
        403,
        "cross_site",
        /another site/,
      );
    }
    const own = { origin: "http://127.0.0.1:8080", "sec-fetch-site": "same-origin" };
    assert.equal((await ask("POST", "tasks", { ...TASK, headers: { ...headers, ...own } })).status, 201);
  }
});

test("with a token every call needs it, the description and unknown paths included", async () => {
  const ask = stage.app({ token: TOKEN });
  for (const [method, path] of [
    ["GET", "tasks"],
    ["GET", "openapi.json"],
    ["GET", "nothing"],
    ["POST", "tasks"],
    ["DELETE", "schedules/x"],
  ] as const) {
    const reply = await ask(method, path);
    refused(reply, 401, "unauthorized", /send Authorization: Bearer TOKEN/);
    assert.equal(reply.headers.get("www-authenticate"), 'Bearer realm="taskexe"');
  }
  assert.equal((await ask("GET", "/status")).status, 200);
});

test("a wrong token is refused, however near it is", async () => {
  const ask = stage.app({ token: TOKEN });
  for (const wrong of [TOKEN.slice(0, -1), `${TOKEN}0`, TOKEN.toUpperCase(), "x"]) {
    const reply = await ask("GET", "tasks", { headers: bearer(wrong) });
    refused(reply, 401, "unauthorized", /not the right one/);
    assert.match(reply.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
  }
  for (const authorization of [TOKEN, `Basic ${TOKEN}`, "Bearer", `Bearer ${TOKEN} ${TOKEN}`, ""]) {
    assert.equal((await ask("GET", "tasks", { headers: { authorization } })).status, 401, authorization);
  }
  assert.equal((await ask("GET", `tasks?token=${TOKEN}`)).status, 401);
});

test("with the token it is served to any machine, on any listener, through a proxy too", async () => {
  const headers = { ...bearer(TOKEN), "x-forwarded-for": "10.0.0.7" };
  for (const hostname of ["127.0.0.1", "0.0.0.0"]) {
    const ask = stage.app({ token: TOKEN, hostname });
    assert.equal((await ask("POST", "tasks", { ...TASK, headers, peer: "10.0.0.7" })).status, 201);
    assert.equal(
      (await ask("GET", "tasks", { headers: { authorization: `bearer  ${TOKEN}` }, peer: "10.0.0.7" })).status,
      200,
    );
  }
});

test("no answer allows another origin to read it, and none shows the token", async () => {
  const ask = stage.app({ token: TOKEN });
  for (const path of ["tasks", "openapi.json", "/status", "nothing"]) {
    const reply = await ask("GET", path, { headers: { ...bearer(TOKEN), origin: "https://evil.example" } });
    assert.equal(reply.headers.get("access-control-allow-origin"), null);
    assert.doesNotMatch(JSON.stringify([reply.body, ...reply.headers]), new RegExp(TOKEN));
  }
  const preflight = await ask("OPTIONS", "tasks", { headers: { origin: "https://evil.example", ...bearer(TOKEN) } });
  assert.equal(preflight.headers.get("access-control-allow-origin"), null);
  assert.ok(preflight.status >= 400);
});

test("a token comes from the environment or from a file, and never from both", () => {
  const file = join(stage.folder, "token");
  writeFileSync(file, `${TOKEN}\n`);
  chmodSync(file, 0o600);
  assert.equal(readToken({ token: TOKEN }).token, TOKEN);
  assert.deepEqual(readToken({ file }), { token: TOKEN, warning: null });
  assert.equal(readToken({ token: "", file: null }).token, null);
  assert.throws(() => readToken({ token: TOKEN, file }), /both given: keep one of them/);
  assert.throws(() => readToken({ file: join(stage.folder, "missing") }), /cannot be read: no such file/);
  for (const bad of ["short", "with space in the middle of it", "x".repeat(2_000), `${TOKEN}\u00e4`]) {
    assert.throws(
      () => readToken({ token: bad }),
      (error) =>
        error instanceof TokenError && !error.message.includes(bad) && /openssl rand -hex 32/.test(error.message),
    );
  }
});

test("a token file that others may read is told", () => {
  const file = join(stage.folder, "open-token");
  writeFileSync(file, TOKEN);
  for (const mode of [0o644, 0o602]) {
    chmodSync(file, mode);
    assert.match(readToken({ file }).warning ?? "", /every user of this machine may read or write .*open-token; chmod/);
  }
  chmodSync(file, 0o640);
  assert.equal(readToken({ file }).warning, null);
});

test('systemd\'s credential counts where no other token is given, and "off" is none', () => {
  const credentials = mkdtempSync(join(stage.folder, "credentials-"));
  assert.equal(readToken({ credentials }).token, null);
  for (const none of ["off", "off\n", ""]) {
    writeFileSync(join(credentials, "token"), none);
    assert.equal(readToken({ credentials }).token, null);
  }
  writeFileSync(join(credentials, "token"), `${TOKEN}\n`);
  assert.equal(readToken({ credentials }).token, TOKEN);
  assert.equal(readToken({ token: TOKEN.replace("0", "f"), credentials }).token, TOKEN.replace("0", "f"));
  writeFileSync(join(credentials, "token"), "short");
  assert.throws(() => readToken({ credentials }), /the credential .*token: expected 16 to/);
});

test("what tasks say is in /status for this machine, and for others only with the token", async () => {
  const beat = { current: { a1: { id: "a1", task_type: "sum", payload: { secret: 1 } } }, done: 1 };
  const runners = {
    ...{ generation: 1, processes: [], waiting: 0, awaited: [], restarts: {} },
    problems: ["/srv/secret.ts:1: no such thing"],
    reload: { state: "failed", since: "2026-08-01T10:00:00.000+00:00", reason: "/srv/secret.ts:1" } as const,
  };
  const status = { ...STATUS, runners, fleet: [{ name: "x", at: "2026-08-01T10:00:00.000+00:00", beat }] };
  const ask = async (address: string, more: { headers?: Record<string, string>; peer?: string } = {}) => {
    const listener = { hostname: address, address };
    const api = { broker: stage.broker, token: TOKEN, retentionMs: 1, signal: stage.root.signal };
    const app = createApp(fakeSource({ status: () => status }), { listener, api });
    const { headers = {}, peer = "127.0.0.1" } = more;
    const response = await app.request(`http://${address}/status`, { headers }, { peer });
    return await response.json();
  };
  for (const seen of [await ask("127.0.0.1"), await ask("0.0.0.0", { headers: bearer(TOKEN) })]) {
    assert.deepEqual(seen, status);
  }
  for (const hidden of [
    await ask("0.0.0.0"),
    await ask("10.1.2.3", { headers: bearer(`${TOKEN}0`) }),
    await ask("127.0.0.1", { headers: { via: "1.1 proxy" } }),
  ]) {
    assert.doesNotMatch(JSON.stringify(hidden), /half|secret/);
    assert.equal(hidden.current["0a1b"].progress, 0.5);
    assert.equal(hidden.runners.problems.length, 1);
    assert.equal(hidden.runners.reload.state, "failed");
    assert.deepEqual(hidden.fleet, [
      { name: "x", at: "2026-08-01T10:00:00.000+00:00", beat: { current: { a1: { task_type: "sum" } }, done: 1 } },
    ]);
  }
});
