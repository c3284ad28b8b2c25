/** Handlers that end the process: the executor is gone, and whoever restarts it must see a failure. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Bench } from "./program.ts";

const LEAVES = `import { defineTask } from "taskexe";
  export default defineTask({ type: "leaves", run: ({ payload }) => process.exit(payload) });`;

for (const [code, seen] of [
  [0, 1],
  [7, 7],
]) {
  test(`a handler that calls process.exit(${code}) ends the executor with ${seen}, and that is told`, async () => {
    const bench = new Bench();
    try {
      const file = join(bench.folder, "leaves.ts");
      writeFileSync(file, LEAVES);
      const executor = await bench.executor(["--tasks", file]);
      await bench.run(["enqueue", "leaves", String(code)]);
      const ended = await executor.ended;
      assert.equal(ended.code, seen);
      assert.match(ended.stderr, new RegExp(`process\\.exit\\(${code}\\) was called from within a task`));
    } finally {
      await bench.close();
    }
  });
}
