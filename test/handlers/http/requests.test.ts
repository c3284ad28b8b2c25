import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, test } from "node:test";
import { openRoot } from "../../../src/concurrency/index.ts";
import type { TraceContext } from "../../../src/task/trace/trace-context.ts";
import { answerWith, closeEndpoints, endpointThat } from "../../stage/endpoint.ts";
import { handlerAttempt } from "../../stage/handler-attempt.ts";
import { failureOf, handlerOf, runOn } from "./stage.ts";

after(closeEndpoints);

const OK = answerWith("200 OK");

test("an attempt POSTs the payload as it was given, and says which task it is", async () => {
  const endpoint = await endpointThat(OK);
  const payloadText = '{"b": 9007199254740993, "1": 1.0, "ü": "✓"}';
  const task = { id: "a/b", type: "Größe", queue: "q", priority: 0, queuedAt: null, message: {} };
  await runOn(endpoint.url("/tasks?x=1"), {}, { ...task, task, payloadText, attempt: 3 });
  const [received] = endpoint.received;
  assert.equal(received?.method, "POST");
  assert.equal(received.path, "/tasks?x=1");
  assert.equal(received.body, payloadText);
  const { headers } = received;
  assert.equal(headers.host, `127.0.0.1:${endpoint.port}`);
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["accept-encoding"], "identity");
  assert.equal(headers["taskexe-task-id"], "a/b");
  assert.equal(headers["idempotency-key"], "a/b");
  assert.equal(headers["webhook-id"], "a/b");
  assert.equal(headers["taskexe-task-type"], "Gr%C3%B6%C3%9Fe");
  assert.equal(headers["taskexe-queue"], "q");
  assert.equal(headers["taskexe-attempt"], "3");
});

test("without a secret it is not signed; with several each of them signs time and body", async () => {
  const endpoint = await endpointThat(OK);
  await runOn(endpoint.url());
  assert.equal(endpoint.received[0]?.headers["webhook-signature"], undefined);
  const keys = [Buffer.from("the first secret"), Buffer.from("the second secret")];
  const before = Math.floor(Date.now() / 1_000);
  await runOn(endpoint.url(), { keys }, { payloadText: '"ü"' });
  const { headers, body } = endpoint.received[1] ?? assert.fail();
  const at = headers["webhook-timestamp"] ?? "";
  assert.ok(Number(at) >= before && Number(at) <= Date.now() / 1_000, at);
  const expected = keys.map((key) => {
    const digest = createHmac("sha256", key).update(`one.${at}.${body}`).digest("base64");
    return `v1,${digest}`;
  });
  assert.equal(headers["webhook-signature"], expected.join(" "));
});

