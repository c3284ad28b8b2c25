/** What a message says is read from that message alone, whatever was read before it and wherever its keys stand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as v from "valibot";
import { formatMessage, parseMessage, withOptions } from "../../src/task/message/message.ts";
import { MessageSchema, type TaskOptions } from "../../src/task/message/message-schema.ts";
import { traceIn } from "../../src/task/trace/trace-context.ts";

/** What the parser and the schema themselves say of a message, or that it is refused. */
function bySchema(raw: string): unknown {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(raw);
  } catch {
    return "refused";
  }
  const checked = v.safeParse(MessageSchema, fields);
  if (!checked.success) return "refused";
  const { id, task_type: type, taskexe: options } = checked.output;
  const { taskexe: _, ...whole } = fields;
  const foreign = !("payload" in fields);
  const payload = foreign ? whole : fields.payload;
  return { id, type: type || "default", payload, options: options ?? {}, foreign, fields, trace: traceIn(fields) };
}

function read(raw: string): unknown {
  const parsed = parseMessage(raw);
  if (!parsed.ok) return "refused";
  const { id, type, payload, payloadText, options, foreign, fields, trace } = parsed.message;
  assert.deepEqual(JSON.parse(payloadText), payload, raw);
  return { id, type, payload, options: { ...options }, foreign, fields, trace };
}

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const traced = `"trace":{"traceparent":"${TRACEPARENT}"}`;
const head = '{"id":"a","task_type":"t"';

test("options are read by their message, even where another one has ended in the same way", () => {
  const messages = [
    `${head},"payload":null,"taskexe":{"attempts":5}}`,
    // A trace, as we write it, as others do, and where it says nothing.
    `${head},${traced},"payload":{"n":1}}`,
    `${head},${traced},"payload":{"n":1},"taskexe":{"attempts":5}}`,
    `${head},"payload":{"n":1},${traced}}`,
    `${head},${traced},"payload":1,"trace":{"traceparent":"00-1"}}`,
    `${head},"trace":{"traceparent":"${TRACEPARENT}","tracestate":"a=1"},"payload":null}`,
    `${head},"trace":{"traceparent":"${TRACEPARENT.replace("00-", "ff-")}"},"payload":null}`,
    `${head},"trace":{"traceparent":"${TRACEPARENT.replace("b7ad6b7169203331", "0".repeat(16))}"},"payload":null}`,
    `${head},"trace":"none","payload":null}`,
    `${head},"traceparent":"${TRACEPARENT}"}`,
    // The same end, within the payload; the task itself has no options.
    `${head},"payload":{"taskexe":1,"taskexe":{"attempts":5}}}`,
    // The same end, within the options.
    `${head},"payload":null,"taskexe":{"attempts":7,"taskexe":{"attempts":5}}}`,
    // The options stand before a payload that ends like them.
    `{"id":"a","taskexe":{"attempts":9},"task_type":"t","payload":{"b":1,"taskexe":{"attempts":5}}}`,
    `${head},"payload":",\\"taskexe\\":{\\"attempts\\":5}}"}`,
    // The last of two keys counts, also where it is written with an escape.
    `${head},"taskexe":{"attempts":3},"payload":null,"taskexe":{"attempts":5}}`,
    `${head},"payload":null,"taskexe":{"attempts":5},"task\\u0065xe":{"attempts":6}}`,
    `${head},"payload":null,"taskexe":{"attempts":0}}`,
    `${head},"payload":null,"taskexe":{"attempts":5} }`,
    `${head},"payload":null,"taskexe":{}}`,
    // More than one value, none, and another message hidden where the payload stands.
    `${head},"payload":1,"payload":2}`,
    `${head},"payload":1,"payload":2,"taskexe":{"attempts":5}}`,
    `${head},"payload":null,"id":"b"}`,
    `${head},"payload":}`,
    `${head},"payload":,"taskexe":{"attempts":5}}`,
    `${head},"payload":null}}`,
    `${head},"payload":[1}`,
    `${head},"payload": {"a":1} }`,
    // Texts that stand otherwise than they are meant.
    '{"id":"a\\u0062","task_type":"t","payload":null}',
    '{"id":"a\\"","task_type":"t","payload":null}',
    '{"id":"a\nb","task_type":"t","payload":null}',
    '{"id":"ä😀","task_type":"ü","payload":"ß"}',
    '{"id":"\ud83d","task_type":"t","payload":null}',
    '{"id":"","task_type":"t","payload":null}',
    '{"id":"a","task_type":"","payload":null}',
    `{"id":"${"a".repeat(257)}","task_type":"t","payload":null}`,
    `{"id":"a","task_type":"${"t".repeat(129)}","payload":null}`,
    '{"id":"a","task_type":null,"payload":null}',
    '{"id":"a","payload":null}',
    '{"id":"a',
    '{"id":"a","task_type":"t","payload":null',
  ];
  for (const raw of [...messages, ...messages.toReversed(), ...messages])
    assert.deepEqual(read(raw), bySchema(raw), raw);
});

