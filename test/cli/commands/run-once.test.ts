/** `run --once`, on the built executable: it works off what is due, on both brokers, and leaves. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { builtOnce } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());
const executable = builtOnce(() => stage.path("taskexe"));

/** Enqueues as many of itself as its payload says, one less each time, two by two; and one that comes later. */
const FAN = `
import { connect, defineTask } from "taskexe";
export default defineTask({
  type: "fan",
  async run({ payload, task }) {
    if (payload === 0) return;
    const client = await connect();
    try {
      await client.enqueueMany("fan", [1, 2].map((n) => ({ payload: payload - 1, id: task.id + n })));
    } finally {
      await client.close();
    }
  },
});
`;

const BROKERS: readonly (readonly [name: string, address: () => Promise<string>])[] = [
  ["SQLite", async () => "sqlite:once.db"],
  ["Redis", async () => (await stage.redis()).url],
];

for (const [name, address] of BROKERS) {
  describe(`run --once on ${name}`, () => {
    let broker: readonly string[];
    const run = async (...args: string[]) => {
      broker ??= ["--broker", await address()];
      return stage.run([...args, ...broker], { program: await executable() });
    };
    const states = async () => {
      const { stdout } = await run("list", "--all", "--json");
      const tasks: { id: string; state: string }[] = JSON.parse(stdout).tasks;
      return new Map(tasks.map(({ id, state }) => [id, state]));
    };

    test("leaves at once where nothing is due", SLOW, async () => {
      await run("enqueue", "noop", "--id", "much-later", "--delay", "1h");
      const { code, stderr } = await run("run", "--once");
      assert.equal(code, 0, stderr);
      assert.match(stderr, /no HTTP/);
      assert.match(stderr, /nothing more is due[\s\S]*worked off: 0 done, 0 dead, 0 to be tried again/);
      assert.equal((await states()).get("much-later"), "scheduled");
    });

    test("runs what is due, whatever becomes of it, and exits with 0", SLOW, async () => {
      await run("enqueue", "echo", "1", "--id", "done");
      await run("enqueue", "fail", "--id", "dead", "--attempts", "1");
      await run("enqueue", "fail", "--id", "again", "--backoff", "fixed:1h");
      const { code, stderr } = await run("run", "--once");
      assert.equal(code, 0, stderr);
      assert.match(stderr, /worked off: 1 done, 1 dead, 1 to be tried again/);
      const after = await states();
      assert.deepEqual(
        ["done", "dead", "again"].map((id) => after.get(id)),
        ["done", "dead", "retrying"],
      );
    });

    test("works off what tasks enqueue, with several executors beside each other", SLOW, async () => {
      await stage.write({ "fan.ts": FAN });
      await run("enqueue", "fan", "6", "--id", "f");
      const runs = await Promise.all(
        [1, 2, 3].map((n) => run("run", "--once", "--tasks", "fan.ts", "--name", `once-${n}`)),
      );
      for (const { code, stderr } of runs) assert.equal(code, 0, stderr);
      const done = runs.map(({ stderr }) => Number(/worked off: (\d+) done, 0 dead, 0 to be/.exec(stderr)?.[1]));
      assert.equal(
        done.reduce((sum, each) => sum + each),
        2 ** 7 - 1,
      );
      const left = [...(await states())].filter(([id, state]) => id.startsWith("f") && state !== "done");
      assert.deepEqual(left, []);
    });

    test("does not wait for what is paused", SLOW, async () => {
      await run("pause", "type", "sleep");
      await run("enqueue", "sleep", '{"ms":1}', "--id", "paused");
      await run("enqueue", "noop", "--id", "beside");
      const { code, stderr } = await run("run", "--once");
      assert.equal(code, 0, stderr);
      const after = await states();
      assert.deepEqual([after.get("paused"), after.get("beside")], ["queued", "done"]);
      await run("resume", "type", "sleep");
      await run("run", "--once");
      assert.equal((await states()).get("paused"), "done");
    });

    test("fires a schedule that is due", SLOW, async () => {
      assert.equal((await run("cron", "add", "often", "@every 1s", "noop")).code, 0);
      await until("it is due", 10_000, async () => {
        await run("run", "--once");
        const { stdout } = await run("cron", "show", "often", "--json");
        return /"done"/.test(stdout);
      });
      await run("cron", "remove", "often");
    });

    test("a SIGTERM makes it drain before it is through", SLOW, async () => {
      await run("enqueue", "sleep", '{"ms":600000}', "--id", "long");
      const args = ["run", "--once", "--grace", "0s", ...(broker ?? [])];
      const executor = stage.start(args, { program: await executable() });
      await until("it runs", 10_000, async () => (await states()).get("long") === "running");
      executor.kill("SIGTERM");
      assert.equal((await executor.exit).code, 0);
      assert.equal((await states()).get("long"), "queued");
      await run("cancel", "long");
    });
  });
}
