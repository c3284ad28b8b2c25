/** Lists of tasks that are long: cut where they lie, and pages that end by bytes. */
import assert from "node:assert/strict";
import type { Broker, Outcome } from "../../../src/broker/broker.ts";
import type { ListPage } from "../../../src/broker/contract/admin.ts";
import { formatMessage } from "../../../src/task/message/message.ts";
import {
  LISTED_ERROR_BYTES,
  LISTED_MESSAGE_LENGTH,
  LISTED_REASON_LENGTH,
  LISTED_RESULT_BYTES,
  type ListedTask,
} from "../../../src/task/record/listed-task.ts";
import { cancelledBy, claimAll, claimOne, dead, done, task } from "../../stage/outcomes.ts";
import type { Sentence, SentenceStage } from "../../stage/sentences.ts";

const MB = 1_000_000;

/** How many bytes of JSON one of them may have in a list: its error, its message, and what stands beside. */
const MOST_OF_ONE = 20_000;

function longTask(id: string, length: number) {
  return task(id, { message: JSON.stringify({ id, task_type: "noop", payload: { long: "é".repeat(length / 2) } }) });
}

/** Ends all that is queued. */
async function endAll(
  stage: SentenceStage,
  broker: Broker,
  count: number,
  end: (at: number) => (d: Parameters<typeof done>[0]) => Outcome,
) {
  const claimed = await claimAll(broker, count, stage.signal);
  for (const [at, delivery] of claimed.entries()) await broker.complete([end(at)(delivery)]);
}

async function allPages(broker: Broker, maxBytes?: number): Promise<ListPage[]> {
  const pages: ListPage[] = [];
  let cursor: string | null = null;
  do {
    const query = { limit: 1_000, ...(maxBytes === undefined ? {} : { maxBytes }) };
    const page: ListPage = await broker.list(cursor === null ? query : { ...query, cursor });
    pages.push(page);
    assert.ok(pages.length < 1_000, "the list never ends");
    cursor = page.cursor;
  } while (cursor !== null);
  return pages;
}

async function only(broker: Broker): Promise<ListedTask> {
  const [one, ...others] = (await broker.list({ limit: 10 })).tasks;
  assert.ok(one !== undefined && others.length === 0);
  return one;
}

