/**
 * Tasks that ignore their cancel in the executor's own process: as many as the limit are lived with, one more and the
 * executor leaves with 1, so that a fresh process can take its place. What it still ran is handed back, not held until
 * its lease is over.
 * @long about 35 s
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/deaf.ts": `import { defineTask } from "taskexe";
    export default defineTask({ type: "deaf", run: () => new Promise(() => {}) });`,
  "tasks/listening.ts": `import { defineTask, sleep } from "taskexe";
    export default defineTask({ type: "listening", async run({ signal }) {
      if (process.env.FRESH !== "1") await sleep(600_000, signal);
      return "fresh";
    } });`,
};

const SETTINGS: readonly { name: string; limit: number; config?: string; env?: Record<string, string> }[] = [
  { name: "the default", limit: 10 },
  { name: "the environment", limit: 2, env: { TASKEXE_ABANDONED_LIMIT: "2" } },
  { name: "the file", limit: 1, config: "abandoned_limit = 1\n" },
];

for (const kind of ["redis", "sqlite"]) {
  describe(`tasks on ${kind} that ignore their cancel`, () => {
    for (const { name, limit, config, env = {} } of SETTINGS) {
      test(`one more than ${limit} (${name}) make the executor drain and exit with 1`, SLOW, async () => {
        await Stage.with(async (stage) => {
          const tasks = await stage.write({ ...TASKS, "limit.toml": config ?? "" });
          const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
          const inline = ["--isolation", "inline"];
          const args = config === undefined ? inline : [...inline, "--config", join(stage.folder, "limit.toml")];
          // A lease so long that only a hand-back can bring the task to the next executor in time.
          const options = { tasks, args, lease: "10m", grace: "1500ms", concurrency: limit + 2 };
          const first = await stage.executor({ broker: url, ...options, name: "first", env });
          const broker = await stage.client(url);
          const deaf = Array.from({ length: limit + 1 }, (_, index) => `deaf-${index}`);
          const jobs = [...deaf.map((id) => ["deaf", id]), ["listening", "kept"]];
          for (const [type = "", id = ""] of jobs) {
            const { code, stderr } = await stage.run(["enqueue", type, "--id", id, "--broker", url]);
            assert.equal(code, 0, stderr);
          }
          await untilBy(first, "all run", async () => (await first.busySlots()) === limit + 2);

          const [last = "", ...others] = deaf;
          await broker.cancel(others);
          await untilBy(first, "they are abandoned", async () => (await first.status()).abandoned === limit);
          assert.equal((await first.status()).state, "running");
          await broker.cancel([last]);
          // Where this process was held up for as long as the drain took, the log alone tells of it.
          await untilBy(first, "one more is abandoned, and it drains", async () => {
            if (first.hasEnded) return true;
            const { abandoned, state } = await first.status();
            return abandoned === limit + 1 && state === "draining";
          });
          assert.equal((await first.ended).code, 1, first.output());
          const told = `taskexe: TooManyAbandonedError: ${limit + 1} tasks ignore their cancel (limit ${limit})`;
          assert.ok(first.output().includes(told), first.output());
          assert.ok(first.output().includes(`Draining: ${limit + 1} tasks ignore their cancel`), first.output());

          const second = await stage.executor({ broker: url, ...options, name: "second", env: { FRESH: "1" } });
          const kept = await recordOnce("done", second, broker, "kept");
          assert.deepEqual([kept.result, kept.executor, kept.crashes], ["fresh", "second", 0]);
          for (const id of deaf) assert.equal((await broker.record(id))?.state, "cancelled", id);
          assert.equal((await second.status()).abandoned, 0);
        });
      });
    }
  });
}
