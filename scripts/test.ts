/**
 * Runs all tests and counts them: each test file in a `bun test` of its own, three side by side, then the suites that
 * must hold on Node and Deno too. The order is random, and the same each time. A file whose head says `@alone` runs
 * with nothing beside it. Arguments are handed to one `bun test` (a folder, a file, `-t NAME`) and leave the other
 * runtimes out. Where a few files failed beside others, each is run once more alone: what it does then counts, and it
 * is named as unsteady. Ends with what failed, once more, and one line, `N passed, N failed`; exits with 1 when
 * anything failed, or a file ran nothing.
 */
import { resolve } from "node:path";

import { runThenAgain } from "./test/again.ts";
import { type Job, type Report, runJob } from "./test/job.ts";
import { LANES } from "./test/lanes.ts";
import { allJobs, givenJob } from "./test/plan.ts";

/** More failed files than these are no matter of a busy machine: none of them is run again. */
const MOST_AGAIN = 5;
const ROOT = resolve(import.meta.dirname, "..");

const given = process.argv.slice(2);
const isWhole = given.length === 0;
const jobs = isWhole ? await allJobs(ROOT) : [givenJob(given)];
let ended = 0;

const begun = performance.now();
const { reports, failed, unsteady } = await runThenAgain({
  jobs,
  lanes: isWhole ? LANES : 1,
  mostAgain: isWhole ? MOST_AGAIN : 0,
  run,
  tellAgain: (again) => process.stdout.write(`\n== run once more, alone: ${namesOf(again)}\n`),
});
const failures = failed.map((job) => [`-- ${job.label}`, ...(reports.get(job)?.failedTests ?? [])].join("\n\n"));
if (failures.length > 0) process.stdout.write(`\n== what failed\n${failures.join("\n\n")}\n`);
if (unsteady.length > 0) {
  process.stdout.write(`\n== unsteady: failed beside others, passed alone: ${namesOf(unsteady)}\n`);
}
process.stdout.write(`\n== all of it took ${seconds(performance.now() - begun)}\n`);
process.stdout.write(`${sum("passed")} passed, ${sum("failed")} failed\n`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** Runs it, and says what it was: one line, and all it printed where it failed. */
async function run(job: Job): Promise<Report> {
  if (!isWhole) process.stdout.write(`\n== ${job.name} ${job.arguments.join(" ")}\n`);
  const report = await runJob(job, ROOT, { shows: !isWhole });
  ended++;
  const { passed, failed, skipped, output, ms } = report;
  if (isWhole && failed > 0) process.stdout.write(`${output}\n`);
  const left = skipped > 0 ? `, ${skipped} skipped` : "";
  const counts = `${passed} passed, ${failed} failed${left}`;
  const at = (ended > jobs.length ? "again" : `${ended}/${jobs.length}`).padStart(7);
  process.stdout.write(`${at} ${failed > 0 ? "FAIL" : "  ok"} ${job.label}: ${counts} (${seconds(ms)})\n`);
  return report;
}

function namesOf(jobs: readonly Job[]): string {
  return jobs.map(({ label }) => label).join(", ");
}

function sum(count: "passed" | "failed"): number {
  return reports.values().reduce((total, report) => total + report[count], 0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
