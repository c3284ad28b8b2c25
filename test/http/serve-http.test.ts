import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { type CancelScope, type Nursery, openRoot, withNursery, withScope } from "../../src/concurrency/index.ts";
import { type HttpAddress, serveHttp } from "../../src/http/serve-http.ts";
import { runtime } from "../../src/runtime/index.ts";
import { fakeSource } from "../stage/fake-source.ts";

/** Runs the body beside a server on a free port of loopback, then cancels the server. */
async function withServer(body: (address: HttpAddress, nursery: Nursery) => Promise<void>): Promise<void> {
  await withScope(openRoot(), {}, (scope) =>
    withNursery(scope, async (nursery) => {
      const address = await listen(nursery, scope, { hostname: "127.0.0.1", port: 0 });
      await body(address, nursery);
      scope.cancel("the test is over");
    }),
  );
}

function listen(nursery: Nursery, caller: CancelScope, address: HttpAddress): Promise<HttpAddress> {
  const source = fakeSource();
  return nursery.start<HttpAddress>(caller, (task, started) => serveHttp(task, started, { ...address, source }));
}

test("started is told the port that was bound, and every path answers there", async () => {
  await withServer(async ({ hostname, port }) => {
    assert.equal(hostname, "127.0.0.1");
    assert.ok(port > 0);
    for (const path of ["/", "/status", "/status/tree", "/status/tree?format=text", "/healthz", "/readyz"]) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      assert.equal(response.status, 200, path);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
      assert.notEqual(await response.text(), "");
    }
  });
});

test("over the wire, text is text and JSON is JSON", async () => {
  await withServer(async ({ port }) => {
    const type = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      await response.arrayBuffer();
      return response.headers.get("content-type");
    };
    assert.match((await type("/")) ?? "", /^text\/plain/);
    assert.match((await type("/status/tree?format=text")) ?? "", /^text\/plain/);
    assert.match((await type("/status")) ?? "", /^application\/json/);
    assert.match((await type("/nowhere")) ?? "", /^application\/json/);
  });
});

test("over the wire, HEAD has no body, POST is 405, and a rebound name is 421", async () => {
  await withServer(async ({ port }) => {
    const head = await raw(port, "HEAD /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.ok(head.endsWith("\r\n\r\n"), "no body after the headers");
    const post = await fetch(`http://127.0.0.1:${port}/status`, { method: "POST", body: "{}" });
    assert.equal(post.status, 405);
    assert.equal(post.headers.get("allow"), "GET, HEAD, OPTIONS");
    await post.text();
    const rebound = await raw(port, "GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert.match(rebound, /^HTTP\/1\.1 421 /);
    assert.doesNotMatch(rebound, /task_executor_common/);
  });
});

test("a cancel of its scope closes the server, ends open connections and frees the port", async () => {
  let left: HttpAddress | undefined;
  let idle: Promise<void> | undefined;
  await withServer(async (address) => {
    left = address;
    // A client that never ends its request must not hold the stop.
    const socket = connect(address.port, "127.0.0.1", () => socket.write("GET /status HTTP/1.1\r\nHost: "));
    idle = new Promise((resolve) => {
      socket.once("close", () => resolve());
      socket.on("error", () => {});
      // Unread, the end of the connection would not be seen.
      socket.resume();
    });
    await new Promise((resolve) => socket.once("connect", resolve));
    // Answered after the other's bytes were sent: the server has both connections by then.
    await (await fetch(`http://127.0.0.1:${address.port}/healthz`)).text();
  });
  assert.ok(left);
  await idle;
  const again = await runtime.serve({ ...left, fetch: () => new Response("") });
  await again.close();
});

test("a port in use is an error of start that names the address and what to do", async () => {
  await withServer(async (address, nursery) => {
    await assert.rejects(listen(nursery, nursery.scope, address), (error: Error) => {
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${address.port}: the port is in use`));
      return true;
    });
  });
});

/** Sends bytes and gives all that comes back until the server closes. */
function raw(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      answer += String(chunk);
    });
    socket.on("error", reject);
    socket.once("close", () => resolve(answer));
  });
}
