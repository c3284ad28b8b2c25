/**
 * How `make test` runs: each file once, in an order that is random and always the same, a few side by side, some alone;
 * and what it counts.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";

import { runThenAgain } from "../../scripts/test/again.ts";
import { countsIn, type Job, type Report, runJob } from "../../scripts/test/job.ts";
import { runInLanes } from "../../scripts/test/lanes.ts";
import { allJobs, sayings, shuffle } from "../../scripts/test/plan.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const NAMES = ["one", "two", "three", "four", "five", "six", "seven", "eight"];

function withFiles<T>(files: Readonly<Record<string, string>>, use: (root: string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "taskexe-test-plan-"));
  mkdirSync(join(root, "test"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, "test", name), text);
  return use(root).finally(() => rmSync(root, { recursive: true, force: true }));
}

/** A job of Bun over a file of the text, run with the tools of this repository. */
function runFile(text: string) {
  return withFiles({ "it.test.ts": text }, (root) => {
    const job: Job = {
      name: "bun",
      label: "it",
      arguments: ["test", join(root, "test")],
      isAlone: false,
      isLong: false,
    };
    return runJob(job, ROOT, { shows: false });
  });
}

test("each test file is a job of its own, and Node and Deno are one each", async () => {
  const labels = (await allJobs(ROOT)).map(({ label }) => label);
  assert.equal(new Set(labels).size, labels.length);
  for (const label of ["node", "deno", "test/scripts/test-plan.test.ts"]) assert.ok(labels.includes(label), label);
  assert.deepEqual(await allJobs(ROOT), await allJobs(ROOT));
});

test("what takes long comes first", async () => {
  const long = (await allJobs(ROOT)).map(({ isLong }) => isLong);
  assert.ok(long.includes(true) && long.includes(false));
  assert.ok(long.indexOf(false) > long.lastIndexOf(true));
});

test("a file says in its head alone that nothing runs beside it, or that it takes long", () => {
  const body = 'import { test } from "node:test";\n';
  assert.deepEqual(sayings(`/** Memory.\n * @alone it measures memory\n */\n${body}`), {
    isAlone: true,
    isLong: false,
  });
  assert.deepEqual(sayings(`/** A walk. @long 40 s */\n${body}`), { isAlone: false, isLong: true });
  assert.deepEqual(sayings(`/** A walk. */\n${body}// @alone it is late\n`), { isAlone: false, isLong: false });
  assert.deepEqual(sayings(`/** A walk. @alone\n */\n${body}`), { isAlone: false, isLong: false });
});

test("an order is random, whole, and the same for the same seed", () => {
  assert.deepEqual([...shuffle(NAMES, 1)].sort(), [...NAMES].sort());
  assert.deepEqual(shuffle(NAMES, 1), shuffle(NAMES, 1));
  assert.notDeepEqual(shuffle(NAMES, 1), NAMES);
  assert.notDeepEqual(shuffle(NAMES, 1), shuffle(NAMES, 2));
});

test("as many run side by side as there are lanes; what is alone runs last, with nothing beside it", async () => {
  const jobs = NAMES.map((name, index) => ({ name, isAlone: index % 4 === 0 }));
  const running = new Set<string>();
  const seen: { readonly name: string; readonly beside: number }[] = [];
  await runInLanes(3, jobs, async ({ name }) => {
    seen.push({ name, beside: running.size });
    running.add(name);
    for (let turn = 0; turn < 5; turn++) await new Promise((next) => setImmediate(next));
    running.delete(name);
  });
  assert.deepEqual(
    seen.slice(0, 3).map(({ beside }) => beside),
    [0, 1, 2],
  );
  assert.ok(seen.every(({ beside }) => beside < 3));
  assert.deepEqual(seen.slice(6), [
    { name: "one", beside: 0 },
    { name: "five", beside: 0 },
  ]);
});

test("what a file's tests did is counted, and what failed is shown", async () => {
  const { output, ms, ...report } = await runFile(`
    import { test } from "node:test";
    test("good", () => {});
    test("left out", { skip: true }, () => {});
    test("bad", () => { throw new Error("it broke"); });
  `);
  const { failedTests, ...counts } = report;
  assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 1 });
  assert.match(failedTests.join("\n"), /it broke[\s\S]*\(fail\) bad/);
  assert.ok(ms > 0 && output.includes("(fail) bad"));
});

test("a file that runs nothing, does not load or breaks off has failed", async () => {
  for (const text of ["export {};", 'import "./missing.ts";', "process.kill(process.pid, 'SIGKILL');"]) {
    const { passed, failed, failedTests } = await runFile(text);
    assert.ok(passed === 0 && failed > 0, text);
    assert.ok(failedTests.length > 0, text);
  }
});

test("what each runner says of how many there were is understood", () => {
  assert.deepEqual(countsIn("bun", " 3 pass\n 1 skip\n 2 fail\n 1 error\n"), { passed: 3, failed: 3, skipped: 1 });
  assert.deepEqual(countsIn("node", "# pass 4\n# fail 1\n# cancelled 2\n# skipped 5\n"), {
    ...{ passed: 4, failed: 3, skipped: 5 },
  });
  assert.deepEqual(countsIn("deno", "ok | 7 passed | 1 failed | 2 ignored (3s)\n"), {
    ...{ passed: 7, failed: 1, skipped: 2 },
  });
});

const ran = (failed: number): Report => ({ passed: 1, failed, skipped: 0, output: "", failedTests: [], ms: 1 });

/** Runs jobs of which each fails as often as it says, and tells which were run again. */
async function runFailing(failures: Readonly<Record<string, number>>) {
  const left = { ...failures };
  let again: readonly string[] = [];
  const outcome = await runThenAgain({
    jobs: Object.keys(failures).map((label) => ({ label, isAlone: false })),
    lanes: 3,
    mostAgain: 2,
    run: async ({ label }) => {
      const failed = left[label] ?? 0;
      left[label] = Math.max(0, failed - 1);
      return ran(failed);
    },
    tellAgain: (jobs) => {
      again = jobs.map(({ label }) => label);
    },
  });
  const names = (jobs: readonly { readonly label: string }[]) => jobs.map(({ label }) => label);
  return { again, failed: names(outcome.failed), unsteady: names(outcome.unsteady) };
}

test("what failed beside others is run once more alone: its last run counts, and it is named", async () => {
  const outcome = await runFailing({ steady: 0, unsteady: 1, broken: 2 });
  assert.deepEqual(outcome, { again: ["unsteady", "broken"], failed: ["broken"], unsteady: ["unsteady"] });
});

test("where more fail than a busy machine explains, none is run again", async () => {
  const outcome = await runFailing({ one: 1, two: 1, three: 1, four: 0 });
  assert.deepEqual(outcome, { again: [], failed: ["one", "two", "three"], unsteady: [] });
});
