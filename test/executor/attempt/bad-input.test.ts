/**
 * Whatever stands in a stream, an executor lives: what cannot be a task ends as dead with a reason that names what is
 * wrong, its bytes stay in the record, and the good tasks behind it are done as if nothing had been there.
 * @long about 18 s
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { drained } from "../../stage/executor.ts";
import type { RedisServer } from "../../stage/redis/server.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/default.ts": `import { defineTask } from "taskexe";
    export default defineTask({ type: "default", run: ({ payload }) => payload });`,
  "tasks/circle.ts": `import { existsSync } from "node:fs";
    import { defineTask, sleep } from "taskexe";
    export default defineTask({ type: "circle", attempts: 2, backoff: { kind: "fixed", delay_ms: 1 },
      async run({ payload, attempt, signal }) {
        if (attempt === 2) return payload;
        payload.list = payload;
        while (!existsSync(new URL("circle-was-seen", import.meta.url))) await sleep(20, signal);
        throw new Error("again");
      } });`,
  "tasks/half.ts": `import { defineTask } from "taskexe";
    export default defineTask({ type: "half", async run({ progress }) {
      await progress(0.5, "half of \\ud83d");
      throw new Error("half of \\ud83d");
    } });`,
};

const STREAM = "te.0.common";
const DEPTH = 100_000;

describe("an entry that cannot be run", () => {
  let stage: Stage;
  let redis: RedisServer;
  let executor: ExecutorProcess;
  let broker: Broker;
  let goods = 0;

  before(async () => {
    stage = Stage.make();
    redis = await stage.redis();
    const tasks = await stage.write(TASKS);
    const env = { TASKEXE_ATTEMPTS: "1", WORKER_HEARTBEAT_TIMEOUT: "1" };
    executor = await stage.executor({ broker: redis.url, tasks, name: "eater", env });
    broker = await stage.client(redis.url);
  }, SLOW);
  after(async () => {
    const code = await drained(executor);
    await stage.end();
    assert.equal(code, 0, "the executor has lived through all of it and leaves with 0");
  }, SLOW);

  const add = (message: string | Buffer): Promise<string> => redis.cli(["XADD", STREAM, "*", "message"], message);

  const dead = (id: string): Promise<TaskRecord> => recordOnce("dead", executor, broker, id);

  /** A good task behind the bad one is done: nothing is blocked, nobody has crashed. */
  const goodIsDone = async (): Promise<void> => {
    const id = `good-${++goods}`;
    await add(JSON.stringify({ id, doc_id: "d", mark: goods }));
    const record = await recordOnce("done", executor, broker, id);
    assert.deepEqual(record.result, { id, doc_id: "d", mark: goods });
  };

  const unreadable = (entry: string): string => `unreadable-${STREAM}-${entry}`;

  const cases: readonly {
    readonly what: string;
    readonly message: string | Buffer;
    readonly reason: RegExp;
    /** Under which id the record is; default: one made of the entry. */
    readonly id?: string;
    /** How the message stands in the record, where it is not as it was sent. */
    readonly kept?: string;
  }[] = [
    { what: "text that is no JSON", message: "parse me", reason: /not JSON/ },
    { what: "JSON that was cut off", message: '{"id":"x","task', reason: /not JSON/ },
    { what: "a JSON array", message: "[1,2]", reason: /must be a JSON object, got an array/ },
    { what: "a JSON string", message: '"te"', reason: /must be a JSON object, got string "te"/ },
    { what: "JSON null", message: "null", reason: /must be a JSON object, got null/ },
    { what: "a message without an id", message: '{"doc_id":"d"}', reason: /the message has no id/ },
    { what: "an id that is a number", message: '{"id":17}', reason: /id: must be a string, got number 17/ },
    { what: "an id that is null", message: '{"id":null}', reason: /id: must be a string, got null/ },
    { what: "an empty id", message: '{"id":""}', reason: /id: must not be empty/ },
    {
      what: "an id of 100 000 characters",
      message: JSON.stringify({ id: "x".repeat(100_000) }),
      reason: /id: must be at most 256 characters long/,
    },
    {
      what: "a type that is a number",
      message: '{"id":"bad-type","task_type":5}',
      reason: /task_type: must be a string, got number 5/,
      id: "bad-type",
    },
    {
      what: "options that are no options",
      message: '{"id":"bad-options","taskexe":{"attempts":"many"}}',
      reason: /taskexe\.attempts: .*got string "many"/,
      id: "bad-options",
    },
    {
      what: "an id with half a character",
      message: '{"id":"half-\\ud83d"}',
      reason: /id: must be text without halves of characters, got string "half-/,
    },
    {
      what: "a type with half a character",
      message: '{"id":"half-type","task_type":"\\udc00"}',
      reason: /task_type: must be text without halves of characters/,
      id: "half-type",
    },
    { what: "an empty message", message: "", reason: /the message is not JSON|the message is empty/ },
    { what: "NUL bytes", message: Buffer.from([0, 0, 0]), reason: /not JSON/, kept: "\0\0\0" },
    {
      what: "binary rubbish",
      message: Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28]),
      reason: /not JSON/,
      kept: Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28]).toString("utf8"),
    },
    {
      what: "10 MB of payload",
      message: JSON.stringify({ id: "huge", text: "x".repeat(10_000_000) }),
      reason: /the message is 100000\d\d characters long; at most 4194304 are run/,
    },
  ];

  for (const { what, message, reason, id, kept } of cases) {
    test(`${what} ends as dead, says why and keeps its bytes`, SLOW, async () => {
      const entry = await add(message);
      const record = await dead(id ?? unreadable(entry));
      assert.match(record.reason ?? "", reason);
      assert.equal(record.message === (kept ?? message.toString()), true, record.message.slice(0, 200));
      assert.equal(record.executor, "eater");
      await goodIsDone();
    });
  }

  test("an entry with another field ends as dead and names what is there", SLOW, async () => {
    const entry = await redis.cli(["XADD", STREAM, "*", "body", '{"id":"x"}']);
    const record = await dead(unreadable(entry));
    assert.match(record.reason ?? "", /1 field\(s\), "body"; expected exactly one, "message"/);
    assert.equal(record.message, 'body {"id":"x"}');
    await goodIsDone();
  });

  test("an entry with several fields ends as dead and keeps them all", SLOW, async () => {
    const entry = await redis.cli(["XADD", STREAM, "*", "message", '{"id":"x"}', "second", "2"]);
    const record = await dead(unreadable(entry));
    assert.match(record.reason ?? "", /2 field\(s\), "message", "second"; expected exactly one/);
    assert.equal(record.message, 'message {"id":"x"} second 2');
    await goodIsDone();
  });

  test("each is counted as dead and as failed, and none is left pending", SLOW, async () => {
    const countDeaths = async () => Number(await redis.cli(["ZCARD", "taskexe:dead:common"]));
    const [deaths, before] = [await countDeaths(), await executor.status()];
    for (const message of ["no JSON", "[]", '{"doc_id":"d"}']) await dead(unreadable(await add(message)));
    await goodIsDone();
    assert.equal(await countDeaths(), deaths + 3);
    // What was read while the last good one still ran is not the last word.
    await untilBy(executor, "3 more are dead and failed, 1 done, none pending", async () => {
      const { queues, failed, done, pending } = await executor.status();
      const more = [failed - before.failed, done - before.done, pending];
      return queues[0]?.dead === deaths + 3 && more.join() === "3,1,0";
    });
    assert.equal(await redis.cli(["XLEN", STREAM]), "0");
  });

  test(`a message of ${DEPTH} levels is dead, whatever it asks for`, SLOW, async () => {
    const entry = await add(`{"id":"deep","deep":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}}`);
    assert.match((await dead(unreadable(entry))).reason ?? "", /nested deeper than 500 levels/);
    await goodIsDone();
  });

  test("a message as deep as may be runs, with brackets in its texts", SLOW, async () => {
    const text = `\\"${"[".repeat(DEPTH)}\\\\`;
    const value = `${"[".repeat(499)}${JSON.stringify(text)}${"]".repeat(499)}`;
    await add(`{"id":"deep-enough","value":${value}}`);
    const { result } = await recordOnce("done", executor, broker, "deep-enough");
    assert.deepEqual(result, { id: "deep-enough", value: JSON.parse(value) });
  });

  test("a payload that its handler has tied into a circle stops neither heartbeats nor a retry", SLOW, async () => {
    await add('{"id":"circle","task_type":"circle","list":[1]}');
    const beat = await untilBy(executor, "a beat shows the task", async () => {
      const last = JSON.parse(await redis.cli(["ZREVRANGE", "eater", "0", "0"]));
      return last.current.circle && last;
    });
    assert.deepEqual(beat.current.circle, { id: "circle", task_type: "circle", list: [1] });
    await stage.write({ "tasks/circle-was-seen": "" });
    const { result, attempt } = await recordOnce("done", executor, broker, "circle");
    assert.equal(attempt, 2);
    assert.deepEqual(result, { id: "circle", task_type: "circle", list: [1] });
    await goodIsDone();
  });

  test("half a character in an error and in progress is a failure like any other", SLOW, async () => {
    await add('{"id":"half","task_type":"half"}');
    assert.match((await dead("half")).reason ?? "", /^half of /);
    await goodIsDone();
  });

  test("keys and ids named like parts of every object are only names", SLOW, async () => {
    await add('{"id":"__proto__","doc_id":"d","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    await recordOnce("done", executor, broker, "__proto__");
    await goodIsDone();
  });

  test(
    "a type that nobody handles ends as dead, whatever its name, once nobody was deployed who does",
    SLOW,
    async () => {
      const messages = {
        "unknown-type": '{"id":"unknown-type","task_type":"mindmap"}',
        constructor: '{"id":"constructor","task_type":"__proto__"}',
        toString: '{"id":"toString","task_type":"constructor"}',
      };
      for (const message of Object.values(messages)) await add(message);
      // They wait for their handler without a slot: others run meanwhile.
      await goodIsDone();
      for (const [id, message] of Object.entries(messages)) {
        const record = await dead(id);
        assert.match(record.reason ?? "", /no handler for the type ".*"; this executor knows .*default/);
        const { taskexe: _, ...kept } = JSON.parse(record.message);
        assert.deepEqual(kept, JSON.parse(message));
      }
      await goodIsDone();
    },
  );

  test("an id that came twice is run twice, since nobody but its producer knows which one is meant", SLOW, async () => {
    const { done } = await executor.status();
    await add('{"id":"twin","doc_id":"first"}');
    await add('{"id":"twin","doc_id":"second"}');
    await untilBy(executor, "both are done", async () => (await executor.status()).done >= done + 2);
    assert.equal((await broker.record("twin"))?.state, "done");
    await goodIsDone();
  });

  test("taskexe task shows the record of an entry that never was a task", SLOW, async () => {
    const entry = await add("show me");
    const record = await dead(unreadable(entry));
    const shown = await stage.run(["task", record.id, "--json", "--broker", redis.url]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.deepEqual(JSON.parse(shown.stdout), { ...record, payload: null, parent: null, follows: null, logs: [] });
  });
});
