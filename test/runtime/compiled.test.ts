/**
 * The shim inside an executable made by `bun build --compile`, where paths and built-in modules differ.
 */

import assert from "node:assert/strict";
import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runtime } from "../../src/runtime/index.ts";
import { withFolder } from "./fixtures/folder.ts";
import { fixture, textOf, withCommand } from "./fixtures/program.ts";

const BUN = fileURLToPath(new URL("../../node_modules/.bin/bun", import.meta.url));
const BUILD = [
  "build",
  "--compile",
  "--minify-syntax",
  "--minify-whitespace",
  "--bytecode",
  "--format=esm",
  "--splitting",
];

// What is compiled is always Bun: once is enough.
const options = { skip: runtime.name !== "bun", timeout: 120_000 };

test("inside a compiled executable everything works as from source", options, async () => {
  await withFolder(async (made) => {
    const folder = await realpath(made);
    const executable = join(folder, "program");
    const build = await runtime.spawn(BUN, [...BUILD, fixture("compiled.ts"), "--outfile", executable]);
    const [output, errors, { code }] = await Promise.all([textOf(build.stdout), textOf(build.stderr), build.exited]);
    assert.equal(code, 0, output + errors);

    const snapshot = join(folder, "heap.heapsnapshot");
    await withCommand(executable, ["run", snapshot], { cwd: "/" }, async ({ child, line }) => {
      const { heap, ...told } = JSON.parse((await line()) ?? "");
      assert.deepEqual(told, {
        name: "bun",
        compiled: true,
        self: { command: executable, args: [] },
        sqlite: 42,
        second: "started again",
        piped: "through 3 and 4",
        served: "served",
        tracked: true,
      });
      assert.ok(heap > 64 * 1024);
      process.kill(child.pid, "SIGUSR1");
      assert.equal(await line(), "written");
      assert.deepEqual(await child.exited, { code: 0, signal: null });
    });
    const { size, mode } = await stat(snapshot);
    assert.ok(size > 1000);
    assert.equal(mode & 0o777, 0o600);
  });
});