test("a request belongs to the trace of its attempt, or all attempts of a task to one of their own", async () => {
  const endpoint = await endpointThat(OK);
  const send = async (trace: TraceContext | null, id = "one") => {
    await runOn(endpoint.url(), {}, { id, trace });
    return endpoint.received.at(-1)?.headers ?? {};
  };
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const without = await send({ traceparent });
  assert.deepEqual([without.traceparent, without.tracestate], [traceparent, undefined]);
  assert.equal((await send({ traceparent, tracestate: "a=1" })).tracestate, "a=1");
  const own = (await send(null)).traceparent ?? "";
  assert.match(own, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
  const again = (await send(null)).traceparent ?? "";
  assert.equal(again.slice(0, 35), own.slice(0, 35));
  assert.notEqual(again, own, "the request is a span of its own");
  assert.notEqual((await send(null, "two")).traceparent?.slice(0, 35), own.slice(0, 35));
});

test("configured headers are sent, and taken out of what the other side says", async () => {
  const endpoint = await endpointThat(answerWith("400 Bad", "you said Bearer s3cret"));
  const ending = await runOn(endpoint.url(), { headers: { Authorization: "Bearer s3cret" } });
  assert.equal(endpoint.received[0]?.headers.authorization, "Bearer s3cret");
  assert.equal(failureOf(ending), "no retry: POST http://HOST answered 400 Bad: you said ***");
});

test("a JSON body is the result, to the letter; any other body is none", async () => {
  const endpoint = await endpointThat(OK);
  const resultOf = async (status: string, body: string, headers = {}) => {
    endpoint.answer = answerWith(status, body, headers);
    const ending = await runOn(endpoint.url());
    return ending.kind === "done" ? [ending.result, ending.omitted] : failureOf(ending);
  };
  const json = { "Content-Type": "application/json; charset=utf-8" };
  assert.deepEqual(await resultOf("200 OK", '{"n":9007199254740993,\n"a":1.0}', json), [
    '{"n":9007199254740993, "a":1.0}',
    null,
  ]);
  assert.deepEqual(await resultOf("201 Created", " [1] ", { "Content-Type": "text/plain" }), ["[1]", null]);
  assert.deepEqual(await resultOf("200 OK", "null"), ["null", null]);
  assert.deepEqual(await resultOf("200 OK", ""), [null, null]);
  assert.deepEqual(await resultOf("204 No Content", ""), [null, null]);
  assert.deepEqual(await resultOf("200 OK", "ok", { "Content-Type": "text/plain" }), [null, null]);
  const left = (reason: string) => [null, `the result was left out: ${reason}`];
  assert.deepEqual(await resultOf("200 OK", "{", json), left("the answer: it is not JSON"));
  assert.deepEqual(await resultOf("200 OK", "1e999", { "Content-Type": "application/problem+json" }), [
    null,
    "the result was left out: the answer: it has a number that is larger than any that can be read back",
  ]);
  const gzip = { "Content-Encoding": "gzip", ...json };
  assert.deepEqual(await resultOf("200 OK", "\u001f", gzip), left("the answer is packed as gzip, unasked"));
  const long = await resultOf("200 OK", `"${"x".repeat(1024 * 1024)}"`, json);
  assert.match(String(long[1]), /^the result was left out: it is 1048578 characters of JSON; at most 1048576 are kept/);
  assert.deepEqual(
    await resultOf("200 OK", `"${"x".repeat(4_000_000)}"`, json),
    left("the answer is longer than 3145728 bytes"),
  );
  const deep = await resultOf("200 OK", "[".repeat(100_000), json);
  assert.match(String(deep[1]), /nested deeper than/);
});

test("a status says whether another attempt follows, and when", async () => {
  const endpoint = await endpointThat(OK);
  const date = "Wed, 21 Oct 2026 07:28:00 GMT";
  const later = (status: string, after: string, headers = {}) =>
    [status, { "Retry-After": after, ...headers }] as const;
  const rows: readonly (readonly [readonly [string, Readonly<Record<string, string>>], RegExp])[] = [
    [["400 Bad Request", {}], /^no retry: POST http:\/\/HOST answered 400 Bad Request: the body$/],
    [["404 Not Found", {}], /^no retry/],
    [["409 Conflict", {}], /^no retry/],
    [["422 Unprocessable", {}], /^no retry/],
    [["500 Oops", {}], /^retry: .* answered 500 Oops: the body$/],
    [["502 Bad Gateway", {}], /^retry/],
    [["599 Odd", {}], /^retry/],
    [["503 Busy", {}], /^retry/],
    [["429 Slow", {}], /^retry/],
    [["304 Not Modified", {}], /^no retry/],
    [["302 Found", {}], /^no retry/],
    [later("429 Slow", "7"), /^later in 7000 ms: .* answered 429 Slow/],
    [later("503 Busy", "120"), /^later in 120000 ms/],
    [later("503 Busy", "0"), /^later in 1000 ms/],
    [later("503 Busy", "999999999999"), /^later in 3155760000000 ms/],
    [later("503 Busy", "-1"), /^retry/],
    [later("503 Busy", "soon"), /^retry/],
    [later("503 Busy", "1.5"), /^retry/],
    [later("503 Busy", date, { Date: "Wed, 21 Oct 2026 07:27:30 GMT" }), /^later in 30000 ms/],
    [
      later("429 Slow", "Wednesday, 21-Oct-26 07:28:00 GMT", { Date: "Wed, 21 Oct 2026 07:27:30 GMT" }),
      /^later in 30000/,
    ],
    [later("429 Slow", "Wed Oct 21 07:28:00 2026", { Date: "Wed, 21 Oct 2026 07:27:30 GMT" }), /^later in 30000 ms/],
    [later("503 Busy", date, { Date: "Wed, 21 Oct 2026 09:00:00 GMT" }), /^later in 1000 ms/],
    [later("500 Oops", "7"), /^retry/],
    [later("404 Gone", "7"), /^no retry/],
  ];
  for (const [[status, headers], expected] of rows) {
    endpoint.answer = status.startsWith("304")
      ? answerWith(status, "", headers)
      : answerWith(status, "the body", headers);
    assert.match(failureOf(await runOn(endpoint.url())), expected, `${status} ${JSON.stringify(headers)}`);
  }
});

test("a date without a clock of the answer's own counts from ours", async () => {
  const at = new Date(Date.now() + 60_000).toUTCString();
  const endpoint = await endpointThat(answerWith("503 Busy", "", { "Retry-After": at }));
  const ending = await runOn(endpoint.url());
  assert.ok(ending.kind === "failed" && ending.later && ending.retryInMs !== null);
  assert.ok(ending.retryInMs > 30_000 && ending.retryInMs <= 60_000, String(ending.retryInMs));
});

test("what an error says is short, and cannot steer a terminal", async () => {
  const endpoint = await endpointThat(answerWith("500 Oops", `\u001b[31m${"x".repeat(100_000)}`));
  const ending = await runOn(endpoint.url());
  assert.ok(ending.kind === "failed" && ending.error.message.length < 1_200);
  assert.match(ending.error.message, /answered 500 Oops: \\u001b\[31mxxx/);
});

test("connections are used again, and closed with the handler", async () => {
  const endpoint = await endpointThat(OK);
  const handler = handlerOf(endpoint.url());
  for (let n = 0; n < 5; n++) await handler.start(handlerAttempt(), openRoot());
  assert.equal(endpoint.connections, 1);
  assert.equal(endpoint.closed, 0);
  handler.close();
  await endpoint.untilClosed();
});

test("a connection that the other side closes as it is used again costs no attempt", async () => {
  const endpoint = await endpointThat(OK);
  const handler = handlerOf(endpoint.url());
  await handler.start(handlerAttempt(), openRoot());
  let resets = 0;
  endpoint.answer = (socket, received) => {
    if (resets++ === 0) socket.resetAndDestroy();
    else OK(socket, received);
  };
  const ending = await handler.start(handlerAttempt(), openRoot());
  assert.equal(ending.kind, "done");
  assert.equal(resets, 2);
  handler.close();
});
