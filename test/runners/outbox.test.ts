/** What is said to a runner is gathered for a turn, and the first of many runs does not wait for the last. */
import { expect, test } from "bun:test";
import { turn } from "../../src/concurrency/turn.ts";
import { Outbox } from "../../src/runners/lines/outbox.ts";

test("what is said in a turn is written at once when the turn is over", async () => {
  const { outbox, written } = made(6);
  outbox.say("a\n");
  outbox.sayRun("b\n", true);
  outbox.say("c\n");
  expect(written).toEqual([]);
  await turn();
  expect(written).toEqual(["a\nb\nc\n"]);
});

test("so many runs go at once, with what was said before them; the rest waits for the end of the turn", async () => {
  const { outbox, written } = made(4);
  outbox.say("a\n");
  for (const line of ["1\n", "2\n", "3\n", "4\n", "5\n"]) outbox.sayRun(line, false);
  expect(written).toEqual(["a\n1\n2\n", "3\n4\n"]);
  await turn();
  expect(written.slice(2)).toEqual(["5\n"]);
  await turn();
  expect(written.length).toBe(3);
});

test("one that runs one at a time, and has nothing else, is told at once; what is handed ahead waits", async () => {
  const { outbox, written } = made(1);
  outbox.sayRun("1\n", true);
  expect(written).toEqual(["1\n"]);
  for (const line of ["2\n", "3\n"]) outbox.sayRun(line, false);
  await turn();
  expect(written).toEqual(["1\n", "2\n3\n"]);
});

function made(concurrency: number): { readonly outbox: Outbox; readonly written: (string | Uint8Array)[] } {
  const written: (string | Uint8Array)[] = [];
  return { outbox: new Outbox({ write: (chunk) => written.push(chunk) }, concurrency), written };
}
