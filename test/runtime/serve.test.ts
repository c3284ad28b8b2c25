/**
 * The HTTP server, over real connections: its answers, its failures, its end, and the errors of a bad address.
 */

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";
import type { HttpServer, ServeOptions } from "../../src/runtime/runtime.ts";

test("a server on port 0 tells its port and the address of its client", async () => {
  await serving(
    (_, peer) => new Response(peer.address),
    async ({ hostname, port }) => {
      assert.equal(hostname, "127.0.0.1");
      assert.equal(await get(port), "127.0.0.1");
    },
  );
});

test("a server takes an IPv6 address, with brackets or without", async () => {
  for (const hostname of ["::1", "[::1]"]) {
    const server = await runtime.serve({ hostname, port: 0, fetch: (_, peer) => new Response(peer.address) });
    try {
      assert.equal(server.hostname, "::1");
      assert.equal(await (await fetch(`http://[::1]:${server.port}/`)).text(), "::1");
    } finally {
      await server.close();
    }
  }
});

test("an IPv4 client of an IPv6 socket is told by its IPv4 address", async () => {
  const server = await runtime.serve({ hostname: "::", port: 0, fetch: (_, peer) => new Response(peer.address) });
  try {
    assert.equal(await get(server.port), "127.0.0.1");
  } finally {
    await server.close();
  }
});

test("a handler reads the body and the headers of its request", async () => {
  await serving(
    async (request) => new Response(`${request.method} ${request.headers.get("x-a")} ${await request.text()}`),
    async ({ port }) => {
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        method: "POST",
        body: "hello",
        headers: { "x-a": "1" },
      });
      assert.equal(await answer.text(), "POST 1 hello");
    },
  );
});

test("a handler that throws or rejects is answered with a plain 500 that tells nothing", async () => {
  const warnings: string[] = [];
  const listen = (warning: Error) => warnings.push(warning.message);
  process.on("warning", listen);
  try {
    const secret = () => new Error("the password is 1234");
    const fail = (request: Request): Promise<Response> => {
      if (request.url.endsWith("/throw")) throw secret();
      return Promise.reject(secret());
    };
    await serving(fail, async ({ port }) => {
      for (const path of ["throw", "reject"]) {
        const answer = await fetch(`http://127.0.0.1:${port}/${path}`);
        assert.equal(answer.status, 500);
        assert.equal(await answer.text(), "Internal Server Error\n");
      }
    });
  } finally {
    process.off("warning", listen);
  }
  assert.equal(warnings.filter((message) => /handler failed/.test(message)).length, 2);
});

test("an answer is streamed as it is made, and its stream is cancelled when the client leaves", async () => {
  const cancelled = Promise.withResolvers<void>();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start(own) {
      controller = own;
      own.enqueue(new TextEncoder().encode("first"));
    },
    cancel: () => cancelled.resolve(),
  });
  await serving(
    () => new Response(stream),
    async ({ port }) => {
      const leave = new AbortController();
      const { body } = await fetch(`http://127.0.0.1:${port}/`, { signal: leave.signal });
      const reader = body?.getReader();
      assert.equal(new TextDecoder().decode((await reader?.read())?.value), "first");
      controller?.enqueue(new TextEncoder().encode("second"));
      assert.equal(new TextDecoder().decode((await reader?.read())?.value), "second");
      leave.abort();
      await cancelled.promise;
    },
  );
});

test("the request's signal aborts when the client leaves before the answer", async () => {
  const arrived = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await serving(
    async (request) => {
      request.signal.addEventListener("abort", () => aborted.resolve());
      arrived.resolve();
      await aborted.promise;
      return new Response();
    },
    async ({ port }) => {
      const client = await request(port, "/");
      await arrived.promise;
      client.destroy();
      await aborted.promise;
    },
  );
});

test("closing a server ends the connections that wait, those that stream and those that idle", async () => {
  const waiting = Promise.withResolvers<void>();
  const never = new Promise<Response>(() => {});
  const server = await runtime.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      if (url.endsWith("/stream"))
        return new Response(new ReadableStream({ start: (own) => own.enqueue(new Uint8Array(1)) }));
      if (url.endsWith("/idle")) return new Response("ok");
      waiting.resolve();
      return never;
    },
  });
  const streaming = await request(server.port, "/stream");
  const idle = await request(server.port, "/idle");
  await Promise.all([dataOf(streaming), dataOf(idle)]);
  const waits = await request(server.port, "/wait");
  await waiting.promise;

  const ends = [streaming, idle, waits].map(endOf);
  await server.close();
  await Promise.all(ends);
  await server.close();

  const next = await runtime.serve({ hostname: "127.0.0.1", port: server.port, fetch: () => new Response("next") });
  assert.equal(await get(next.port), "next");
  await next.close();
});

test("a port in use is refused, and the error says where and what to do", async () => {
  await serving(
    () => new Response(),
    async ({ port }) => {
      await assert.rejects(
        runtime.serve({ hostname: "127.0.0.1", port, fetch: () => new Response() }),
        new RegExp(`^Error: Cannot listen on 127\\.0\\.0\\.1:${port}: the port is in use\\. Stop .* or choose another`),
      );
    },
  );
});

test("an address that is not this machine's, or no address at all, is refused with the reason", async () => {
  const refused = (hostname: string, port: number, message: RegExp) =>
    assert.rejects(runtime.serve({ hostname, port, fetch: () => new Response() }), message);
  await refused("203.0.113.7", 0, /Cannot listen on 203\.0\.113\.7:0: this machine has no such address/);
  await refused(
    "no-such-host.invalid",
    0,
    /Cannot listen on no-such-host\.invalid:0: the host name cannot be resolved/,
  );
  await refused("", 8080, /Cannot listen on :8080: the host is empty\. Give 127\.0\.0\.1/);
  await refused("127.0.0.1", 70_000, /Cannot listen on 127\.0\.0\.1:70000: a port is a whole number from 0/);
});

test("the address that was bound is told, however it was spelt", async () => {
  const spelt = { "127.1": "127.0.0.1", "2130706433": "127.0.0.1", "0": "0.0.0.0", "::1": "::1" };
  for (const [hostname, address] of Object.entries(spelt)) {
    const server = await runtime.serve({ hostname, port: 0, fetch: () => new Response() });
    assert.deepEqual([server.hostname, server.address], [hostname, address]);
    await server.close();
  }
});

async function serving(handler: ServeOptions["fetch"], use: (server: HttpServer) => Promise<void>): Promise<void> {
  const server = await runtime.serve({ hostname: "127.0.0.1", port: 0, fetch: handler });
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

async function get(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/`)).text();
}

/** A connection of its own, kept open, on which a request was sent. */
function request(port: number, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, () => resolve(socket));
    });
    socket.once("error", reject);
  });
}

function dataOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("data", () => resolve());
  });
}

function endOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => {});
    socket.once("close", () => resolve());
    socket.resume();
  });
}
