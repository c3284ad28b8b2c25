import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "@logtape/logtape";
import { jsonFormat, prettyFormat } from "../../../src/cli/output/log-format.ts";

const pretty = prettyFormat({ colours: false, stacks: false });
const json = jsonFormat({ stacks: false });

function record(raw: string, properties: Record<string, unknown>, level: LogRecord["level"] = "info"): LogRecord {
  const message: unknown[] = [];
  raw.split(/\{(\w+)\}/).forEach((part, index) => {
    message.push(index % 2 === 0 ? part : properties[part]);
  });
  return { category: ["taskexe", "executor"], level, message, rawMessage: raw, timestamp: 0, properties };
}

test("a pretty line has time, level, part, message, and the properties that the message does not quote", () => {
  const line = pretty(record("task {id} failed", { id: "x", attempt: 2, why: { a: 1 } }, "warning"));
  assert.equal(line, '00:00:00.000 WRN executor: task x failed attempt=2 why={"a":1}\n');
});

test("a JSON line has the properties as they are, and errors by name and message", () => {
  const line = json(record("task {id} failed", { id: "x", error: new RangeError("too far") }, "warning"));
  assert.deepEqual(JSON.parse(line), {
    time: "1970-01-01T00:00:00.000Z",
    level: "warn",
    logger: "taskexe.executor",
    message: "task x failed",
    id: "x",
    error: { name: "RangeError", message: "too far" },
  });
});

test("names of ours are in snake case in a JSON line, and those that a handler gave stay", () => {
  const ours = json(record("after {delayMs} ms", { delayMs: 5, message: "not the line's" }));
  assert.deepEqual(Object.keys(JSON.parse(ours)), ["time", "level", "logger", "message", "delay_ms"]);
  const handlers = json({ ...record("said", { id: "x", userName: "y" }), category: ["taskexe", "task"] });
  assert.equal(JSON.parse(handlers).userName, "y");
});

test("secrets never stand in a line, wherever they come from", () => {
  const secrets = {
    url: "redis://user:s3cret@host/1",
    password: "s3cret",
    nested: { apiKey: "s3cret", address: "redis://:s3cret@host", deep: { access_token: "s3cret" } },
    error: new Error("cannot reach redis://:s3cret@host"),
    group: new AggregateError([new Error("redis://:s3cret@host")], "redis://:s3cret@host"),
  };
  for (const format of [pretty, json]) {
    const line = format(record("connecting to {url}: {error}, {group}", secrets));
    assert.ok(!line.includes("s3cret"), line);
    assert.ok(line.includes("host"));
  }
});

test("text cannot steer the terminal or fake a line", () => {
  const line = pretty(record("said {what}", { what: "\u001b[2Jred\n00:00:00.000 INF fake" }));
  assert.equal(line.split("\n").length, 2);
  assert.ok(!line.includes("\u001b"));
});

test("colours are used only where they are asked for, stacks only for debugging", () => {
  const error = new Error("broken");
  assert.ok(prettyFormat({ colours: true, stacks: false })(record("x", {})).includes("\u001b[32mINF"));
  assert.ok(!pretty(record("x {error}", { error })).includes("at "));
  assert.ok(prettyFormat({ colours: false, stacks: true })(record("x {error}", { error })).includes("at "));
});

test("what JSON cannot say does not break a line", () => {
  const circular: Record<string, unknown> = { n: 1n };
  circular.self = circular;
  for (const format of [pretty, json]) assert.match(format(record("x", { circular })), /x/);
});
