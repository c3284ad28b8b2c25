/**
 * What the runtime tells of itself, of this program and of this machine.
 */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";
import { withProgram } from "./fixtures/program.ts";

test("the runtime is the one that runs this test", () => {
  const { bun, deno, node } = process.versions;
  assert.equal(runtime.name, bun ? "bun" : deno ? "deno" : "node");
  assert.equal(runtime.version, bun ?? deno ?? node);
  assert.equal(runtime.compiled, false);
});

test("self starts the program again, with its own arguments after it", async () => {
  await withProgram("again.ts", [], async ({ line }) => {
    assert.equal(await line(), `second on ${runtime.name}, host ${runtime.hostId()}`);
  });
});

test("the host id is short, the same each time, and not the machine's own", async () => {
  const id = runtime.hostId();
  assert.match(id, /^[0-9a-f]{8}$/);
  assert.equal(runtime.hostId(), id);
  const machineId = await readFile("/etc/machine-id", "utf8").catch(() => "");
  assert.equal(machineId.includes(id), false);
});
