import assert from "node:assert/strict";
import { mock, test } from "node:test";
import fc from "fast-check";
import * as v from "valibot";
import { prepare as prepareFor } from "../../src/operations/prepare.ts";
import { formatMessage, parseMessage, refusalOfWritten } from "../../src/task/message/message.ts";
import type { TaskOptions } from "../../src/task/message/message-schema.ts";
import { InvalidTaskError, newId, payloadText, prepareTask, requestOf } from "../../src/task/message/new-task.ts";
import { withDefaults } from "../../src/task/options/enqueue-defaults.ts";
import { type EnqueueOptions, EnqueueOptionsSchema, optionIssues } from "../../src/task/options/enqueue-options.ts";
import { JsonText } from "../../src/task/text/json-text.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const surroundings = { now: NOW, retentionMs: 5_000 };
const prepare = (payload: unknown, options: EnqueueOptions = {}) =>
  prepareTask("greet", payload, options, surroundings);
const refusal = (payload: unknown, options: unknown): string => {
  try {
    prepare(payload, options as EnqueueOptions);
  } catch (error) {
    assert.ok(error instanceof InvalidTaskError, String(error));
    return error.message;
  }
  throw new Error("it was not refused");
};

test("a task has a new id of 32 hex digits, the common queue and the ordinary priority", () => {
  const { id, message, ...rest } = prepare({ a: 1 });
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.deepEqual(JSON.parse(message), { id, task_type: "greet", payload: { a: 1 } });
  assert.deepEqual(rest, { type: "greet", queue: "common", priority: 0, retentionMs: 5_000, dueAt: null });
});

test("a new id is a UUID of version 7: no two are alike, and later ones sort behind earlier ones", () => {
  const ids = Array.from({ length: 1_000 }, () => newId(NOW));
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^019ca9450a007[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  assert.ok(newId(Date.parse("2026-01-01T00:00:00Z")) < newId(Date.parse("2026-01-01T00:00:00.001Z")));
});

test("options of the run travel in the message", () => {
  const backoff = { kind: "fixed", delay_ms: 10 } as const;
  const options = {
    attempts: 2,
    backoff,
    crashBudget: 4,
    timeoutMs: 30,
    deadlineAt: new Date(NOW + 77),
    retentionMs: 0,
  };
  const { message, retentionMs } = prepare(null, options);
  assert.deepEqual(JSON.parse(message).taskexe, {
    attempts: 2,
    backoff,
    crash_budget: 4,
    timeout_ms: 30,
    deadline_at: NOW + 77,
    retention_ms: 0,
  });
  assert.equal(retentionMs, 0);
});

test("the delay is what is left when it is sent, and a time that has passed is now", () => {
  assert.equal(requestOf(prepare(1, { delayMs: 500 }), NOW + 200).delayMs, 300);
  assert.equal(requestOf(prepare(1, { at: new Date(NOW + 900) }), NOW).delayMs, 900);
  assert.equal("delayMs" in requestOf(prepare(1, { at: NOW - 1 }), NOW), false);
  assert.equal("delayMs" in requestOf(prepare(1, { delayMs: 500 }), NOW + 600), false);
});

test("the unique key is made of type and payload, whatever the order of keys, and held until the task is done", () => {
  const first = prepare({ a: 1, b: { c: [1, 2], d: null } }, { unique: {} });
  const second = prepare({ b: { d: null, c: [1, 2] }, a: 1 }, { unique: {} });
  const other = prepare({ a: 1, b: { c: [2, 1], d: null } }, { unique: {} });
  assert.deepEqual(first.unique, second.unique);
  assert.notEqual(first.unique?.key, other.unique?.key);
  assert.equal(first.unique?.ttlMs, null);
  assert.equal(JSON.parse(first.message).taskexe.unique_key, first.unique?.key);
});

test("a message says its unique key, and for how long that is held where it does not end with the task", () => {
  const { unique, message } = prepare(1, { unique: { key: "k", forMs: 60_000 } });
  assert.deepEqual(unique, { key: "k", ttlMs: 60_000 });
  assert.deepEqual(JSON.parse(message).taskexe, { unique_key: "k", unique_for_ms: 60_000 });
  assert.deepEqual(JSON.parse(prepare(1, { unique: { key: "k" } }).message).taskexe, { unique_key: "k" });
});

test("there are as many priorities as the fleet has", () => {
  assert.equal(prepareTask("greet", 1, { priority: 9 }, { ...surroundings, priorities: 10 }).priority, 9);
  assert.throws(
    () => prepareTask("greet", 1, { priority: 5 }, { ...surroundings, priorities: 5 }),
    /priority: must be 0 to 4, got 5/,
  );
});

test("what a definition says holds where the enqueue says nothing", () => {
  const definition = { queue: "mail", priority: 1, delayMs: 100, deadlineMs: 5_000, unique: { key: "k" } };
  assert.deepEqual(withDefaults({}, definition, NOW), {
    queue: "mail",
    priority: 1,
    delayMs: 100,
    deadlineAt: NOW + 5_000,
    unique: { key: "k" },
  });
  const said = { queue: "q", priority: 0, at: NOW + 7, deadlineAt: NOW + 9, unique: null };
  const { delayMs, ...rest } = withDefaults(said, definition, NOW);
  assert.deepEqual(rest, said);
  assert.equal(delayMs, undefined);
  assert.equal(prepare(1, withDefaults(said, definition, NOW)).unique, undefined);
});

test("what is wrong is refused with its place and what is expected there", () => {
  assert.match(
    refusal(1, { priority: 10 }),
    /^priority: must be a whole number from 0 \(ordinary\) to 9 \(most urgent\)$/,
  );
  assert.match(refusal(1, { priority: 2 }), /^priority: must be 0 to 1, got 2: the setting priorities is 2/);
  assert.match(refusal(1, { crashBudget: 1.5 }), /^crashBudget: must be a whole number$/);
  assert.match(refusal(1, { prority: 1 }), /^prority: is not known$/);
  assert.match(refusal(1, { queue: "a b" }), /^queue: must be letters, digits/);
  assert.match(refusal(1, { delayMs: -1 }), /^delayMs: must be 0 or more$/);
  assert.match(refusal(1, { delayMs: 1, at: NOW }), /exclude each other/);
  assert.match(refusal(1, { at: new Date("no") }), /^at: must be a Date, or Unix ms$/);
  assert.match(
    refusal(1, { unique: { forMs: 0 } }),
    /^unique.forMs: must be a number of ms from 1 to 3155760000000 \(100 years\), or "until-done"$/,
  );
  assert.match(refusal(1, { id: "" }), /^id: must not be empty$/);
  assert.match(refusal(1, { id: "s\ud800x" }), /^id: must be text without halves of characters$/);
  assert.match(refusal(1, { at: 1e17 }), /^at: must be a time from 2000-01-01 to 2100-01-01, got 100000000000000000$/);
  assert.match(refusal(1, { at: Number.NaN }), /^at: must be a Date, or Unix ms$/);
  assert.match(refusal(1, { deadlineAt: Number.POSITIVE_INFINITY }), /^deadlineAt: must be a time like/);
  assert.match(refusal(1, { delayMs: 1e300 }), /^delayMs: must be at most 3155760000000 ms \(100 years\)$/);
  assert.match(refusal(1, { backoff: { kind: "fixed", delay_ms: 1e300 } }), /^backoff.delay_ms: must be at most/);
  assert.match(
    refusal(() => 1, {}),
    /the payload cannot be written as JSON: it is a function/,
  );
  assert.match(refusal(1n, {}), /the payload cannot be written as JSON: .*BigInt/);
  assert.match(refusal("x".repeat(5_000_000), {}), /characters long; at most 4194304/);
});

test("a payload that is nested too deeply is refused, however deep", () => {
  for (const depth of [600, 200_000]) {
    let deep: unknown = 1;
    for (let level = 0; level < depth; level++) deep = [deep];
    assert.match(refusal(deep, {}), /nested/);
    assert.match(refusal(deep, { unique: {} }), /nested/);
  }
});

test("what is refused before it is sent is what a reader of the message would refuse, for the same reason", () => {
  const text = fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom("", "\ud800", "x".repeat(129), "x".repeat(257)));
  const number = fc.constantFrom(1, 2, 1_000);
  const options = fc.record({ attempts: number, timeout_ms: number }, { requiredKeys: [] });
  const payload = fc.oneof(fc.jsonValue(), fc.constantFrom("x".repeat(4_300_000), "[".repeat(600)));
  fc.assert(
    fc.property(text, text, payload, options, (id, type, value, given) => {
      const parts = { id, type, options: given as TaskOptions };
      const message = formatMessage({ ...parts, payload: value });
      const parsed = parseMessage(message);
      assert.equal(refusalOfWritten(message, parts), parsed.ok ? null : parsed.reason);
    }),
    { numRuns: 300, seed: 1 },
  );
});

