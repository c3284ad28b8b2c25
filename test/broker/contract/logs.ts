/** The logs of tasks: bounded, and gone with their record. */
import assert from "node:assert/strict";
import { type LogLine, MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from "../../../src/broker/administration.ts";
import { claimOne, dead, done, task, tasks } from "../../stage/outcomes.ts";
import type { Sentence } from "../../stage/sentences.ts";

const AT = 1_700_000_000_000;

function lines(count: number, from = 0): LogLine[] {
  return Array.from({ length: count }, (_, index) => ({ at: AT + index, level: "info", text: `line ${from + index}` }));
}

export function logSentences(sentence: Sentence): void {
  sentence("the lines of a task's log come back in the order in which they were written", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    await broker.enqueue(tasks(2));
    assert.deepEqual(await client.logs("t0"), []);
    const first: LogLine[] = (["debug", "info", "warn", "error"] as const).map((level) => ({
      at: AT,
      level,
      text: `${level}: "ä" 💡\n`,
    }));
    await broker.appendLogs([
      { id: "t0", lines: first },
      { id: "t1", lines: lines(1) },
      { id: "t0", lines: [] },
    ]);
    await broker.appendLogs([{ id: "t0", lines: lines(2) }]);
    assert.deepEqual(await client.logs("t0"), [...first, ...lines(2)]);
    assert.deepEqual(await client.logs("t1"), lines(1));
    assert.deepEqual(await client.logs("nobody"), []);
    await broker.appendLogs([]);
  });

  sentence("a log keeps its last lines, and each up to a length", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const texts = async () => (await broker.logs("one")).map(({ text }) => text);
    await broker.appendLogs([{ id: "one", lines: lines(MAX_LOG_LINES) }]);
    await broker.appendLogs([{ id: "one", lines: lines(3, MAX_LOG_LINES) }]);
    assert.deepEqual(
      await texts(),
      lines(MAX_LOG_LINES, 3).map(({ text }) => text),
    );
    await broker.appendLogs([{ id: "one", lines: lines(MAX_LOG_LINES + 5, 5000) }]);
    assert.deepEqual(
      await texts(),
      lines(MAX_LOG_LINES, 5005).map(({ text }) => text),
    );
    await broker.appendLogs([{ id: "one", lines: [{ at: AT, level: "warn", text: "x".repeat(5000) }] }]);
    assert.equal((await texts()).at(-1)?.length, MAX_LOG_LINE_LENGTH);
    assert.equal((await texts()).length, MAX_LOG_LINES);
  });

  sentence("a log stays with its record and goes with it", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("kept")]);
    const kept = await claimOne(broker, stage.signal);
    await broker.enqueue([task("gone", { retentionMs: 0 })]);
    const gone = await claimOne(broker, stage.signal);
    await broker.appendLogs(["kept", "gone"].map((id) => ({ id, lines: lines(2) })));
    await broker.complete([dead(kept), done(gone, { retentionMs: 0 })]);
    assert.deepEqual(await broker.logs("gone"), []);
    assert.deepEqual(await broker.logs("kept"), lines(2));
    await broker.retry(["kept"]);
    assert.deepEqual(await broker.logs("kept"), lines(2));
    await broker.complete([dead(await claimOne(broker, stage.signal))]);
    assert.equal(await broker.purge({ state: "dead" }, 10), 1);
    assert.deepEqual(await broker.logs("kept"), []);
    await broker.enqueue([task("kept")]);
    assert.deepEqual(await broker.logs("kept"), [], "the next task of that id begins with an empty log");
  });
}
