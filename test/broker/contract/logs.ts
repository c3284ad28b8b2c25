/** The logs of tasks: bounded, and gone with their record. */
import assert from "node:assert/strict";
import { type LogLine, MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from "../../../src/broker/contract/admin.ts";
import { claimOne, dead, done, QUEUE, task, tasks } from "../../stage/outcomes.ts";
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
      { id: "t0", queue: QUEUE, lines: first },
      { id: "t1", queue: QUEUE, lines: lines(1) },
      { id: "t0", queue: QUEUE, lines: [] },
    ]);
    await broker.appendLogs([{ id: "t0", queue: QUEUE, lines: lines(2) }]);
    assert.deepEqual(await client.logs("t0"), [...first, ...lines(2)]);
    assert.deepEqual(await client.logs("t1"), lines(1));
    assert.deepEqual(await client.logs("nobody"), []);
    await broker.appendLogs([]);
  });

  sentence("a log keeps its last lines, and each up to a length", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const texts = async () => (await broker.logs("one")).map(({ text }) => text);
    await broker.appendLogs([{ id: "one", queue: QUEUE, lines: lines(MAX_LOG_LINES) }]);
    await broker.appendLogs([{ id: "one", queue: QUEUE, lines: lines(3, MAX_LOG_LINES) }]);
    assert.deepEqual(
      await texts(),
      lines(MAX_LOG_LINES, 3).map(({ text }) => text),
    );
    await broker.appendLogs([{ id: "one", queue: QUEUE, lines: lines(MAX_LOG_LINES + 5, 5000) }]);
    assert.deepEqual(
      await texts(),
      lines(MAX_LOG_LINES, 5005).map(({ text }) => text),
    );
    await broker.appendLogs([{ id: "one", queue: QUEUE, lines: [{ at: AT, level: "warn", text: "x".repeat(5000) }] }]);
    assert.equal((await texts()).at(-1)?.length, MAX_LOG_LINE_LENGTH);
    assert.equal((await texts()).length, MAX_LOG_LINES);
  });

  sentence("a log stays with its record and goes with it", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("kept")]);
    const kept = await claimOne(broker, stage.signal);
    await broker.enqueue([task("gone", { retentionMs: 0 })]);
    const gone = await claimOne(broker, stage.signal);
    await broker.appendLogs(["kept", "gone"].map((id) => ({ id, queue: QUEUE, lines: lines(2) })));
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

  sentence("the end of a log is read behind a line by its number, also where the first have gone", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    await broker.enqueue(tasks(1));
    const append = (some: LogLine[]) => broker.appendLogs([{ id: "t0", queue: QUEUE, lines: some }]);
    assert.deepEqual(await client.logsAfter("t0", 0), { lines: [], last: 0 });
    await append(lines(3));
    assert.deepEqual(await client.logsAfter("t0", 0), { lines: lines(3), last: 3 });
    assert.deepEqual(await client.logsAfter("t0", 2), { lines: lines(3).slice(2), last: 3 });
    assert.deepEqual(await client.logsAfter("t0", 3), { lines: [], last: 3 });
    await append(lines(MAX_LOG_LINES, 3));
    const tail = await client.logsAfter("t0", MAX_LOG_LINES + 1);
    assert.deepEqual([tail.lines.map(({ text }) => text), tail.last], [["line 1001", "line 1002"], MAX_LOG_LINES + 3]);
    assert.equal((await client.logsAfter("t0", 1)).lines.length, MAX_LOG_LINES);
  });

  sentence("a glance tells what has changed, and nothing where nothing has", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    const look = async (seen: string | null) => {
      const [glance, none] = await client.glance([
        { id: "t0", seen },
        { id: "nobody", seen },
      ]);
      assert.equal(none, null);
      return glance;
    };
    const isNew = async (seen: string) => {
      const glance = await look(seen);
      assert.ok(typeof glance === "object" && glance !== null, `a change was not seen: ${JSON.stringify(glance)}`);
      assert.equal(await look(glance.seen), "same");
      return glance;
    };
    assert.equal(await look(null), null);
    await broker.enqueue(tasks(1));
    const queued = await isNew("");
    const delivery = await claimOne(broker, stage.signal);
    const running = await isNew(queued.seen);
    assert.notEqual(running.record, queued.record);
    const write = { delivery, id: "t0", type: "noop", attempt: 1, startedAt: 1_000 };
    await broker.writeProgress([{ ...write, progress: 0.25, progressMsg: "begun" }]);
    const first = await isNew(running.seen);
    await broker.writeProgress([{ ...write, progress: 0.5, progressMsg: "half" }]);
    const half = await isNew(first.seen);
    assert.deepEqual([half.progress, half.progressMsg, half.record], [0.5, "half", first.record]);
    await broker.appendLogs([{ id: "t0", queue: QUEUE, lines: lines(2) }]);
    const logged = await isNew(half.seen);
    assert.deepEqual([logged.lastLine, logged.record], [2, half.record]);
    await broker.complete([done(delivery)]);
    assert.notEqual((await isNew(logged.seen)).record, logged.record);
  });

  sentence("the logs of a queue are bounded together, whoever writes them: the oldest go first", async (stage) => {
    const logBytes = 100_000;
    const [a, b] = [await stage.open("a", { logBytes }), await stage.open("b", { logBytes })];
    const client = await stage.open(null);
    const long = (id: string, queue = QUEUE) => {
      const line = { at: AT, level: "info" as const, text: "é".repeat(1_000) };
      return { id, queue, lines: Array.from({ length: 5 }, () => line) };
    };
    const ids = Array.from({ length: 40 }, (_, at) => `t${at}`);
    await a.enqueue([...tasks(40), task("other", { queue: "other" })]);
    await a.appendLogs([long("other", "other")]);
    const sizeOf = async (some: readonly string[]) => {
      const logs = await Promise.all(some.map((id) => client.logs(id)));
      return logs.flat().reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    };
    for (const [at, id] of ids.entries()) {
      await (at % 2 === 0 ? a : b).appendLogs([long(id)]);
      const size = await sizeOf(ids);
      assert.ok(size <= logBytes, `${size} bytes after ${id}`);
    }
    assert.ok((await sizeOf(ids)) >= logBytes * 0.7, "more went than had to");
    assert.equal((await client.logs("t0")).length, 0);
    assert.equal((await client.logs("t39")).length, 5);
    assert.equal((await client.logs("other")).length, 5, "another queue has its own bound");
  });

  sentence("logs that went with their record make room", async (stage) => {
    const broker = await stage.open("a", { logBytes: 100_000 });
    const long = Array.from({ length: 5 }, () => ({ at: AT, level: "info" as const, text: "x".repeat(2_000) }));
    await broker.enqueue([task("stays")]);
    await broker.appendLogs([{ id: "stays", queue: QUEUE, lines: long }]);
    const stays = await claimOne(broker, stage.signal);
    for (let at = 0; at < 50; at++) {
      await broker.enqueue([task("goes", { retentionMs: 0 })]);
      const delivery = await claimOne(broker, stage.signal);
      await broker.appendLogs([{ id: "goes", queue: QUEUE, lines: long }]);
      await broker.complete([done(delivery, { retentionMs: 0 })]);
    }
    assert.equal((await broker.logs("stays")).length, 5);
    await broker.complete([done(stays)]);
    for (let at = 0; at < 30; at++) {
      await broker.enqueue([task(`each${at}`, { retentionMs: 0 })]);
      const delivery = await claimOne(broker, stage.signal);
      await broker.appendLogs([{ id: `each${at}`, queue: QUEUE, lines: long }]);
      await broker.complete([done(delivery, { retentionMs: 0 })]);
    }
    assert.equal((await broker.logs("stays")).length, 5, "what is gone counts no more");
  });
}
