/**
 * Cuts the failed tests out of what a test runner printed: for each its name and the last lines of what it said.
 * A run prints thousands of lines, and whoever looks at it (a log cut short above all) looks at its end.
 */

export type Runner = "bun" | "node" | "deno";

/** More failures than this are counted, not shown. */
const MOST_FAILURES = 20;
/** Lines of one failure; of a longer one the last ones are shown, except for Deno's, which begin with the error. */
const MOST_LINES = 24;

const READERS: Readonly<Record<Runner, (lines: readonly string[]) => string[][]>> = {
  bun: failedInBun,
  node: failedInNode,
  deno: failedInDeno,
};

/**
 * At most 20 failures of at most 24 lines each, then one line that counts the rest. A runner that failed without naming
 * a test (it crashed, it was ended for its time) is shown by its last lines.
 */
export function failedTests(runner: Runner, output: string): string[] {
  const lines = output.trimEnd().split("\n");
  const failures = READERS[runner](lines);
  if (failures.length === 0) return [lines.slice(-MOST_LINES).join("\n")];
  const shown = failures.slice(0, MOST_FAILURES).map((lines) => lines.join("\n"));
  const rest = failures.length - shown.length;
  return rest > 0 ? [...shown, `(and ${rest} more)`] : shown;
}

/**
 * Bun prints what a test said and its error first, then `(fail) NAME`; a time-out has one line more. After a long run
 * it names what failed once more, under `N tests failed:`.
 */
function failedInBun(lines: readonly string[]): string[][] {
  const failures: string[][] = [];
  let from = 0;
  for (const [index, line] of lines.entries()) {
    if (/^\d+ tests? failed:$/.test(line)) break;
    if (line.startsWith("# Unhandled error between tests")) failures.push(lines.slice(index, index + MOST_LINES));
    if (line.startsWith("(fail) ")) {
      const hint = lines[index + 1]?.startsWith("  ^ ") ? 1 : 0;
      failures.push(lines.slice(from, index + 1 + hint).slice(-MOST_LINES));
    }
    if (/^\((?:pass|fail|skip|todo)\) |^\S+\.test\.ts:$/.test(line)) from = index + 1;
  }
  return failures;
}

/** TAP: `not ok N - NAME`, then its details down to a line `...`. A suite that only holds a failed test is left out. */
function failedInNode(lines: readonly string[]): string[][] {
  const failures: string[][] = [];
  for (const [index, line] of lines.entries()) {
    if (!/^\s*not ok \d+/.test(line)) continue;
    const length = lines.slice(index, index + 200).findIndex((detail) => detail.trim() === "...");
    const details = lines.slice(index, index + (length < 0 ? MOST_LINES : length));
    if (details.some((detail) => detail.includes("failureType: 'subtestsFailed'"))) continue;
    failures.push(details.slice(0, MOST_LINES));
  }
  return failures;
}

/** Deno prints everything that failed once more at its end, under ` ERRORS `. */
function failedInDeno(lines: readonly string[]): string[][] {
  const errors = lines.lastIndexOf(" ERRORS ");
  if (errors < 0) return [];
  const end = lines.lastIndexOf(" FAILURES ");
  const failures: string[][] = [];
  for (const line of lines.slice(errors + 1, end < 0 ? undefined : end)) {
    if (/ => \S+:\d+:\d+$/.test(line)) failures.push([]);
    const failure = failures.at(-1);
    if (failure && failure.length < MOST_LINES) failure.push(line);
  }
  return failures;
}
