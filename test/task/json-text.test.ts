/** JSON that is passed on as it came: what is cut out of a text, put together or looked for agrees with the parser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatMessage, parseMessage, withOptions } from "../../src/task/message/message.ts";
import { prepareTask } from "../../src/task/message/new-task.ts";
import { itemsOf, membersOf, numbersOf, withoutMember } from "../../src/task/text/json-spans.ts";
import { distinctValue, endlessNumber, JsonText, withPayloadTexts, writeJson } from "../../src/task/text/json-text.ts";

const key = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 4 }),
  fc.constantFrom("a", "payload", "taskexe", "__proto__", '"', "\\", '\\"', "{", "1", "constructor"),
);
const number = fc.oneof(
  fc.constantFrom("0", "-0", "1.0", "1e2", "1E+2", "1e-400", "9007199254740993", "123456789012345678901234567890"),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);
const space = fc.constantFrom("", "", "", " ", "\n", "\r\n", "\t", " \n ");
const quoted = key.map((text) => JSON.stringify(text).replace("a", "\\u0061"));

/** Any JSON text, with white space anywhere, keys that come twice, and every spelling of numbers. */
const { json } = fc.letrec<{ json: string; inner: string }>((tie) => ({
  inner: fc.oneof(
    { maxDepth: 4, depthIdentifier: "json" },
    fc.oneof(fc.constantFrom("null", "true", "false"), number, quoted),
    fc
      .array(fc.tuple(space, tie("inner"), space), { maxLength: 4, depthIdentifier: "json" })
      .map((items) => `[${items.map((item) => item.join("")).join(",")}]`),
    fc
      .array(fc.tuple(space, quoted, space, fc.constant(":"), space, tie("inner"), space), {
        maxLength: 4,
        depthIdentifier: "json",
      })
      .map((members) => `{${members.map((member) => member.join("")).join(",")}}`),
  ),
  json: fc.tuple(space, tie("inner"), space).map((parts) => parts.join("")),
}));
const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];

test("members, items and numbers stand where the parser found them", () => {
  fc.assert(
    fc.property(json, (text) => {
      const value = JSON.parse(text);
      const members = membersOf(text).map((each) => [each.key, JSON.parse(text.slice(each.from, each.to))] as const);
      assert.deepEqual(Object.entries(Object.fromEntries(members)), entriesOf(value));
      const items = itemsOf(text).map(({ from, to }) => JSON.parse(text.slice(from, to)));
      assert.deepEqual(items, Array.isArray(value) ? value : []);
      // Each number takes the place of another one, and nothing else is changed by that.
      let shifted = "";
      let at = 0;
      for (const { from, to } of numbersOf(text)) {
        assert.equal(typeof JSON.parse(text.slice(from, to)), "number");
        shifted += `${text.slice(at, from)}7`;
        at = to;
      }
      const sevens = (part: unknown): unknown => (typeof part === "number" ? 7 : part);
      assert.deepEqual(
        JSON.parse(shifted + text.slice(at)),
        JSON.parse(text, (_, part) => sevens(part)),
      );
    }),
    { numRuns: 500 },
  );
});

test("without a member all others stand as they did", () => {
  fc.assert(
    fc.property(json, key, (text, name) => {
      const rest = withoutMember(text, name);
      const expected = Object.fromEntries(entriesOf(JSON.parse(text)).filter(([each]) => each !== name));
      if (membersOf(text).some((member) => member.key === name)) assert.deepEqual(JSON.parse(rest), expected);
      else assert.equal(rest, text);
    }),
    { numRuns: 500 },
  );
  assert.equal(withoutMember('{ "x" : 1 , "a":2,"x":3 , "b":1.0 }', "x"), '{ "a":2 , "b":1.0 }');
  assert.equal(withoutMember('{"x":1,"x":2}', "x"), "{}");
});

test("a payload travels through a message and its retries as it came, on one line", () => {
  const options = fc.constantFrom(
    {},
    { attempts: 5 },
    { unique_key: '"},{' },
    { backoff: { kind: "fixed" as const, delay_ms: 1 } },
  );
  fc.assert(
    fc.property(json, options, options, (text, first, second) => {
      const payload = new JsonText(text);
      assert.deepEqual(payload.value(), JSON.parse(text));
      assert.ok(!/[\r\n]/.test(payload.text));
      assert.equal(payload.text.replaceAll(/\s/g, ""), text.replaceAll(/\s/g, ""));
      const message = formatMessage({ id: "a", type: "t", payload, options: first });
      for (const each of [message, withOptions(message, second), withOptions(withOptions(message, second), first)]) {
        // The first time by whoever reads any message, then by who knows how ours end.
        for (const parsed of [parseMessage(each), parseMessage(each)]) {
          assert.ok(parsed.ok, JSON.stringify(parsed));
          assert.equal(parsed.message.payloadText, payload.text);
          assert.deepEqual(parsed.message.payload, JSON.parse(text));
        }
      }
      const again = parseMessage(withOptions(message, second));
      assert.deepEqual(again.ok && { ...again.message.options }, second);
    }),
    { numRuns: 300 },
  );
});