export function listBytesSentences(sentence: Sentence): void {
  sentence("a task with a trace is listed and found by its type, however long it is", async (stage) => {
    const broker = await stage.open("a");
    const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1" };
    const requests = ["short", "long"].map((id) => {
      const payload = id === "long" ? "é".repeat(MB / 2) : 1;
      return task(id, {
        message: formatMessage({ id, type: "noop", payload, trace, options: { retention_ms: 1_000 } }),
      });
    });
    await broker.enqueue([...requests, task("other", { type: "other" })]);
    for (const state of ["queued", "running"] as const) {
      const { tasks } = await broker.list({ limit: 10, type: "noop", state });
      assert.deepEqual(tasks.map(({ id }) => id).sort(), ["long", "short"], state);
      if (state === "queued") await claimAll(broker, 3, stage.signal);
    }
    for (const { id, message } of requests) assert.equal((await broker.record(id))?.message, message);
    assert.deepEqual((await broker.cancel(["long", "short"])).length, 2);
  });

  sentence("a list cuts a long message, and tells how long it is", async (stage) => {
    const broker = await stage.open("a");
    const request = longTask("one", MB);
    await broker.enqueue([request]);
    const isCut = async (state: string) => {
      const one = await only(broker);
      assert.equal(one.state, state);
      assert.equal(one.message, request.message.slice(0, LISTED_MESSAGE_LENGTH));
      assert.equal(one.message_bytes, Buffer.byteLength(request.message));
      assert.equal((await broker.record("one"))?.message, request.message);
    };
    await isCut("queued");
    const delivery = await claimOne(broker, stage.signal);
    await isCut("running");
    await broker.complete([done(delivery)]);
    await isCut("done");
  });

  sentence("a list cuts between two characters", async (stage) => {
    const broker = await stage.open("a");
    for (const [at, before] of ["", "x", "xx", "xxx"].entries()) {
      const message = JSON.stringify({ id: `${at}`, task_type: "noop", payload: before + "\u{1f4a5}ä€".repeat(2_000) });
      await broker.enqueue([task(`${at}`, { message })]);
      const { tasks } = await broker.list({ limit: 10 });
      const listed = tasks.find(({ id }) => id === `${at}`)?.message ?? "";
      assert.ok(listed.isWellFormed() && !listed.includes("\ufffd"), listed.slice(-3));
      assert.ok(message.startsWith(listed) && listed.length > LISTED_MESSAGE_LENGTH - 2, `${listed.length}`);
      assert.ok(listed.length <= LISTED_MESSAGE_LENGTH);
    }
  });

  sentence("a list gives a short result as it is, and of a long one its length", async (stage) => {
    const broker = await stage.open("a");
    const results = {
      short: "x".repeat(LISTED_RESULT_BYTES - 2),
      long: "é".repeat(LISTED_RESULT_BYTES / 2),
      none: null,
    };
    for (const [id, result] of Object.entries(results)) {
      await broker.enqueue([task(id)]);
      const delivery = await claimOne(broker, stage.signal);
      await broker.complete([done(delivery, { result: result === null ? null : JSON.stringify(result) })]);
    }
    const { tasks } = await broker.list({ state: "done", limit: 10 });
    const told = tasks.map(({ id, result, result_bytes: bytes }) => [id, result, bytes]);
    assert.deepEqual(told.toSorted(), [
      ["long", null, LISTED_RESULT_BYTES + 2],
      ["none", null, 0],
      ["short", results.short, LISTED_RESULT_BYTES],
    ]);
    assert.equal((await broker.record("long"))?.result, results.long);
  });

  sentence("a list gives an error as it is, and of a very long one name and message", async (stage) => {
    const broker = await stage.open("a");
    const small = {
      name: "Error",
      message: "small",
      stack: "Error: small\n at there",
      parts: [{ name: "A", message: "b" }],
    };
    const message = `"quoted"\n${"\\".repeat(3_000)}`;
    const large = {
      name: 'Lar"ge',
      message,
      parts: Array.from({ length: 50 }, () => ({ ...small, stack: "s".repeat(8_000) })),
    };
    assert.ok(JSON.stringify(large).length > LISTED_ERROR_BYTES);
    for (const [id, error] of Object.entries({ small, large })) {
      await broker.enqueue([task(id)]);
      await broker.complete([dead(await claimOne(broker, stage.signal), { error, reason: "r".repeat(100_000) })]);
    }
    const { tasks } = await broker.list({ state: "dead", limit: 10 });
    const errorOf = (id: string) => tasks.find((each) => each.id === id)?.error;
    assert.deepEqual(errorOf("small"), small);
    assert.deepEqual(errorOf("large"), { name: large.name, message: message.slice(0, LISTED_MESSAGE_LENGTH) });
    assert.deepEqual((await broker.record("large"))?.error, large);
    assert.equal(tasks[0]?.reason, "r".repeat(LISTED_REASON_LENGTH));
  });

  sentence("a page ends by bytes, and the next one goes on right behind it", async (stage) => {
    const broker = await stage.open("a");
    const ids = Array.from({ length: 60 }, (_, at) => `t${at}`);
    await broker.enqueue(ids.map((id) => longTask(id, 10_000)));
    await endAll(stage, broker, 20, () => (delivery) => cancelledBy(delivery));
    await claimAll(broker, 20, stage.signal);
    const maxBytes = 10_000;
    const pages = await allPages(broker, maxBytes);
    for (const { tasks } of pages) {
      const bytes = tasks.reduce((sum, each) => sum + Buffer.byteLength(each.message), 0);
      assert.ok(bytes < maxBytes + 4 * LISTED_MESSAGE_LENGTH, `${bytes} bytes in a page`);
    }
    const listed = pages.flatMap(({ tasks }) => tasks.map(({ id }) => id));
    assert.deepEqual(listed.toSorted(), ids.toSorted());
    const alone = await allPages(broker, 1);
    assert.ok(alone.every(({ tasks }) => tasks.length <= 1));
    assert.deepEqual(
      alone.flatMap(({ tasks }) => tasks.map(({ id }) => id)),
      listed,
    );
    for (const wrong of [0, -1, Number.NaN]) {
      await assert.rejects(async () => broker.list({ limit: 1, maxBytes: wrong }), RangeError, String(wrong));
    }
  });

  sentence("a page of tasks of 4 MB is small", async (stage) => {
    const broker = await stage.open("a");
    const [count, length] = [20, 4 * MB];
    const result = JSON.stringify("r".repeat(MB));
    const error = { name: "Error", message: "m".repeat(4_000), stack: "s".repeat(8_000) };
    for (let at = 0; at < count; at++) {
      await broker.enqueue([longTask(`t${at}`, length)]);
      const delivery = await claimOne(broker, stage.signal);
      await broker.complete([at % 2 === 0 ? done(delivery, { result }) : dead(delivery, { error })]);
    }
    const pages = await allPages(await stage.open(null));
    const tasks = pages.flatMap((page) => page.tasks);
    assert.equal(tasks.length, count);
    assert.ok(tasks.every((each) => each.message_bytes > length && each.message.length === LISTED_MESSAGE_LENGTH));
    const bytes = Buffer.byteLength(JSON.stringify(pages));
    assert.ok(bytes < count * MOST_OF_ONE, `${bytes} bytes of ${count} tasks`);
  });
}
