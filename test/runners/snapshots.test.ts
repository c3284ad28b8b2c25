/** SIGUSR1 has each JavaScript runner write a heap snapshot, too, and the time it takes is held against nobody. */
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce, said, until, untilBy } from "../stage/until.ts";

const HANDLERS = `
  import { defineTask, sleepForever } from "taskexe";
  let goOn = () => {};
  export const fills = defineTask({ type: "fills", async run({ progress }) {
    const held = Array.from({ length: 150_000 }, (_, n) => ({ n, text: "t" + n }));
    await progress(0.5);
    await new Promise((resolve) => { goOn = resolve; });
    return held.length;
  } });
  export const ends = defineTask({ type: "ends", isolation: "shared", run: () => { goOn(); } });
`;

/** Writing takes its time, and more on a machine that is busy. */
function writtenBy(executor: ExecutorProcess): Promise<RegExpExecArray> {
  const pattern = /heap snapshot of runner \d+ in (\S+); its RSS is [\d.]+ MB/;
  return until("the runner has written its snapshot", 100_000, () => pattern.exec(executor.output()));
}

test("each runner has its own snapshot, and its attempts go on as if nothing had been", SLOW, async () => {
  await Stage.with(async (stage) => {
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    const tasks = await stage.write({ "tasks/fills.ts": HANDLERS });
    const args = ["--isolation", "shared", "--runners", "1"];
    const executor = await stage.executor({ broker: url, tasks, args, concurrency: 4, grace: "100ms" });
    const client = await stage.client(url);
    await client.enqueue([requestOf("fills", "fills", null)]);
    const pid = await untilBy(executor, "it has filled its memory", async () => {
      const { current, runners } = await executor.status();
      return current.fills?.progress === 0.5 && runners?.processes[0]?.pid;
    });
    const before = executor.output().length;
    executor.kill("SIGUSR1");
    const [, path = ""] = await writtenBy(executor);
    const own = /heap snapshot in logs\/(\S+); max RSS [\d.]+ MB, .* of the executor, (\d+)/.exec(executor.output());
    assert.equal(own?.[2], String(executor.pid));
    assert.ok(path.includes(`/logs/${pid}_snapshot_`), path);
    const [names, { mode, size }] = [readdirSync(join(stage.folder, "logs")), statSync(path)];
    assert.equal(names.length, 2);
    assert.equal(mode & 0o777, 0o600);
    assert.ok(size > 1_000_000, `${size} bytes`);
    await client.enqueue([requestOf("ends", "ends", null)]);
    assert.equal((await recordOnce("done", executor, client, "fills")).result, 150_000);
    assert.equal((await client.record("fills"))?.attempt, 1);
    assert.equal(await drained(executor), 0);
    assert.doesNotMatch(executor.output().slice(before), /stands still|ignored its cancel|no heap snapshot/);
  });
});

test("a runner that computes is passed by, and is stopped at its time as ever", SLOW, async () => {
  await Stage.with(async (stage) => {
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    const spins = `
      import { defineTask } from "taskexe";
      export const spins = defineTask({ type: "spins", isolation: "own", attempts: 1, timeoutMs: 9_000,
        run: () => { for (;;); } });`;
    const tasks = await stage.write({ "tasks/spins.ts": spins });
    const executor = await stage.executor({ broker: url, tasks, args: ["--isolation", "shared"], grace: "100ms" });
    const client = await stage.client(url);
    await client.enqueue([requestOf("spins", "spins", null)]);
    await untilBy(executor, "it runs", async () => {
      const { runners } = await executor.status();
      return runners?.processes.some(({ isolation, tasks: runs }) => isolation === "own" && runs === 1);
    });
    executor.kill("SIGUSR1");
    const [, why = ""] = await said(executor, /no heap snapshot of runner \d+: (.+)/);
    assert.match(why, /it stands still|it has not begun to write/);
    const { reason } = await recordOnce("dead", executor, client, "spins");
    assert.match(reason ?? "", /took longer than its 9000 ms/);
    assert.equal(await drained(executor), 0);
  });
});