test("a payload is parsed once for its unique key and its schema, and not at all where nothing needs it", () => {
  const parse = mock.method(JSON, "parse");
  try {
    prepare({ a: 1 });
    assert.equal(parse.mock.callCount(), 0);
    const json = payloadText({ a: 1, b: [2] });
    prepare(json, { unique: {} });
    assert.deepEqual(json.value(), { a: 1, b: [2] });
    assert.equal(parse.mock.callCount(), 1);
  } finally {
    parse.mock.restore();
  }
});

test("through the client's way, too, nothing is parsed, and a text that was parsed before is not parsed again", () => {
  const parse = mock.method(JSON, "parse");
  try {
    prepareFor({ now: () => NOW }, { retentionMs: 0 }, { type: "greet", payload: { a: 1 } });
    assert.equal(parse.mock.callCount(), 0);
    const payload = JsonText.parsed('{ "a": 1 }', { a: 1 });
    prepareFor({ now: () => NOW }, { retentionMs: 0 }, { type: "greet", payload });
    assert.equal(parse.mock.callCount(), 0);
  } finally {
    parse.mock.restore();
  }
});

test("options are refused exactly where their schema refuses them, with its issues", () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(undefined, null, "a", "", "x-cancel", -1, 0, 0.5, 1, 3, 1_001, Number.NaN, NOW, {}),
    fc.constantFrom<unknown>(new Date(NOW), { key: "k" }, { key: "" }, { forMs: 5 }, { kind: "fixed", delay_ms: 1 }),
  );
  const key = fc.constantFrom(...Object.keys(EnqueueOptionsSchema.entries), "deadlineMs", "toString", "__proto__");
  const entries = fc.array(fc.tuple(key, value), { maxLength: 3 });
  fc.assert(
    fc.property(entries, (some) => {
      const options = Object.fromEntries(some);
      const expected = v.safeParse(EnqueueOptionsSchema, options);
      assert.deepEqual(optionIssues(options) ?? undefined, expected.issues);
    }),
    { numRuns: 2_000, seed: 1 },
  );
});

test("an option is read once: what was checked is what is sent", () => {
  let reads = 0;
  const options = {
    get attempts(): number {
      return ++reads;
    },
  };
  const { task } = prepareFor({ now: () => NOW }, { retentionMs: 0 }, { type: "greet", options });
  assert.deepEqual(JSON.parse(task.message).taskexe, { attempts: 1 });
  assert.equal(reads, 1);
});