test("a message of another producer keeps its text through a retry, and is its own payload without our options", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(quoted, json), { maxLength: 4 }), (members) => {
      const others = members.filter(([name]) => !["payload", "taskexe", "id", "task_type"].includes(JSON.parse(name)));
      const raw = `{"id":"a"${others.map(([name, text]) => `,${name}:${text}`).join("")}}`;
      const retried = withOptions(raw, { attempt: 2 });
      for (const each of [raw, retried, withOptions(retried, { attempt: 3 })]) {
        const parsed = parseMessage(each);
        assert.ok(parsed.ok && parsed.message.foreign, JSON.stringify(parsed));
        assert.equal(parsed.message.payloadText, new JsonText(raw).text);
        assert.deepEqual(parsed.message.payload, JSON.parse(raw));
      }
    }),
    { numRuns: 300 },
  );
});

test("a number without an end is refused with the way to it, wherever it stands", () => {
  const paths: Readonly<Record<string, string>> = {
    "1e400": "payload",
    '{"a":[1,2,{},-1e999]}': "payload.a[3]",
    '{"a b":{"c":1.5E+0309}}': 'payload["a b"].c',
    '[[],[{"x":{"y":[0,1e400]}}]]': "payload[1][0].x.y[1]",
    [`{"n":${"9".repeat(400)}}`]: "payload.n",
    [`{"n":1${"0".repeat(250)}e59}`]: "payload.n",
    '{"n":0,"n":1e400,"n":1}': "payload.n",
    '{"\\u0061":\n 1e400}': "payload.a",
  };
  for (const [text, path] of Object.entries(paths)) {
    const refusal = (error: Error) =>
      error.message.startsWith(`${path}: `) && /is larger than any number/.test(error.message);
    assert.throws(() => prepareTask("t", new JsonText(text), {}, { now: 0, retentionMs: 0 }), refusal, text);
  }
  const foreign = parseMessage('{"id":"a","doc":{"pages":[1e400]}}');
  assert.deepEqual(foreign, {
    ok: false,
    id: "a",
    reason: "doc.pages[0]: 1e400 is larger than any number that can be read back",
  });
  const fine = ["1e308", "1e-400", '"1e400"', '["1e400, 1e999 "]', '{"1e400":1}', "-0", "9".repeat(308), '"1e400\\""'];
  for (const text of fine) assert.equal(endlessNumber(text), null, text);
});

test("two payloads that differ only in digits which a number cannot hold have different unique keys", () => {
  const keyOf = (text: string) =>
    prepareTask("t", new JsonText(text), { unique: {} }, { now: 0, retentionMs: 0 }).unique?.key;
  assert.notEqual(keyOf('{"n":9007199254740993}'), keyOf('{"n":9007199254740992}'));
  assert.notEqual(keyOf("[0.12345678901234567]"), keyOf("[0.12345678901234568]"));
  assert.equal(keyOf('{"a":9007199254740993,"b":1}'), keyOf('{"b":1, "a":9007199254740993}'));
  assert.equal(keyOf('{"a":0.1,"b":2}'), keyOf('{ "b": 2.0, "a": 1e-1 }'));
  assert.deepEqual(distinctValue(new JsonText('{"a":[0.30000000000000004]}')), { a: [0.30000000000000004] });
});

test("the payload of a task, or of each of many, is cut out of the text that it came in", () => {
  const textsIn = (text: string): unknown => {
    const task = withPayloadTexts(text, JSON.parse(text)) as { payload?: JsonText; tasks?: { payload?: JsonText }[] };
    return task.tasks?.map(({ payload }) => payload?.text) ?? task.payload?.text;
  };
  assert.equal(textsIn('{"payload":1,"type":"t","p\\u0061yload": {"b":1.0,\n"1":-0} }'), '{"b":1.0, "1":-0}');
  assert.deepEqual(textsIn('{"tasks":[{"payload":1e2},{"type":"t"},\n{"payload":[9007199254740993 ]}]}'), [
    "1e2",
    undefined,
    "[9007199254740993 ]",
  ]);
  for (const text of ["[]", "1", "null", '{"type":"t"}', '{"tasks":{}}', '{"tasks":[1,null,[]]}']) {
    assert.deepEqual(withPayloadTexts(text, JSON.parse(text)), JSON.parse(text), text);
  }
});

test("a text within other values is written as it is", () => {
  const text = new JsonText('{"b":1.0,"1":"$&","b":9007199254740993}');
  assert.equal(writeJson({ a: [text, 1] }), `{"a":[${text.text},1]}`);
  assert.equal(writeJson({ a: text, c: "x" }, 2), `{\n  "a": ${text.text},\n  "c": "x"\n}`);
  assert.equal(writeJson(text), text.text);
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(writeJson(value, 2), JSON.stringify(value, null, 2))));
});

test("a message of the greatest length is cut and put together in a time that grows with its length alone", () => {
  const quotes = JSON.stringify('\\"'.repeat(700_000));
  const text = `{"id":"a","task_type":"t","payload":[${quotes},"${"1".repeat(199)}${"x1e3".repeat(10_000)}",1]}`;
  const begun = performance.now();
  for (let round = 0; round < 5; round++) {
    const parsed = parseMessage(withOptions(text, { attempt: 2 }));
    assert.ok(parsed.ok && parsed.message.payloadText.length > 2_000_000);
  }
  // About 60 ms; what grows with the square of the length takes minutes.
  assert.ok(performance.now() - begun < 5_000);
});
