/**
 * Runs all tests and counts them: `bun test` over everything in a random order, then the suites that must hold on Node
 * and Deno too. Arguments are handed to `bun test` (a folder, a file, `-t NAME`) and leave the other runtimes out. Ends
 * with what failed, once more, and one line, `N passed, N failed`; exits with 1 when anything failed, or a suite ran
 * nothing.
 */
import { spawn } from "node:child_process";
import { resolve } from "node:path";

import { failedTests, type Runner } from "./failed-tests.ts";

const ROOT = resolve(import.meta.dirname, "..");
const BIN = resolve(ROOT, "node_modules/.bin");
/** No suite may hang for ever: after this long it is ended and counts as failed. */
const SUITE_LIMIT_MS = 25 * 60_000;

interface Suite {
  readonly name: Runner;
  readonly command: string;
  readonly arguments: readonly string[];
  /** Where the runner says how many passed and how many failed; the first group is the number. */
  readonly passed: RegExp;
  readonly failed: RegExp;
}

const given = process.argv.slice(2);

/** No test may lean on another: the whole runs in this random order, a part in the order of its files. */
const SHUFFLED = ["--seed", "1"];

const SUITES: readonly Suite[] = [
  {
    name: "bun",
    command: `${BIN}/bun`,
    arguments: ["test", ...(given.length > 0 ? given : SHUFFLED)],
    passed: /^\s*(\d+) pass$/gm,
    failed: /^\s*(\d+) (?:fail|errors?)$/gm,
  },
  {
    name: "node",
    command: `${BIN}/node`,
    arguments: ["--test", "--test-reporter=tap", "test/runtime/**/*.test.ts", "test/concurrency/**/*.test.ts"],
    passed: /^# pass (\d+)$/gm,
    failed: /^# (?:fail|cancelled) (\d+)$/gm,
  },
  {
    name: "deno",
    command: `${BIN}/deno`,
    arguments: ["test", "--allow-all", "--no-check", "--quiet", "test/runtime", "test/concurrency"],
    passed: /\| (\d+) passed/gm,
    failed: /\| (\d+) failed/gm,
  },
];

let passed = 0;
let failed = 0;
const failures: string[] = [];
for (const suite of given.length > 0 ? SUITES.slice(0, 1) : SUITES) {
  process.stdout.write(`\n== ${suite.name} ${suite.arguments.join(" ")}\n`);
  const { output, exitCode } = await run(suite);
  const counts = { passed: count(output, suite.passed), failed: count(output, suite.failed) };
  const ranNothing = counts.passed + counts.failed === 0;
  // A runner that fails without a failed test (a crash, a file that does not load) has failed once all the same.
  if (counts.failed === 0 && (exitCode !== 0 || ranNothing)) counts.failed = 1;
  passed += counts.passed;
  failed += counts.failed;
  if (counts.failed > 0) failures.push(`-- ${suite.name}`, ...failedTests(suite.name, output));
  process.stdout.write(`== ${suite.name}: ${counts.passed} passed, ${counts.failed} failed\n`);
}
if (failures.length > 0) process.stdout.write(`\n== what failed\n${failures.join("\n\n")}\n`);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

function run(suite: Suite): Promise<{ output: string; exitCode: number | null }> {
  const { promise, resolve: end } = Promise.withResolvers<{ output: string; exitCode: number | null }>();
  const child = spawn(suite.command, suite.arguments, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: SUITE_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  const show = (stream: NodeJS.WriteStream) => (chunk: Buffer) => {
    stream.write(chunk);
    output += chunk.toString();
  };
  child.stdout.on("data", show(process.stdout));
  child.stderr.on("data", show(process.stderr));
  child.on("error", (error) => {
    process.stderr.write(`${suite.command} cannot be started: ${error.message}\n`);
    end({ output, exitCode: 1 });
  });
  child.on("close", (exitCode) => end({ output, exitCode }));
  return promise;
}

function count(output: string, pattern: RegExp): number {
  return [...output.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
}
