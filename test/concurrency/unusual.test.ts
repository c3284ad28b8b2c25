// What user code can throw, return and pass that no program should: nothing of it may keep a block from ending, change
// the error that leaves it, or escape to the process. The cases are in programs/unusual.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "./support.ts";

const report = await runAlone("unusual.ts", [], 60_000).catch((error: unknown) => String(error));
const lines = report.split("\n").filter((line) => line.startsWith("{"));

test("unusual values: the program comes to its end", () => {
  assert.ok(lines.length > 100, report);
});

for (const line of lines) {
  const result: unknown = JSON.parse(line);
  assert.ok(typeof result === "object" && result !== null && "name" in result);
  const { name, ...found } = result;
  test(`unusual values: ${String(name)}`, () => {
    assert.deepEqual(found, { verdict: "right", escaped: "as it should" });
  });
}