test("a count that no number can hold exactly is refused before anything runs", () => {
  for (const key of ["attempt", "attempts", "crashes", "crash_budget", "failures", "retry_later", "unknown_type"]) {
    const parsed = parseMessage(`{"id":"a","payload":1,"taskexe":{"${key}":1e300}}`);
    assert.ok(!parsed.ok, key);
    assert.match(parsed.reason, new RegExp(`taskexe.${key}: .*got number 1e\\+300`));
    assert.equal(parsed.id, "a");
  }
});

test("a sequence of messages is read as if each were the only one", () => {
  const options = fc.record(
    {
      attempts: fc.constantFrom(0, 1, 5),
      retention_ms: fc.constantFrom(0, 1_000),
      unique_key: fc.constantFrom("k", "}", '"},"taskexe":{', ""),
      backoff: fc.constant({ kind: "fixed", delay_ms: 1 }),
      taskexe: fc.record({ attempts: fc.constantFrom(1, 5) }),
    },
    { requiredKeys: [] },
  );
  const id = fc.oneof(
    fc.constant("a"),
    fc.string({ unit: "grapheme", maxLength: 5 }),
    fc.constantFrom('"', "\\", "\n"),
  );
  const payload = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constant(null),
    fc.record({ taskexe: options }),
    fc.constant(',"taskexe":{"attempts":5}}'),
  );
  const first = fc.record({ id, payload, taskexe: options });
  const last = fc.record({ id, taskexe: options, payload }, { requiredKeys: ["id", "payload"] });
  const trace = fc.constantFrom(null, { traceparent: TRACEPARENT }, { traceparent: TRACEPARENT, tracestate: "a=}" });
  const ours = fc.tuple(id, payload, options, trace).map(([id, payload, options, trace]) => {
    return formatMessage({ id, type: "t", payload, options: options as TaskOptions, trace });
  });
  const anyOrder = fc.oneof(first, last).map((message) => JSON.stringify({ task_type: "t", ...message }));
  const raw = fc.oneof(ours, anyOrder);
  fc.assert(
    fc.property(fc.array(raw, { minLength: 2, maxLength: 20 }), (messages) => {
      for (const message of messages) assert.deepEqual(read(message), bySchema(message), message);
    }),
    { numRuns: 500 },
  );
});

test("a retry keeps the trace of its task", () => {
  const trace = { traceparent: TRACEPARENT, tracestate: "a=1,b=2" };
  const first = formatMessage({ id: "a", type: "t", payload: { n: 1 }, trace });
  const parsed = parseMessage(withOptions(first, { attempt: 2 }));
  assert.ok(parsed.ok);
  const { trace: kept, options, payloadText } = parsed.message;
  assert.deepEqual([kept, options, payloadText], [trace, { attempt: 2 }, '{"n":1}']);
});
