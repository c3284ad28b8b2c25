/**
 * One run of a test runner, in a process of its own: its command, what it printed, and how many tests passed and
 * failed. It counts as failed where the runner fails without naming a test, runs nothing, or does not end.
 */
import { spawn } from "node:child_process";
import { resolve } from "node:path";

import { failedTests, type Runner } from "./failed-tests.ts";

/** No runner may hang for ever: after this long it is killed, and has failed. */
const LIMIT_MS = 25 * 60_000;

export interface Job {
  readonly name: Runner;
  /** What it is called in what is printed. */
  readonly label: string;
  readonly arguments: readonly string[];
  /** Nothing runs beside it. */
  readonly isAlone: boolean;
  /** It takes long: it begins early, so that nobody waits for it alone at the end. */
  readonly isLong: boolean;
}

export interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
  /** What it printed of each test that failed. */
  readonly failedTests: readonly string[];
  readonly ms: number;
}

/** Where a runner says how many there were; the first group is the number, and all matches are added up. */
const COUNTS: Readonly<Record<Runner, Readonly<Record<"passed" | "failed" | "skipped", RegExp>>>> = {
  bun: { passed: /^\s*(\d+) pass$/gm, failed: /^\s*(\d+) (?:fail|errors?)$/gm, skipped: /^\s*(\d+) (?:skip|todo)$/gm },
  node: {
    passed: /^# pass (\d+)$/gm,
    failed: /^# (?:fail|cancelled) (\d+)$/gm,
    skipped: /^# (?:skipped|todo) (\d+)$/gm,
  },
  deno: { passed: /\| (\d+) passed/gm, failed: /\| (\d+) failed/gm, skipped: /\| (\d+) (?:ignored|skipped)/gm },
};

/** Runs it to its end; `shows` prints what it prints, as it comes. Never rejects. */
export async function runJob(job: Job, root: string, { shows }: { readonly shows: boolean }): Promise<Report> {
  const begun = performance.now();
  const { output, exitCode } = await outputOf(job, root, shows);
  const counts = countsIn(job.name, output);
  const ranNothing = counts.passed + counts.failed + counts.skipped === 0;
  // A runner that fails without a failed test (a crash, a file that does not load) has failed once all the same.
  if (counts.failed === 0 && (exitCode !== 0 || ranNothing)) counts.failed = 1;
  const shown = counts.failed > 0 ? failedTests(job.name, output) : [];
  return { ...counts, output, failedTests: shown, ms: performance.now() - begun };
}

/** What a runner printed about how many there were. */
export function countsIn(runner: Runner, output: string): { passed: number; failed: number; skipped: number } {
  const count = (pattern: RegExp) => [...output.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
  const { passed, failed, skipped } = COUNTS[runner];
  return { passed: count(passed), failed: count(failed), skipped: count(skipped) };
}

function outputOf(job: Job, root: string, shows: boolean): Promise<{ output: string; exitCode: number | null }> {
  const { promise, resolve: end } = Promise.withResolvers<{ output: string; exitCode: number | null }>();
  const child = spawn(resolve(root, "node_modules/.bin", job.name), job.arguments, {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      if (shows) process[name].write(text);
      output += text;
    });
  }
  child.on("error", (error) =>
    end({ output: `${output}\n${job.name} cannot be started: ${error.message}`, exitCode: 1 }),
  );
  child.on("close", (exitCode, signal) => {
    if (signal !== null) output += `\n${job.name} was ended by ${signal}\n`;
    end({ output, exitCode });
  });
  return promise;
}
