/**
 * Who waits for a task is told why it does not run, on both brokers, and may say how long to wait.
 * @long about 20 s
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Command } from "../stage/command.ts";
import { startRedis } from "../stage/redis/server.ts";
import { Stage } from "../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());

async function ended(executor: Command): Promise<void> {
  executor.kill("SIGTERM");
  assert.equal((await executor.ended).code, 0);
}

const linesOf = (text: string): string[] => text.trimEnd().split("\n");

for (const kind of ["redis", "sqlite"] as const) {
  test(`${kind}: a wait tells once that nobody serves the queue, and ends when somebody does`, async () => {
    const redis = kind === "redis" ? await startRedis() : null;
    try {
      const at = ["--broker", redis?.url ?? `sqlite:${stage.folder}/waiting.db`];
      const waiting = stage.start(["enqueue", "echo", '"heard"', "--id", "w", "--queue", "late", "--wait", ...at]);
      await waiting.says(
        /taskexe: w waits: no executor runs, so none serves the queue "late": taskexe run --queues late\n/,
      );
      const other = await stage.executor({ args: [...at, "--name", "other"] });
      const again = stage.start([
        "enqueue",
        "echo",
        "--id",
        "w",
        "--queue",
        "late",
        "--wait",
        "--wait-timeout",
        "10m",
        ...at,
      ]);
      await again.says(/w waits: no executor serves the queue "late"; those that run serve common\n/);
      const late = await stage.executor({ args: [...at, "--queues", "late", "--name", "late"] });
      const { stdout, stderr, code } = await waiting.ended;
      assert.deepEqual([stdout, code, linesOf(stderr).length], ['"heard"\n', 0, 1], stderr);
      assert.equal((await again.ended).code, 0);
      await ended(other);
      await ended(late);
    } finally {
      await redis?.stop();
    }
  });
}

test("a wait tells that the type is not known, or paused, or not due; a watch and HTTP do, too", async () => {
  const executor = await stage.executor();
  const unknown = stage.start(["enqueue", "ecoh", "--id", "u", "--wait"]);
  await stage.run(["pause", "type", "echo"]);
  const paused = stage.start(["enqueue", "echo", '"on"', "--id", "p", "--wait"]);
  const delayed = stage.start(["enqueue", "echo", "--id", "d", "--delay", "1h", "--wait", "--wait-timeout", "4s"]);
  await unknown.says(
    /u waits: no executor that serves the queue "common" knows the type "ecoh"; known there are echo, fail, /,
  );
  await paused.says(/p waits: the type "echo" is paused: taskexe resume type echo/);
  await delayed.says(/d waits: it is due at 20/);
  const watching = stage.start(["watch", "p"]);
  await watching.says(/taskexe: p waits: the type "echo" is paused/);
  const events = await fetch(`${executor.url}/api/v1/tasks/p/watch`);
  await stage.run(["cancel", "u"]);
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of events.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("event: waiting")) break;
  }
  assert.match(
    text,
    /event: waiting\ndata: \{"reason":"the type \\"echo\\" is paused: taskexe resume type echo"\}\n\n/,
  );
  await stage.run(["resume", "type", "echo"]);
  assert.deepEqual([(await paused.ended).stdout, (await unknown.ended).code], ['"on"\n', 1]);
  const { stdout, code } = await watching.ended;
  assert.equal(code, 0);
  assert.doesNotMatch(stdout, /waits/);
  assert.equal((await delayed.ended).code, 1);
  await ended(executor);
});

test("a wait whose time is over exits with 1, says so, and leaves the task alone", async () => {
  const waiting = await stage.run([
    "enqueue",
    "idle",
    "--id",
    "t",
    "--queue",
    "q",
    "--wait",
    "--wait-timeout",
    "100ms",
  ]);
  assert.deepEqual([waiting.code, waiting.stdout], [1, ""]);
  assert.equal(
    waiting.stderr,
    "taskexe: t has not ended within 100ms: it is queued, and goes on; see: taskexe task t\n",
  );
  assert.equal(JSON.parse((await stage.run(["task", "t", "--json"])).stdout).state, "queued");
  for (const [given, says] of [
    [["--wait-timeout", "1s"], /--wait-timeout goes with --wait/],
    [["--wait", "--retention", "0"], /--wait: nothing is kept of a task with a retention of 0, so its end could not/],
    [["--wait", "--wait-timeout", "soon"], /flag --wait-timeout: expected a duration/],
  ] as const) {
    const { code, stderr } = await stage.run(["enqueue", "idle", ...given]);
    assert.equal(code, 2);
    assert.match(stderr, says);
  }
});
