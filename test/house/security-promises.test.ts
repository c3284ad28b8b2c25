/** docs/security.md promises nothing without a test. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../stage/command.ts";

test("each promise to whoever may attack names its tests, and they are there", () => {
  const text = readFileSync(join(ROOT, "docs/security.md"), "utf8");
  const promises = text.split("\n").filter((line) => line.startsWith("- "));
  assert.ok(promises.length > 20);
  for (const promise of promises) {
    const named = /\[(.+)\]$/.exec(promise)?.[1]?.split(", ") ?? [];
    assert.ok(named.length > 0, promise);
    for (const file of named) assert.ok(existsSync(join(ROOT, file)), `${file} is not there`);
  }
});
