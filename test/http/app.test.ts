import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp } from "../../src/http/app.ts";
import { fakeSource, STATUS, TREE } from "../stage/fake-source.ts";

const app = createApp(fakeSource());

test("/status is the status as indented JSON with a newline at its end, and is never cached", async () => {
  const response = await app.request("/status", {}, { peer: "127.0.0.1" });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const text = await response.text();
  assert.equal(text, `${JSON.stringify(STATUS, null, 2)}\n`);
});

test("/status sends no character that steers a terminal or turns text, and has exactly the same value", async () => {
  const name = "a\u009b31m\u202eb\u200b\u007f";
  const hostile = createApp(fakeSource({ status: () => ({ ...STATUS, name }) }));
  const text = await (await hostile.request("/status")).text();
  assert.doesNotMatch(text, /[^\P{Cc}\n]|\p{Cf}/u);
  assert.equal(JSON.parse(text).name, name);
});

test("/status is asked anew for each request", async () => {
  let done = 0;
  const counting = createApp(fakeSource({ status: () => ({ ...STATUS, done: ++done }) }));
  await counting.request("/status");
  const second: { done: number } = await (await counting.request("/status")).json();
  assert.equal(second.done, 2);
});

test("/healthz is 200 even when the executor is not ready", async () => {
  const idle = createApp(fakeSource({ readiness: () => ({ ready: false, reason: "no broker" }) }));
  const response = await idle.request("/healthz");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { ok: true });
});

test("/readyz is 200 when the source is ready", async () => {
  const response = await app.request("/readyz");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { ready: true });
});

test("/readyz is 503 with the reason when the source is not ready", async () => {
  const reason = "the broker has been away for 12 s";
  const response = await createApp(fakeSource({ readiness: () => ({ ready: false, reason }) })).request("/readyz");
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), { ready: false, reason });
});

test("/status/tree is the tree as JSON", async () => {
  const response = await app.request("/status/tree");
  assert.equal(response.status, 200);
  // The same as it is, under the names that JSON has.
  const text = JSON.stringify(TREE).replaceAll("ageMs", "age_ms").replaceAll("cancellingMs", "cancelling_ms");
  assert.deepEqual(await response.json(), JSON.parse(text));
});

test("/status/tree?format=text shows name, age and state, indented, without control characters", async () => {
  const response = await app.request("/status/tree?format=text");
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
  assert.equal(
    await response.text(),
    [
      "root  5000 ms  running\n",
      "  intake  4999 ms  running\n",
      "  attempt ?[31m0a1b  61 s  cancelling (2000 ms)\n",
      "    download  900 ms  running\n",
    ].join(""),
  );
});

test("a tree of 20 000 levels is shown as text without a stack overflow", async () => {
  let node = TREE;
  for (let depth = 0; depth < 20_000; depth++) node = { ...TREE, children: [node] };
  const response = await createApp(fakeSource({ tree: async () => node })).request("/status/tree?format=text");
  assert.equal(response.status, 200);
});

test("an unknown format of the tree is refused with what there is", async () => {
  const response = await app.request("/status/tree?format=xml");
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), { error: 'format must be json or text, got "xml"' });
});

test("/ lists every path, and each of them is there", async () => {
  const text = await (await app.request("/")).text();
  const paths = [...text.matchAll(/^(\/\S*)/gm)].map((match) => match[1] ?? "");
  assert.deepEqual(paths, ["/", "/status", "/status/tree", "/metrics", "/metrics/broker", "/healthz", "/readyz"]);
  for (const path of paths) {
    // No broker stands behind this application.
    const status = path === "/metrics/broker" ? 503 : 200;
    assert.equal((await app.request(path)).status, status, path);
  }
});

test("an unknown path is a 404 in JSON that names the known ones", async () => {
  const response = await app.request("/statsu");
  assert.equal(response.status, 404);
  assert.deepEqual(await response.json(), {
    error: "there is no /statsu",
    paths: ["/", "/status", "/status/tree", "/metrics", "/metrics/broker", "/healthz", "/readyz"],
  });
});

test("other methods than GET and HEAD are a 405 with Allow, on every path", async () => {
  for (const path of ["/", "/status", "/status/tree", "/metrics", "/metrics/broker", "/healthz", "/readyz"]) {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"]) {
      const response = await app.request(path, { method });
      assert.equal(response.status, 405, `${method} ${path}`);
      assert.equal(response.headers.get("allow"), "GET, HEAD, OPTIONS");
      assert.deepEqual(await response.json(), { error: `${path} takes GET, HEAD, OPTIONS, not ${method}` });
    }
  }
});

test("HEAD answers as GET does, without a body", async () => {
  const response = await app.request("/status", { method: "HEAD" });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  assert.equal(await response.text(), "");
});

test("a source that throws is a 500 without its message or a stack", async () => {
  const broken = createApp(
    fakeSource({
      status: () => {
        throw new Error("the secret of the house");
      },
    }),
  );
  const response = await broken.request("/status");
  assert.equal(response.status, 500);
  const text = await response.text();
  assert.doesNotMatch(text, /secret|at |\.ts/);
  assert.match(text, /internal error/);
});

test("every answer forbids sniffing and framing, and none allows another origin", async () => {
  for (const path of ["/", "/status", "/nowhere"]) {
    const { headers } = await app.request(path, { headers: { origin: "https://evil.example" } });
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("x-frame-options"), "DENY");
    assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'; frame-ancestors 'none'/);
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("access-control-allow-origin"), null);
    assert.equal(headers.get("strict-transport-security"), null);
  }
});
