/**
 * Runs all tests and counts them: each test file in a `bun test` of its own, three side by side, then the suites that
 * must hold on Node and Deno too. The order is random, and the same each time. A file whose head says `@alone` runs
 * with nothing beside it. Arguments are handed to one `bun test` (a folder, a file, `-t NAME`) and leave the other
 * runtimes out. Ends with what failed, once more, and one line, `N passed, N failed`; exits with 1 when anything
 * failed, or a file ran nothing.
 */
import { resolve } from "node:path";

import { type Job, type Report, runJob } from "./test/job.ts";
import { LANES, runInLanes } from "./test/lanes.ts";
import { allJobs, givenJob } from "./test/plan.ts";

const ROOT = resolve(import.meta.dirname, "..");

const given = process.argv.slice(2);
const isWhole = given.length === 0;
const jobs = isWhole ? await allJobs(ROOT) : [givenJob(given)];
const total = { passed: 0, failed: 0 };
const failures: string[] = [];
let ended = 0;

const begun = performance.now();
await runInLanes(isWhole ? LANES : 1, jobs, async (job) => {
  if (!isWhole) process.stdout.write(`\n== ${job.name} ${job.arguments.join(" ")}\n`);
  tell(job, await runJob(job, ROOT, { shows: !isWhole }));
});
if (failures.length > 0) process.stdout.write(`\n== what failed\n${failures.join("\n\n")}\n`);
process.stdout.write(`\n== all of it took ${seconds(performance.now() - begun)}\n`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** Counts it, and says what it was: one line, and all it printed where it failed. */
function tell(job: Job, { passed, failed, skipped, output, failedTests, ms }: Report): void {
  ended++;
  total.passed += passed;
  total.failed += failed;
  if (failed > 0) {
    if (isWhole) process.stdout.write(`${output}\n`);
    failures.push(`-- ${job.label}`, ...failedTests);
  }
  const left = skipped > 0 ? `, ${skipped} skipped` : "";
  const counts = `${passed} passed, ${failed} failed${left}`;
  const at = `${ended}/${jobs.length}`.padStart(7);
  process.stdout.write(`${at} ${failed > 0 ? "FAIL" : "  ok"} ${job.label}: ${counts} (${seconds(ms)})\n`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
