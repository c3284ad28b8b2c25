import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type CancelScope, isCancellation, moveOnAfter, openRoot } from "../../../src/concurrency/index.ts";
import { type Answering, answerWith, closeEndpoints, endpointThat } from "../../stage/endpoint.ts";
import { handlerAttempt } from "../../stage/handler-attempt.ts";
import { failureOf, handlerOf, runOn } from "./stage.ts";

after(closeEndpoints);

/** Writes for as long as somebody takes it. */
function flood(socket: Socket, head: string, text: () => string): void {
  socket.write(head);
  const write = (): void => {
    while (!socket.destroyed && socket.write(text()));
    if (!socket.destroyed) socket.once("drain", write);
  };
  write();
}

/** A byte now and then, for ever. */
function drip(socket: Socket, head: string): void {
  socket.write(head);
  const timer = setInterval(() => socket.write("x"), 10);
  socket.on("close", () => clearInterval(timer));
}

async function against(answer: Answering): Promise<string> {
  const endpoint = await endpointThat(answer);
  const said = failureOf(await runOn(endpoint.url()));
  await endpoint.untilClosed();
  return said;
}

test("what the network does is tried again, and its reason told", async () => {
  assert.match(
    await against((socket) => socket.resetAndDestroy()),
    /^retry: POST http:\/\/HOST: .*(ECONNRESET|hang up)/,
  );
  assert.match(await against((socket) => socket.destroy()), /^retry: POST http:\/\/HOST: socket hang up/);
  assert.match(await against((socket) => socket.end("hello\r\n\r\n")), /^retry: POST http:\/\/HOST: Parse Error/);
  const half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";
  assert.match(
    await against((socket) => socket.end(half)),
    /^retry: .*the answer broke off after 3 bytes of its body$/,
  );
  const chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc";
  assert.match(await against((socket) => socket.end(chunk)), /^retry: .*the answer broke off/);
  const upgrade = "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
  assert.match(await against((socket) => void socket.write(upgrade)), /^retry: .*it wants to speak another protocol/);
  const endpoint = await endpointThat(answerWith("200 OK"));
  const url = endpoint.url();
  await endpoint.close();
  assert.match(failureOf(await runOn(url)), /^retry: POST http:\/\/HOST: .*ECONNREFUSED/);
});

test("headers, interim answers and bodies without an end are given up", async () => {
  const headers: Answering = (socket) => flood(socket, "HTTP/1.1 200 OK\r\n", () => `X-A: ${"a".repeat(1_000)}\r\n`);
  assert.match(await against(headers), /^retry: .*Header overflow/);
  const interim: Answering = (socket) => flood(socket, "", () => "HTTP/1.1 102 Processing\r\n\r\n");
  assert.match(await against(interim), /^retry: .*more than 100 interim answers came/);
  const long = "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n";
  assert.equal(await against((socket) => flood(socket, long, () => "x".repeat(65_536))), "done");
  const chunked = "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n";
  assert.match(
    await against((socket) => flood(socket, chunked, () => `400\r\n${"x".repeat(1_024)}\r\n`)),
    /^retry: .*answered 500 Oops: xxx/,
  );
});

test("an answer that is packed is never unpacked", async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  const endpoint = await endpointThat((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.byteLength}\r\n\r\n`);
    socket.write(bomb);
  });
  assert.deepEqual(await runOn(endpoint.url()), {
    kind: "done",
    result: null,
    omitted: "the result was left out: the answer is packed as gzip, unasked",
  });
});

test("the status of an error counts at once, though its body drips or breaks off", async () => {
  const cut = "HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 100\r\n\r\nabc";
  assert.match(await against((socket) => socket.end(cut)), /^later in 9000 ms/);
  assert.match(
    await against((socket) => drip(socket, "HTTP/1.1 404 Gone\r\nContent-Length: 100000\r\n\r\n")),
    /^no retry: .*answered 404 Gone: xx/,
  );
});

const ENDLESS: readonly (readonly [string, Answering])[] = [
  ["never answers", () => {}],
  ["never ends its headers", (socket) => drip(socket, "HTTP/1.1 200 OK\r\nX-A: ")],
  ["drips its body", (socket) => drip(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")],
];

for (const [what, answer] of ENDLESS) {
  test(`a cancel, and a timeout, close the connection to one that ${what}`, async () => {
    const endpoint = await endpointThat(answer);
    const handler = handlerOf(endpoint.url());
    const start = (scope: CancelScope) => handler.start(handlerAttempt(), scope);

    const timedOut = await moveOnAfter(openRoot(), 50, start);
    assert.ok(timedOut.cancelled);
    await endpoint.untilClosed();

    const scope = openRoot();
    endpoint.answer = (socket, received) => {
      answer(socket, received);
      scope.cancel("cancelled");
    };
    const error = await start(scope).then(
      () => assert.fail("it ended by itself"),
      (thrown: unknown) => thrown,
    );
    assert.ok(isCancellation(error, scope), String(error));
    await endpoint.untilClosed();
    handler.close();
  });
}

test("a cancel before the request is sent sends none", async () => {
  const endpoint = await endpointThat(answerWith("200 OK"));
  const scope = openRoot();
  scope.cancel("early");
  await assert.rejects(handlerOf(endpoint.url()).start(handlerAttempt(), scope));
  assert.equal(endpoint.received.length, 0);
});

test("a large payload goes whole", async () => {
  const payloadText = JSON.stringify("x".repeat(5_000_000));
  const endpoint = await endpointThat(answerWith("200 OK"));
  assert.equal((await runOn(endpoint.url(), {}, { payloadText })).kind, "done");
  assert.equal(endpoint.received[0]?.body.length, payloadText.length);
});

test("a hundred attempts share no more connections than run at once", async () => {
  const endpoint = await endpointThat(answerWith("200 OK"));
  const handler = handlerOf(endpoint.url(), { concurrency: 3 });
  const endings = await Promise.all(Array.from({ length: 100 }, () => handler.start(handlerAttempt(), openRoot())));
  assert.ok(endings.every(({ kind }) => kind === "done"));
  assert.ok(endpoint.connections <= 3, `${endpoint.connections} connections`);
  handler.close();
});
