import assert from "node:assert/strict";
import { test } from "node:test";
import { progressBar } from "../../../src/cli/output/progress-bar.ts";
import { printable } from "../../../src/task/text/printable.ts";

function terminal(isTTY: boolean) {
  const written: string[] = [];
  const screen = { isTerminal: isTTY, write: (text: string) => written.push(text) };
  return { written, screen };
}

test("control characters of tasks are shown, not sent", () => {
  assert.equal(printable("a\u001b[2J\r\nb\tc"), "a\\u001b[2J\\u000d\\u000ab\\u0009c");
  assert.equal(printable("a\nb\u0007", "lines"), "a\nb\\u0007");
});

test("a progress bar draws on a terminal and ends its line", () => {
  const { written, screen } = terminal(true);
  const bar = progressBar("enqueueing", 100, screen);
  bar.update(50, "5 tasks");
  for (let step = 0; step < 1_000; step++) bar.update(50, "5 tasks");
  bar.end("10 tasks");
  assert.match(written[0] ?? "", /enqueueing \[#{15}-{15}\] 50 % 5 tasks/);
  assert.ok(written.length < 20, "it draws at most ten times a second");
  assert.match(written.at(-2) ?? "", /\[#{30}\] 100 % 10 tasks/);
  assert.equal(written.at(-1), "\n");
});

test("a bar that ends early stays where it was", () => {
  const { written, screen } = terminal(true);
  const bar = progressBar("cancelling", 100, screen);
  bar.update(50, "50");
  bar.update(60, "60");
  bar.end("60", false);
  assert.match(written.at(-2) ?? "", /\[#{18}-{12}\] 60 % 60/);
});

test("where nobody looks, nothing is drawn", () => {
  const { written, screen } = terminal(false);
  const bar = progressBar("enqueueing", 100, screen);
  bar.update(50, "x");
  bar.end("y");
  assert.deepEqual(written, []);
});
