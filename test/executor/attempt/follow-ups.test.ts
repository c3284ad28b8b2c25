/**
 * What follows the ends of tasks, on the executable with both brokers: named by the enqueue, the definition or the
 * settings, once for each task, whoever is killed in the middle.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { prepareTask, requestOf } from "../../../src/task/message/new-task.ts";
import type { EnqueueOptions } from "../../../src/task/options/enqueue-options.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { builtOnce } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = `import { appendFileSync } from "node:fs";
  import { defineTask, sleep } from "taskexe";
  const note = (name, { id, state }) => appendFileSync(new URL(name, import.meta.url), id + " " + state + "\\n");
  export const works = defineTask({ type: "works", onDone: "noted", onCancelled: "noted", run: () => ({ n: 1 }) });
  export const fails = defineTask({ type: "fails", attempts: 1, onDead: "noted", run() { throw new Error("no"); } });
  export const slow = defineTask({ type: "slow", run: ({ signal }) => sleep(60_000, signal) });
  export const noted = defineTask({ type: "noted", attempts: 1, onDead: "noted", onDone: "noted",
    async run({ payload, enqueue }) {
      note("noted", payload);
      if (payload.id === "loops") await enqueue("works", null, { id: "child-of-noted" });
      if (payload.id === "fails-in-turn") throw new Error("the follower fails");
      return payload.reason; } });
  export const all = defineTask({ type: "all", attempts: 1, run: ({ payload }) => note("all", payload) });`;

for (const kind of ["redis", "sqlite"] as const) {
  describe(`what follows on ${kind}`, () => {
    let stage: Stage;
    let url: string;
    let client: Broker;
    const built = builtOnce(() => stage.path("taskexe"));

    before(async () => {
      stage = Stage.make();
      url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      await stage.write({ "tasks/tasks.ts": TASKS });
      client = await stage.client(url);
    }, SLOW);
    after(() => stage.end());

    const start = async (...args: string[]): Promise<ExecutorProcess> => {
      const more = { lease: "1s", grace: "300ms", concurrency: 10, args };
      return stage.executor({ broker: url, tasks: stage.path("tasks"), program: await built(), ...more });
    };
    const enqueue = async (id: string, type: string, options: EnqueueOptions = {}): Promise<void> => {
      const surroundings = { now: client.now(), retentionMs: 3_600_000 };
      await client.enqueue([requestOf(prepareTask(type, null, { ...options, id }, surroundings), client.now())]);
    };
    const lines = async (file = "noted"): Promise<string[]> =>
      (await stage.read(`tasks/${file}`).catch(() => "")).split("\n").filter((line) => line !== "");
    const everything = async (): Promise<TaskRecord[]> => {
      const all: TaskRecord[] = [];
      let cursor: string | null = null;
      do {
        const page = await client.list({ limit: 1_000, ...(cursor === null ? {} : { cursor }) });
        all.push(...page.tasks);
        cursor = page.cursor;
      } while (cursor !== null);
      return all;
    };
    const followersOf = async (id: string): Promise<TaskRecord[]> => {
      const tasks = await everything();
      const prefixes = ["done", "dead", "cancelled"].map((end) => `on_${end}:${id}:`);
      return tasks.filter((task) => prefixes.some((prefix) => task.id.startsWith(prefix)));
    };
    const follower = (executor: ExecutorProcess, id: string, state: "done" | "dead" = "done"): Promise<TaskRecord> =>
      untilBy(executor, `what follows ${id} is ${state}`, async () =>
        (await followersOf(id)).find((task) => task.state === state),
      );

    test("the enqueue, then the definition, then the settings say it, for each end", SLOW, async () => {
      const executor = await start("--isolation", "shared");
      await enqueue("by-definition", "works");
      await enqueue("by-enqueue", "works", { onDone: "all" });
      await enqueue("dies", "fails");
      await enqueue("unknown", "nobody has it", { onDead: "noted", attempts: 1 });
      await enqueue("runs", "slow", { onCancelled: "noted" });
      await enqueue("waits", "works", { delayMs: 3_600_000 });
      await untilBy(executor, "it runs", async () => (await client.record("runs"))?.state === "running");
      await client.cancel(["runs", "waits"]);
      for (const id of ["by-definition", "by-enqueue", "dies", "runs", "waits"]) await follower(executor, id);
      assert.equal((await followersOf("by-enqueue"))[0]?.type, "all");
      assert.equal((await follower(executor, "dies")).result, "no");
      const { result } = await follower(executor, "unknown");
      assert.match(String(result), /no handler for the type "nobody has it"/);
      await enqueue("forgotten", "works", { retentionMs: 0 });
      await follower(executor, "forgotten");
      await executor.end();
      const settings = await stage.write({ "all.toml": 'on_done = "all"\non_dead = "all"\non_cancelled = "all"\n' });
      const second = await start("--config", join(settings, "all.toml"));
      await enqueue("of-settings", "noop");
      const told = await follower(second, "of-settings");
      assert.equal(told.type, "all");
      // By now the executor has told the broker what its settings say of tasks that are cancelled while they wait.
      await enqueue("slow-2", "slow", { delayMs: 3_600_000 });
      await client.cancel(["slow-2"]);
      assert.equal((await follower(second, "slow-2")).type, "all");
      const shown = await stage.run(["task", told.id, "--broker", url]);
      assert.match(shown.stdout, /^follows +of-settings$/m);
      await second.end();
    });

    test("nothing follows what follows, nor what its handler enqueues", SLOW, async () => {
      const settings = await stage.write({ "loop.toml": 'on_done = "noted"\non_dead = "noted"\n' });
      const executor = await start("--config", join(settings, "loop.toml"));
      await enqueue("loops", "works");
      await enqueue("fails-in-turn", "works");
      await follower(executor, "loops");
      await follower(executor, "fails-in-turn", "dead");
      await recordOnce("done", executor, client, "child-of-noted");
      await enqueue("last", "works");
      await follower(executor, "last");
      const noted = await lines();
      for (const id of ["loops", "fails-in-turn", "last"]) {
        assert.deepEqual(noted.filter((line) => line === `${id} done`).length, 1, id);
      }
      assert.ok(!noted.some((line) => line.startsWith("on_") || line.startsWith("child-of")), noted.join());
      await executor.end();
    });

    test("comes once for each task, though executors are killed again and again", SLOW, async () => {
      const ids = Array.from({ length: 600 }, (_, number) => `storm-${number}`);
      for (let at = 0; at < ids.length; at += 100) {
        await Promise.all(
          ids.slice(at, at + 100).map((id, n) => enqueue(id, n % 3 === 0 ? "fails" : "works", { onDone: "noted" })),
        );
      }
      const isOver = async () => {
        const { tasks } = await client.list({ limit: 1_000, state: "queued" });
        return tasks.length === 0;
      };
      for (let kill = 0; kill < 4; kill++) {
        const executor = await start("--name", `storm-${kill}`);
        const begun = (await lines()).length;
        await untilBy(executor, "some have ended", async () => (await lines()).length > begun + 20 || isOver());
        executor.kill("SIGKILL");
        await executor.ended;
      }
      const last = await start("--name", "storm-last");
      await untilBy(last, "all have ended", async () => {
        const counts = await client.counts(["common"]);
        return counts.every(({ queued, running, scheduled }) => queued + running + scheduled === 0);
      });
      const followers = (await everything()).filter(({ id }) => /^on_(done|dead):storm-/.test(id));
      assert.equal(followers.length, ids.length);
      const of = new Set(followers.map(({ id }) => id.split(":")[1]));
      assert.deepEqual([...of].sort(), [...ids].sort());
      await last.end();
    });
  });
}

test("the help and check know the options", SLOW, async () => {
  await Stage.with(async (stage) => {
    const help = await stage.run(["enqueue", "--help"]);
    assert.match(help.stdout, /--on-dead <type>.*once it is dead/s);
    await stage.write({ "wrong.toml": 'on_dead = ""\n[http.a]\nurl = "http://localhost"\non_done = 7\n' });
    const wrong = await stage.run(["check", "--config", stage.path("wrong.toml"), "--broker", "sqlite:q.db"]);
    assert.match(wrong.stdout, /on_done: expected/);
  });
});
