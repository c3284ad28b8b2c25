/** Whatever a task brings along, no command and no log sends it to the terminal as it is; JSON has its exact value. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { printable } from "../../src/task/text/printable.ts";
import { printableJson } from "../../src/task/text/printable-json.ts";
import type { Finished } from "../stage/command.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

/**
 * An escape, a bell, a return, C1's own escape, a turn of the direction, a hidden space, a line break and half a
 * character.
 */
const HOSTILE = "a\x1b]0;title\x07\r\x9b31mb\u202ec\u2066\u200bd\ufeff\ne\u2028\x7f\ud800\u{e0041}f";
/** The same as a name, which must be whole characters. */
const NAME = HOSTILE.replace("\ud800", "");
const RAW = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

const HANDLERS = `import { defineTask } from "taskexe";
  const hostile = ${JSON.stringify(NAME)};
  class Hostile extends Error { name = hostile; }
  export const gives = defineTask({ type: "gives", run: ({ payload }) => payload });
  export const throws = defineTask({ type: hostile, attempts: 1, async run({ payload, progress, log }) {
    await progress(0.5, payload);
    log.info(payload);
    throw new Hostile(payload, { cause: new AggregateError([new Error(payload)], payload) });
  } });`;

function assertHarmless({ stdout, stderr }: Pick<Finished, "stdout" | "stderr">, what: string): void {
  assert.doesNotMatch(stdout, RAW, what);
  assert.doesNotMatch(stderr, RAW, what);
}

test("what can steer, turn or hide text is written out, and what people write stays", () => {
  assert.equal(
    printable(HOSTILE),
    "a\\u001b]0;title\\u0007\\u000d\\u009b31mb\\u202ec\\u2066\\u200bd\\ufeff" +
      "\\u000ae\\u2028\\u007f\\ud800\\udb40\\udc41f",
  );
  for (const text of ["Grüße, 世界 مرحبا", "می\u200cخواهم", "👩\u200d👩\u200d👧", "क्\u200dष", "a\tb\n"]) {
    assert.equal(printable(text, "lines"), text);
  }
  assert.equal(printable("pay\u200dpal"), "pay\\u200dpal");
});

test("JSON is harmless too and has exactly the same value", () => {
  const value = { [NAME]: [HOSTILE, "\\u001b", "Grüße, 世界"] };
  for (const indent of [undefined, 2]) {
    const text = printableJson(value, indent);
    assert.doesNotMatch(text, RAW);
    assert.deepEqual(JSON.parse(text), value);
  }
});

describe("a fleet on Redis where every name and text is hostile", () => {
  const stage = Stage.make();
  let redis: RedisServer;
  let executor: Awaited<ReturnType<Stage["executor"]>>;

  const run = (...given: string[]) => stage.run([...given, "--broker", redis.url]);
  const checked = async (...given: string[]) => {
    const finished = await run(...given);
    assertHarmless(finished, given.join(" "));
    return finished;
  };

  before(async () => {
    redis = await startRedis();
    writeFileSync(join(stage.folder, "handlers.ts"), HANDLERS);
    writeFileSync(join(stage.folder, "hostile.json"), JSON.stringify(HOSTILE));
    executor = await stage.executor({ args: ["--broker", redis.url, "--tasks", join(stage.folder, "handlers.ts")] });
    const raw = new Redis(redis.url);
    const beat = JSON.stringify({ current: { [NAME]: { type: NAME } }, done: NAME, concurrency: NAME });
    await raw.sadd("TASKEXE", `old${NAME}`);
    await raw.zadd(`old${NAME}`, Date.now() / 1_000, beat);
    await raw.quit();
  });
  after(async () => {
    await stage.end();
    await redis.stop();
  });

  test("enqueue --wait shows a result and a failure", async () => {
    const done = await checked("enqueue", "gives", "@hostile.json", "--wait");
    assert.equal(JSON.parse(done.stdout), HOSTILE);
    const failed = await checked("enqueue", NAME, "@hostile.json", "--wait", "--id", "fails");
    assert.match(failed.stderr, /fails is dead after 1 attempt: /);
  });

  test("task, list, watch, top, status, cron and the answers of changes show it", async () => {
    await run("enqueue", NAME, "@hostile.json", "--id", `x${NAME}`, "--wait");
    await checked("task", `x${NAME}`);
    await checked("task", `y${NAME}`);
    await checked("watch", `x${NAME}`);
    await checked("watch", `y${NAME}`);
    await checked("list", "--state", "dead");
    await checked("cancel", `x${NAME}`);
    await checked("pause", "type", NAME);
    await checked("pause");
    await checked("top", "--once");
    await checked("resume", "type", NAME);
    await checked("cron", "add", NAME, "* * * * *", NAME);
    await checked("cron", "list");
    await checked("cron", "remove", NAME);
    await checked("status", "--listen", "off");
    await checked("status", "--url", executor.url);
    await checked("retry", `x${NAME}`);
  });

  test("so do errors about what was typed", async () => {
    await checked("status", "--url", `http://${NAME}`);
    await checked("list", "--state", NAME);
    await checked("cron", NAME);
    await checked("enqueue", "gives", `@${NAME}`);
    await checked("enqueue", "gives", NAME);
    await checked(`--${NAME}`);
    assertHarmless(await stage.run([NAME]), "an unknown command");
    assertHarmless(await stage.run(["run", "--tasks", NAME]), "a missing file");
    assertHarmless(await stage.run(["run", "--config", NAME]), "a missing configuration");
    assertHarmless(await stage.run(["list"], { env: { TASKEXE_BROKER: `redis:${NAME}` } }), "a wrong address");
  });

  test("JSON of every command has the exact value, in characters that are harmless", async () => {
    await run("enqueue", NAME, "@hostile.json", "--id", "exact", "--wait");
    const task = JSON.parse((await checked("task", "exact", "--json")).stdout);
    assert.equal(task.type, NAME);
    assert.equal(JSON.parse(task.message).payload, HOSTILE);
    const events = (await checked("watch", "exact", "--json")).stdout.trimEnd().split("\n");
    assert.equal(JSON.parse(events.at(-1) ?? "").task.type, NAME);
    const status = JSON.parse((await checked("status", "--listen", "off", "--json")).stdout);
    assert.ok(status.fleet.some(({ name }: { name: string }) => name === `old${NAME}`));
  });

  test("the log and the tree of an executor show it, with stacks too", async () => {
    const [enqueued] = await Promise.all([
      run("enqueue", NAME, "@hostile.json", "--queue", "debug", "--wait"),
      debugged("pretty", async (url) => {
        await until(async () => (await (await fetch(`${url}/status`)).json()).failed > 0);
        assert.doesNotMatch(await (await fetch(`${url}/status/tree?format=text`)).text(), RAW);
      }),
    ]);
    assertHarmless(enqueued, "enqueue --wait");
  });

  async function debugged(format: string, look: (url: string) => Promise<void>): Promise<void> {
    const given = ["--broker", redis.url, "--queues", "debug", "--tasks", join(stage.folder, "handlers.ts")];
    const other = await stage.executor({ args: [...given, "--log", format], env: { TASKEXE_DEBUG: "1" } });
    await look(other.url);
    other.kill("SIGTERM");
    const { stdout, stderr } = await other.ended;
    assert.match(stderr, /title/);
    assertHarmless({ stdout, stderr }, "the log");
  }
});
