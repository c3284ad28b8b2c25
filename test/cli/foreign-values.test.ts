/** Whatever handlers log and throw, the log's line is written, and a failure is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "@logtape/logtape";
import * as fc from "fast-check";
import { jsonFormat, prettyFormat } from "../../src/cli/output/log-format.ts";
import { reportFailure } from "../../src/cli/output/report-failure.ts";
import { errorsIn, isInstance } from "../../src/concurrency/unknown-values.ts";
import { groupMessage, toErrorRecord } from "../../src/handlers/error-record.ts";
import { nastyValues } from "../stage/nasty-values.ts";

const FORMATS = [true, false].flatMap((stacks) => [
  { name: "pretty", format: prettyFormat({ colours: false, stacks }) },
  { name: "json", format: jsonFormat({ stacks }) },
]);

function record(value: unknown): LogRecord {
  const properties = { value, list: [value], id: "x" };
  const message = ["task ", value, " said ", [value], ""];
  const rawMessage = "task {value} said {list}";
  return { category: ["taskexe", "task"], level: "info", message, rawMessage, timestamp: 0, properties };
}

test("a line of the log is one line, and JSON where that is asked for, whatever stands among its properties", () => {
  fc.assert(
    fc.property(nastyValues, ({ value }) => {
      for (const { name, format } of FORMATS) {
        const line = format(record(value));
        assert.match(line, /^.+\n/);
        if (name === "json") assert.equal(JSON.parse(line).id, "x");
      }
    }),
    { numRuns: 150 },
  );
});

test("a line whose own message cannot be read has the text that was given", () => {
  const broken: LogRecord = Object.defineProperty({ ...record(1) }, "message", {
    get() {
      throw new Error("a property threw");
    },
  });
  assert.match(prettyFormat({ colours: false, stacks: false })(broken), /task: task \{value\} said \{list\}/);
});

test("a secret does not stand in a line because what is beside it cannot be written", () => {
  const properties: Record<string, unknown> = { password: "s3cret", n: 1n };
  properties.self = properties;
  for (const { format } of FORMATS) assert.ok(!format(record(properties)).includes("s3cret"));
});

test("a failure of the program is told with exit code 1, whatever was thrown", () => {
  fc.assert(
    fc.property(nastyValues, ({ value }) => {
      const lines: string[] = [];
      const code = reportFailure(value, (line) => lines.push(line));
      assert.equal(code, 1);
      assert.ok(lines.length > 0 || errorsIn(value).length > 0 || isInstance(value, Error));
    }),
    { numRuns: 500 },
  );
});

test("an error record is made of anything, and is text that JSON and readers bear", () => {
  fc.assert(
    fc.property(nastyValues, ({ value }) => {
      const made = toErrorRecord(value);
      assert.ok(groupMessage(value).length > 0);
      assert.ok(JSON.stringify(made).length < 1_000_000);
      assert.deepEqual(JSON.parse(JSON.stringify(made)), made);
    }),
    { numRuns: 500 },
  );
});
