/** Who is told /status and /metrics: everybody, or, where the setting says so, this machine and the token. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openRoot } from "../../src/concurrency/index.ts";
import { createApp } from "../../src/http/app.ts";
import { METRICS_TYPE } from "../../src/metrics/series.ts";
import { ApiStage, TOKEN } from "../stage/api.ts";
import { fakeSource } from "../stage/fake-source.ts";

const PATHS = ["/status", "/status/tree", "/metrics"];
const NETWORK = { hostname: "0.0.0.0", address: "0.0.0.0" };
const ELSEWHERE = { peer: "10.0.0.7" };

test("open, they need no token, as /healthz", async () => {
  const app = createApp(fakeSource(), { listener: NETWORK });
  for (const path of PATHS) assert.equal((await app.request(path, {}, ELSEWHERE)).status, 200, path);
  assert.equal((await app.request("/metrics", {}, ELSEWHERE)).headers.get("content-type"), METRICS_TYPE);
});

test("closed, another machine is told nothing without the token, and all with it", async () => {
  const stage = await ApiStage.open();
  try {
    const { broker } = stage;
    const api = { broker, token: TOKEN, retentionMs: 1_000, signal: openRoot().signal };
    const app = createApp(fakeSource(), { listener: NETWORK, openStatus: false, api });
    const authorization = `Bearer ${TOKEN}`;
    for (const path of PATHS) {
      const refused = await app.request(path, {}, ELSEWHERE);
      assert.equal(refused.status, 401, path);
      assert.match(await refused.text(), /open_status = 0/);
      assert.equal((await app.request(path, { headers: { authorization: "Bearer no" } }, ELSEWHERE)).status, 401);
      assert.equal((await app.request(path, { headers: { authorization } }, ELSEWHERE)).status, 200, path);
    }
    for (const path of ["/healthz", "/readyz"])
      assert.equal((await app.request(path, {}, ELSEWHERE)).status, 200, path);
  } finally {
    await stage.end();
  }
});

test("closed, this machine is told all, but not who comes through a proxy", async () => {
  const app = createApp(fakeSource(), { openStatus: false });
  for (const path of PATHS) {
    assert.equal((await app.request(path, {}, { peer: "127.0.0.1" })).status, 200, path);
    const headers = { "x-forwarded-for": "10.0.0.7" };
    assert.equal((await app.request(path, { headers }, { peer: "127.0.0.1" })).status, 401, path);
  }
});
