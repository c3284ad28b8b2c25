import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readJson } from "../../../src/cli/arguments/json-text.ts";

function reasonOf(text: string): string {
  const read = readJson(text);
  return read.ok ? assert.fail(`${text} was read`) : read.reason;
}

test("JSON is read", () => {
  assert.deepEqual(readJson(' {"a": [1, "x", null]}\n'), { ok: true, value: { a: [1, "x", null] } });
});

test("each mistake is told with line, column and what stands there", () => {
  const cases: Readonly<Record<string, string>> = {
    "": "line 1, column 1: unexpected the end of the text",
    "{": "line 1, column 2: unexpected the end of the text",
    "{x}": 'line 1, column 2: unexpected "x}"',
    "{'a': 1}": `line 1, column 2: unexpected "'a': 1}"`,
    '{"a" 1}': 'line 1, column 6: unexpected "1}"',
    '{"a": 1,}': 'line 1, column 9: unexpected "}"',
    "[1, 2": "line 1, column 6: unexpected the end of the text",
    "[1 2]": 'line 1, column 4: unexpected "2]"',
    "[1}": 'line 1, column 3: unexpected "}"',
    "1 2": 'line 1, column 3: unexpected "2"',
    "01": 'line 1, column 1: unexpected "01"',
    nul: 'line 1, column 1: unexpected "nul"',
    '"a\nb"': 'line 1, column 1: unexpected "\\"a\\nb\\""',
    '{\n  "a": tru\n}': 'line 2, column 8: unexpected "tru\\n}"',
    hello: 'line 1, column 1: unexpected "hello"',
  };
  for (const [text, place] of Object.entries(cases)) assert.equal(reasonOf(text), `not JSON at ${place}`, text);
});

test("a place is found for every text that is cut or changed, and it lies within the text", () => {
  const broken = fc.tuple(fc.json(), fc.nat(), fc.constantFrom("", "}", "]", ",", ":", "x", '"', "\\", "-"));
  fc.assert(
    fc.property(broken, ([json, at, junk]) => {
      const text = json.slice(0, at % (json.length + 1)) + junk;
      const read = readJson(text);
      if (read.ok) return;
      const match = /^not JSON at line (\d+), column (\d+): unexpected /.exec(read.reason);
      assert.ok(match, `${JSON.stringify(text)}: ${read.reason}`);
      assert.ok(Number(match[2]) <= text.length + 1);
    }),
    { numRuns: 2_000 },
  );
});
