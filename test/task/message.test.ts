/** What a message says is read from that message alone, whatever was read before it and wherever its keys stand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as v from "valibot";
import { MessageSchema, parseMessage } from "../../src/task/message.ts";

/** What the schema itself says of a message: its options, or that it is refused. */
function bySchema(raw: string): unknown {
  const checked = v.safeParse(MessageSchema, JSON.parse(raw));
  return checked.success ? (checked.output.taskexe ?? {}) : "refused";
}

function read(raw: string): unknown {
  const parsed = parseMessage(raw);
  return parsed.ok ? { ...parsed.message.options } : "refused";
}

const head = '{"id":"a","task_type":"t"';

test("options are read by their message, even where another one has ended in the same way", () => {
  const messages = [
    `${head},"payload":null,"taskexe":{"attempts":5}}`,
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
  ];
  for (const raw of [...messages, ...messages.toReversed(), ...messages])
    assert.deepEqual(read(raw), bySchema(raw), raw);
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
  const payload = fc.oneof(
    fc.constant(null),
    fc.record({ taskexe: options }),
    fc.constant(',"taskexe":{"attempts":5}}'),
  );
  const first = fc.record({ id: fc.constant("a"), payload, taskexe: options });
  const last = fc.record({ id: fc.constant("a"), taskexe: options, payload }, { requiredKeys: ["id", "payload"] });
  const raw = fc.oneof(first, last).map((message) => JSON.stringify({ task_type: "t", ...message }));
  fc.assert(
    fc.property(fc.array(raw, { minLength: 2, maxLength: 20 }), (messages) => {
      for (const message of messages) assert.deepEqual(read(message), bySchema(message), message);
    }),
    { numRuns: 500 },
  );
});
