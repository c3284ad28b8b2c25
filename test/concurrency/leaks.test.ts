// What the core must not leave behind, shown in processes of their own: memory, listeners, and timers that would keep a
// process alive. Each runs on the runtime that runs this file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "./support.ts";

const megabyte = 1_048_576;

const workloads = [
  ["nurseries", "1 000 000 nurseries with a child each on one root"],
  ["failures", "20 000 nurseries that failed"],
  ["cancels", "100 000 scopes cancelled while something waits in them"],
  ["deadlines", "100 000 deadlines met"],
  ["movedDeadlines", "a deadline moved 100 000 times"],
  ["waits", "20 000 times every kind of wait, cancelled"],
  ["roots", "50 000 roots cancelled that followed a signal"],
  ["rootWaits", "50 000 waits on the signal of the root, ended"],
] as const;

for (const [name, title] of workloads) {
  test(`leaks: ${title} leave the heap flat and no listener`, { timeout: 90_000 }, async () => {
    const report: unknown = JSON.parse(await runAlone("leaks.ts", [name], 80_000));
    assert.ok(typeof report === "object" && report !== null && "grownBytes" in report);
    const { grownBytes, ...left } = report;
    assert.ok(
      typeof grownBytes === "number" && grownBytes < 2 * megabyte,
      `the heap grew by ${String(grownBytes)} bytes`,
    );
    assert.deepEqual(left, { rootListeners: 0, foreignListeners: 1, tree: 0, waiting: 0 });
  });
}

const exits = [
  "deadline met",
  "many deadlines met",
  "deadline of a root",
  "deadline of a root beside one that was met",
  "sleep cancelled",
  "grace not needed",
  "deadline moved away",
  "deadline of a block that was cancelled from outside",
] as const;

for (const name of exits) {
  test(`leaks: a process exits by itself: ${name}`, { timeout: 30_000 }, async () => {
    assert.equal(await runAlone("exits.ts", [name], 20_000), "end of program");
  });
}

for (const name of [
  "pending sleep",
  "pending deadline",
  "pending sleep after one that was cancelled",
  "pending grace",
]) {
  test(`leaks: a process waits for what is pending: ${name}`, { timeout: 30_000 }, async () => {
    assert.equal(await runAlone("exits.ts", [name], 20_000), "end of program");
  });
}
