/**
 * A payload is the text that somebody gave, from every door to every record, through retries and delays, on both
 * brokers; and what no handler could be given is refused with its place.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { drained } from "../../stage/executor.ts";
import type { RedisServer } from "../../stage/redis/server.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/exact.ts": `import { defineTask } from "taskexe";
    const backoff = { kind: "fixed", delay_ms: 1 } as const;
    export const frail = defineTask({ type: "frail", attempts: 3, backoff, run() { throw new Error("as ever"); } });
    export const keys = defineTask({ type: "keys", run: ({ payload }) => Object.keys(payload as object) });`,
};

/** What a parser and JSON.stringify would change: order, spellings, digits, doubled keys, escapes. */
const EXACT =
  '{"b":1.0,"1":-0,"n":9007199254740993,"n":123456789012345678901234567890,"__proto__":{"x":1e-400},' +
  '"s":"\\\\ud800 \\\\u0000 \\\\/ \\ud800 \\u0000 \\/ é \\u00e9","d":[0.10,1E+2,[],{}],"toJSON":null}';
/** The same as an editor writes it, and on one line. */
const LINES = EXACT.replaceAll(",", ",\r\n\t");
const ONE_LINE = EXACT.replaceAll(",", ", \t");

for (const kind of ["redis", "sqlite"] as const) {
  describe(`a payload on ${kind}`, () => {
    let stage: Stage;
    let redis: RedisServer | null;
    let url: string;
    let executor: ExecutorProcess;
    let broker: Broker;

    before(async () => {
      stage = Stage.make();
      redis = kind === "redis" ? await stage.redis() : null;
      url = redis?.url ?? `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write({ ...TASKS, "lines.json": `\ufeff${LINES}\n` });
      executor = await stage.executor({ broker: url, tasks });
      broker = await stage.client(url);
    });

    after(async () => {
      assert.equal(await drained(executor), 0);
      await stage.end();
    });

    const run = (args: readonly string[], stdin?: string | Buffer) =>
      stage.run(args, { env: { TASKEXE_BROKER: url }, ...(stdin === undefined ? {} : { stdin }) });
    const enqueue = async (args: readonly string[], stdin?: string | Buffer): Promise<void> => {
      const { code, stderr } = await run(["enqueue", ...args], stdin);
      assert.equal(code, 0, stderr);
    };
    const send = (method: string, path: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
      fetch(`http://127.0.0.1:${executor.port}/api/v1/${path}`, {
        method,
        headers: { "content-type": "application/json" },
        body,
      });
    const payloadOf = async (id: string, state: "done" | "dead" = "done"): Promise<string> => {
      const { message } = await recordOnce(state, executor, broker, id);
      return message.slice(message.indexOf('"payload":') + '"payload":'.length);
    };

    test("comes from the command line, files, standard input, lines and HTTP as it was given", SLOW, async () => {
      await enqueue(["keys", EXACT, "--id", "argument"]);
      await enqueue(["keys", "@lines.json", "--id", "file"]);
      await enqueue(["keys", "-", "--id", "stdin"], LINES);
      await enqueue(["--jsonl", "-"], `{"payload":${EXACT},"id":"line","type":"keys"}\r\n`);
      const single = `{"type":"keys","id":"http","payload":\n${LINES} }`;
      assert.equal((await send("POST", "tasks", single)).status, 201);
      const [first, second] = [`"id":"bulk-0","payload":{}`, `"payload":${EXACT},"id":"bulk-1"`];
      const many = `{"tasks":[{"type":"keys",${first}},{${second},"type":"keys"}]}`;
      assert.equal((await send("POST", "tasks", many)).status, 200);
      for (const id of ["argument", "line", "bulk-1"]) assert.equal(await payloadOf(id), `${EXACT}}`, id);
      for (const id of ["file", "stdin", "http"]) assert.equal(await payloadOf(id), `${ONE_LINE}}`, id);
      // A handler gets what JSON.parse gives.
      const { result } = await recordOnce("done", executor, broker, "argument");
      assert.deepEqual(result, ["1", "b", "n", "__proto__", "s", "d", "toJSON"]);
      const shown = await run(["task", "argument", "--json"]);
      assert.ok(JSON.parse(shown.stdout).message.endsWith(`"payload":${EXACT}}`), shown.stdout);
    });

    test("is the same after delays, failed attempts and retries by hand", SLOW, async () => {
      await enqueue(["frail", EXACT, "--id", "frail", "--delay", "20ms", "--unique"]);
      assert.ok((await payloadOf("frail", "dead")).startsWith(`${EXACT},"taskexe":{`));
      const ended = (await broker.record("frail"))?.finished_at;
      assert.deepEqual(
        (await broker.retry(["frail"])).map(({ retried }) => retried),
        [true],
      );
      await untilBy(executor, "frail is dead again", async () => {
        const record = await broker.record("frail");
        return record?.state === "dead" && record.finished_at !== ended && record.attempt === 3;
      });
      assert.ok((await payloadOf("frail", "dead")).startsWith(`${EXACT},"taskexe":{"attempt":3`));
    });

    test("of a schedule is kept, shown and enqueued as it was given", SLOW, async () => {
      const added = await run(["cron", "add", "exact", "* * * * * *", "keys", LINES, "--json"]);
      assert.ok(added.stdout.includes(ONE_LINE), added.stdout + added.stderr);
      const body = `{"cron":"0 0 1 1 *","type":"keys","payload":${EXACT}}`;
      assert.ok((await (await send("PUT", "schedules/http", body)).text()).includes(`"payload":${EXACT}`));
      assert.ok((await executor.get("/api/v1/schedules/http")).body.includes(`"payload":${EXACT}`));
      const listed = (await run(["cron", "list", "--json"])).stdout;
      assert.ok(listed.includes(ONE_LINE) && listed.includes(EXACT), listed);
      const fired = await untilBy(executor, "it has fired", async () => {
        const { tasks } = await broker.list({ state: "done", limit: 100 });
        return tasks.find(({ id }) => id.startsWith("cron-exact-"));
      });
      assert.equal(await payloadOf(fired.id), `${ONE_LINE}}`);
      await broker.removeSchedule("exact");
    });

    test("that no handler could be given is refused with its place, and of many only that one", SLOW, async () => {
      const endless = '{"a":[1,2,3,1e400]}';
      const refusal = /payload\.a\[3\]: 1e400 is larger than any number/;
      for (const args of [
        ["enqueue", "keys", endless],
        ["cron", "add", "endless", "@daily", "keys", endless],
      ]) {
        const { code, stderr } = await run(args);
        assert.equal(code, 2);
        assert.match(stderr, refusal);
      }
      const answer = await send("POST", "tasks", `{"tasks":[{"type":"keys"},{"type":"keys","payload":${endless}}]}`);
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), /tasks\.1: payload\.a\[3\]: 1e400/);
      const scheduled = await send("PUT", "schedules/never", `{"cron":"@daily","type":"keys","payload":${endless}}`);
      assert.equal(scheduled.status, 400);
      const broken = Uint8Array.from(Buffer.from('{"type":"keys","payload":"\xff"}', "latin1"));
      assert.equal((await send("POST", "tasks", broken)).status, 400);

      const line = (id: string, payload: string) => `{"type":"keys","id":"${id}","payload":${payload}}\n`;
      const lines = Buffer.concat([
        Buffer.from(`\ufeff${line("first", "[1]")}${line("endless", endless)}`),
        Buffer.from(line("broken", '"\xff"'), "latin1"),
        Buffer.from(line("deep", "[".repeat(600) + "]".repeat(600))),
        Buffer.from(line("long", `"${"x".repeat(13_000_000)}"`)),
        Buffer.from(line("last", "[1]")),
      ]);
      const { code, stdout, stderr } = await run(["enqueue", "--jsonl", "-"], lines);
      assert.deepEqual([code, stdout], [1, "2 tasks enqueued, 4 lines refused\n"]);
      assert.match(stderr, /line 2: payload\.a\[3\]: 1e400/);
      assert.match(stderr, /line 3: it is not UTF-8/);
      assert.match(stderr, /line 4: nested deeper than 500 levels/);
      assert.match(stderr, /line 5: longer than 4194304 characters/);
      const argument = await run(["enqueue", "keys", "-"], Buffer.from('"\xff"', "latin1"));
      assert.deepEqual([argument.code, argument.stderr], [2, "taskexe: standard input: it is not UTF-8\n"]);
    });

    // Nobody else writes into the embedded file.
    if (kind === "sqlite") return;

    test(
      "of another producer is kept, and one that no handler could be given is dead with its place",
      SLOW,
      async () => {
        assert.ok(redis !== null);
        const foreign = `{"id":"foreign","task_type":"frail","doc":${EXACT},"retry_count":1.0}`;
        await redis.cli(["XADD", "te.0.common", "*", "message", foreign]);
        await redis.cli([
          "XADD",
          "te.0.common",
          "*",
          "message",
          '{"id":"endless","task_type":"keys","a":{"b":-1e999}}',
        ]);
        await redis.cli(["XADD", "te.0.common", "*", "message", '{"id":"ours","task_type":"keys","payload":[1e999]}']);
        const dead = await recordOnce("dead", executor, broker, "foreign");
        assert.ok(dead.message.startsWith(foreign.replace(/}$/, ',"taskexe":{"attempt":3')), dead.message);
        assert.match((await recordOnce("dead", executor, broker, "endless")).reason ?? "", /^a\.b: -1e999 is larger/);
        assert.match(
          (await recordOnce("dead", executor, broker, "ours")).reason ?? "",
          /^payload\[0\]: 1e999 is larger/,
        );
      },
    );
  });
}
