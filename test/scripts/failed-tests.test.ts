/**
 * What a run of tests says of its failures at its end, with what the three real runners print: each failed test once,
 * with its name and its error, and nothing of the tests that passed.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";

import { failedTests, type Runner } from "../../scripts/test/failed-tests.ts";

const BIN = resolve(import.meta.dirname, "../../node_modules/.bin");

const COMMANDS: Readonly<Record<Runner, readonly string[]>> = {
  bun: ["bun", "test", "--timeout", "60000"],
  node: ["node", "--test", "--test-reporter=tap", "two.test.ts"],
  deno: ["deno", "test", "--allow-all", "--no-check", "--quiet", "two.test.ts"],
};

/**
 * Runners show the source around an error, so the word "sound" is put together: in the source it stands nowhere else.
 */
const TWO_OF_FOUR = `
import { describe, test } from "node:test";
import assert from "node:assert/strict";
const sound = ["so", "und"].join("");
test("one that is " + sound, () => { console.log("said by what is " + sound); });
test("a broken one", () => { assert.equal(1, 2, "one is not two"); });
describe("a group", () => {
  test("a part that is " + sound, () => {});
  test("a broken part", () => { throw new Error("the part broke"); });
});
`;

const folder = mkdtempSync(join(tmpdir(), "taskexe-failed-tests-"));
writeFileSync(join(folder, "two.test.ts"), TWO_OF_FOUR);
after(() => rmSync(folder, { recursive: true, force: true }));

function run(runner: Runner, [command, ...words] = COMMANDS[runner]): string {
  // A test runner that finds it was started by another one reports in another form.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const options = { cwd: folder, encoding: "utf8", env: { ...inherited, NO_COLOR: "1" } } as const;
  const { stdout, stderr } = spawnSync(join(BIN, command ?? ""), words, options);
  return stdout + stderr;
}

for (const runner of ["bun", "node", "deno"] as const) {
  test(`of what ${runner} prints, each failed test is shown once, with its error`, () => {
    const output = run(runner);
    const shown = failedTests(runner, output);
    assert.equal(shown.length, 2, output);
    assert.match(shown[0] ?? "", /a broken one/);
    assert.match(shown[0] ?? "", /one is not two/);
    assert.match(shown[1] ?? "", /a broken part/);
    assert.match(shown[1] ?? "", /the part broke/);
    assert.doesNotMatch(shown.join("\n"), /is sound/);
  });
}

test("a test that bun ends for its time is shown with the reason, a file that does not load too", () => {
  writeFileSync(
    join(folder, "late.test.ts"),
    `import { test } from "node:test";\ntest("late", () => new Promise(() => {}));`,
  );
  writeFileSync(join(folder, "lost.test.ts"), `import "./missing.ts";`);
  try {
    const shown = failedTests("bun", run("bun", ["bun", "test", "--timeout", "2000"])).join("\n");
    assert.match(shown, /\(fail\) late .*\n.*timed out after 2000ms/);
    assert.match(shown, /Cannot find module '\.\/missing\.ts'/);
  } finally {
    rmSync(join(folder, "late.test.ts"));
    rmSync(join(folder, "lost.test.ts"));
  }
});

test("what bun names once more at the end of a long run is not shown twice", () => {
  const output =
    "(pass) one [1ms]\nerror: broke\n(fail) two [1ms]\n\n1 tests failed:\n(fail) two [1ms]\n\n 1 pass\n 1 fail\n";
  assert.deepEqual(failedTests("bun", output), ["error: broke\n(fail) two [1ms]"]);
});

test("a runner that names nothing is shown by its last twenty-four lines", () => {
  const lines = Array.from({ length: 100 }, (_, line) => `line ${line}`);
  for (const runner of ["bun", "node", "deno"] as const) {
    assert.deepEqual(failedTests(runner, `${lines.join("\n")}\n`), [lines.slice(76).join("\n")]);
  }
});

test("twenty failures are shown, of each the last twenty-four lines, and the rest is counted", () => {
  const long = Array.from({ length: 100 }, (_, line) => `line ${line}`).join("\n");
  const output = Array.from({ length: 23 }, (_, index) => `${long}\n(fail) number ${index} [1ms]`).join("\n");
  const shown = failedTests("bun", output);
  assert.equal(shown.length, 21);
  assert.equal(shown[0]?.split("\n").length, 24);
  assert.match(shown[0] ?? "", /line 99\n\(fail\) number 0 \[1ms\]$/);
  assert.equal(shown.at(-1), "(and 3 more)");
});
