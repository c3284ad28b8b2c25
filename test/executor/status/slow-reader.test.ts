/** Somebody asks for /status and does not read the answers: the executor, and everybody else who asks, feel nothing. */

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { HeldUp } from "../../stage/held-up.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../../stage/ledger/ledger-stage.ts";
import { until } from "../../stage/until.ts";

const READERS = 4;
/** How many answers each leaves unread. */
const QUESTIONS = 60;
/** With so many tasks of long names under way, all the unread answers are more than what the system's buffers take. */
const RUNNING = 500;
const LONG = "x".repeat(200);
/** Half of the answers come sooner; on a busy machine one that waits for many others to be written takes longer. */
const ANSWERS_WITHIN_MS = 500;
/** One that waits for somebody to read would take longer than the whole test. */
const NO_ANSWER_TAKES_MS = 5_000;
const MOST_GROWTH_BYTES = 256 * 1024 * 1024;

test("readers of /status that read nothing hold up neither the tasks nor the other readers", {
  timeout: 60_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const broker = `sqlite:${stage.path("tasks.db")}`;
    const executor = await stage.executor({ broker, concurrency: RUNNING + 20 });
    const client = await stage.client(broker);
    await enqueueAll(client, ledgerTasks(RUNNING, { ms: 60_000 }, LONG));
    await until("the long ones run", 20_000, async () => (await executor.busySlots()) === RUNNING);
    const before = (await executor.status()).memory.rss_bytes;
    for (let reader = 0; reader < READERS; reader++) askWithoutReading(stage, executor);

    const begun = performance.now();
    const ids = await enqueueAll(client, ledgerTasks(1_000, { ms: 5 }));
    using heldUp = new HeldUp();
    const answers: number[] = [];
    await until("all are done", 20_000, async () => {
      const heldUpBefore = heldUp.ms;
      const { ms } = await executor.get("/status");
      answers.push(Math.max(0, ms - (heldUp.ms - heldUpBefore)));
      return (await notDoneOnce(client, ids)).length === 0;
    });
    const tookMs = performance.now() - begun;
    const slowest = Math.max(...answers);
    assert.ok(slowest < NO_ANSWER_TAKES_MS, `an answer took ${slowest.toFixed(0)} ms`);
    const late = answers.filter((ms) => ms >= ANSWERS_WITHIN_MS).length;
    assert.ok(late <= answers.length / 2, `${late} of ${answers.length} answers were late`);
    assert.equal((await executor.get("/readyz")).code, 200);
    const grown = (await executor.status()).memory.rss_bytes - before;
    assert.ok(grown < MOST_GROWTH_BYTES, `${(grown / 1024 / 1024).toFixed(0)} MB more memory is used`);
    process.stderr.write(
      `      1 000 tasks in ${tookMs.toFixed(0)} ms, slowest answer ${slowest.toFixed(0)} ms, ` +
        `${(grown / 1024 / 1024).toFixed(0)} MB more\n`,
    );
  });
});

/** Asks over one connection, never takes an answer, and breaks off in the middle of the last question. */
function askWithoutReading(stage: LedgerStage, executor: ExecutorProcess): void {
  const socket = connect(executor.port, "127.0.0.1");
  socket.pause();
  socket.on("error", () => {});
  const question = `GET /status HTTP/1.1\r\nHost: 127.0.0.1:${executor.port}\r\n\r\n`;
  socket.write(question.repeat(QUESTIONS) + question.slice(0, 20));
  stage.atEnd(async () => {
    socket.destroy();
  });
}
