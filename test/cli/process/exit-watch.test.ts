/**
 * Handlers that end the process that runs them, where that is the executor: it is gone, and whoever restarts it must
 * see a failure. And files that do so while they are imported, wherever that is.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Stage } from "../../stage/stage.ts";

const LEAVES = `import { defineTask } from "taskexe";
  export default defineTask({ type: "leaves", run: ({ payload }) => process.exit(payload) });`;

for (const [code, seen] of [
  [0, 1],
  [7, 7],
]) {
  test(`a handler that calls process.exit(${code}) ends the executor with ${seen}, and that is told`, async () => {
    const stage = Stage.make();
    try {
      const file = join(stage.folder, "leaves.ts");
      writeFileSync(file, LEAVES);
      const executor = await stage.executor({ args: ["--tasks", file, "--isolation", "inline"] });
      await stage.run(["enqueue", "leaves", String(code)]);
      const ended = await executor.ended;
      assert.equal(ended.code, seen);
      assert.match(ended.stderr, new RegExp(`process\\.exit\\(${code}\\) was called from within a task`));
    } finally {
      await stage.end();
    }
  });
}

const BROKEN: readonly { readonly what: string; readonly text: string; readonly told: RegExp }[] = [
  {
    what: "ends the process with 0",
    text: "process.exit(0);",
    told: /process\.exit\(0\) was called while .*broken\.ts was imported: /,
  },
  {
    what: "ends the process with 3",
    text: "process.exit(3);",
    told: /process\.exit\(3\) was called while .*broken\.ts was imported: /,
  },
  {
    what: "leaves a rejection behind",
    text: 'void Promise.reject(new Error("left behind"));\nexport * from "./_good.ts";',
    told: /an error outside of every task(: | while .*broken\.ts was imported: ).*left behind/,
  },
];

const CASES = BROKEN.flatMap((broken) => ["shared", "inline"].map((isolation) => ({ ...broken, isolation })));
for (const { what, text, told, isolation } of CASES) {
  test(`a handler file that ${what} while it is imported is a broken one: exit 2, ${isolation}`, async () => {
    const stage = Stage.make();
    try {
      const file = join(stage.folder, "broken.ts");
      writeFileSync(file, text);
      const good = 'import { defineTask } from "taskexe";\nexport const good = defineTask({ type: "good", run() {} });';
      writeFileSync(join(stage.folder, "_good.ts"), good);
      const { code, stderr } = await stage.run(["run", "--listen", "off", "--tasks", file, "--isolation", isolation]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, told);
    } finally {
      await stage.end();
    }
  });
}
