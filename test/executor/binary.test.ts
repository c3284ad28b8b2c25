/**
 * The compiled executable alone: in an empty folder, far from any source, with handlers from outside that have no
 * node_modules beside them. It loads nothing of the folder it is started in, and its signals and exit codes hold.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "../stage/command.ts";
import { drained } from "../stage/executor.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { said, untilBy } from "../stage/until.ts";

const TASKS = {
  "outside/greet.ts": `import { defineTask, sleep } from "taskexe";
    import * as v from "valibot";
    import { greeting } from "./_greeting.ts";
    export default defineTask({ type: "greet", payload: v.object({ name: v.string() }),
      async run({ payload, signal }) { await sleep(1, signal); return greeting(payload.name); } });`,
  "outside/_greeting.ts": `export const greeting = (name: string): string => "Hello, " + name;`,
};

describe("the compiled executable", () => {
  let stage: Stage;
  let tasks: string;
  let alone: string;
  let program: [string];

  before(async () => {
    stage = Stage.make();
    tasks = await stage.write(TASKS);
    alone = join(stage.folder, "alone");
    await mkdir(alone);
    program = [join(stage.folder, "taskexe")];
    await promisify(execFile)(join(ROOT, "node_modules/.bin/bun"), [join(ROOT, "scripts/build.ts"), ...program]);
  }, SLOW);
  after(() => stage.end());

  const run = (args: readonly string[]) => stage.run(args, { program, cwd: alone });

  for (const kind of ["redis", "sqlite"]) {
    test(
      `runs handlers from a folder without node_modules on ${kind}, and leaves its own folder empty`,
      SLOW,
      async () => {
        const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
        const executor = await stage.executor({ broker: url, program, cwd: alone, tasks });
        const done = await run(["enqueue", "greet", '{"name":"Ada"}', "--wait", "--broker", url]);
        assert.deepEqual([done.code, JSON.parse(done.stdout)], [0, "Hello, Ada"], done.stderr);
        const refused = await run(["enqueue", "greet", '{"name":1}', "--wait", "--broker", url]);
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, /refused by the schema of "greet": name/);
        assert.equal(await drained(executor), 0);
        assert.deepEqual(await readdir(alone), []);
      },
    );
  }

  test("tells its version at once", SLOW, async () => {
    let [quickest, quickestOther] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    const isQuick = (): boolean => quickest < Math.max(150, 8 * quickestOther);
    // More often on a machine that is too busy to be quick at first.
    for (let i = 0; i < 5 || (i < 30 && !isQuick()); i++) {
      const begun = performance.now();
      const { code, stdout } = await run(["version"]);
      quickest = Math.min(quickest, performance.now() - begun);
      assert.equal(code, 0);
      assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
      // What it takes at the least to start a program of this size on this machine now.
      const begunOther = performance.now();
      await promisify(execFile)(join(ROOT, "node_modules/.bin/bun"), ["-e", "1"]);
      quickestOther = Math.min(quickestOther, performance.now() - begunOther);
    }
    assert.ok(isQuick(), `the quickest took ${quickest} ms; a program that does nothing takes ${quickestOther} ms`);
  });

  test(
    "SIGUSR1 writes a heap snapshot for its owner alone and logs figures; SIGUSR2 logs what grew",
    SLOW,
    async () => {
      const cwd = join(stage.folder, "signalled");
      await mkdir(cwd);
      const url = `sqlite:${join(stage.folder, "signalled.db")}`;
      const executor = await stage.executor({ broker: url, program, cwd });
      executor.kill("SIGUSR1");
      const [, name = ""] = await said(
        executor,
        /heap snapshot in logs\/(\S+); max RSS [\d.]+ MB, current [\d.]+ MB, peak [\d.]+ MB/,
      );
      assert.match(name, new RegExp(`^${executor.pid}_snapshot_\\d{8}_\\d{6}\\.heapsnapshot$`));
      const { mode, size } = await stat(join(cwd, "logs", name));
      assert.equal(mode & 0o777, 0o600);
      assert.ok(size > 100_000, `${size} bytes`);
      executor.kill("SIGUSR2");
      await said(executor, /allocation tracking stopped: current [\d.]+ MB, peak [\d.]+ MB/);
      await said(executor, /grown: .+: \d+ more/);
      executor.kill("SIGUSR2");
      await said(executor, /allocation tracking was not active/);
      assert.equal(await drained(executor), 0);
    },
  );

  test("loads neither .env nor bunfig.toml of the folder it is started in", SLOW, async () => {
    await stage.write({
      "trap/.env": "TASKEXE_CONCURRENCY=77\nTASKEXE_LOG=json\n",
      "trap/bunfig.toml": 'preload = ["./preload.ts"]\n',
      "trap/preload.ts": 'console.error("preloaded"); process.exit(9);',
      "trap/package.json": '{ "type": "commonjs" }',
      "trap/tsconfig.json": "{ this is no JSON",
    });
    const cwd = join(stage.folder, "trap");
    const version = await stage.run(["version"], { program, cwd });
    assert.deepEqual([version.code, version.stderr], [0, ""]);
    const executor = await stage.executor({ broker: `sqlite:${join(stage.folder, "trap.db")}`, program, cwd, tasks });
    const { concurrency } = await executor.status();
    assert.equal(concurrency, 5);
    assert.doesNotMatch(executor.output(), /preloaded|^\{/m);
    assert.equal(await drained(executor), 0);
  });

  test("exits with 0 when all is well, 1 when it failed, 2 when it was called wrongly", SLOW, async () => {
    const url = `sqlite:${join(stage.folder, "codes.db")}`;
    const codeOf = async (...args: string[]) => (await run(args)).code;
    assert.equal(await codeOf("--help"), 0);
    assert.equal(await codeOf("enqueue", "noop", "--broker", url), 0);
    assert.equal(await codeOf("task", "nobody-knows", "--broker", url), 1);
    assert.equal(await codeOf("status", "--broker", "redis://127.0.0.1:1/1"), 1);
    assert.equal(await codeOf("dance"), 2);
    assert.equal(await codeOf("run", "--concurrency", "many", "--broker", url), 2);
    assert.equal(await codeOf("enqueue", "noop", "{not json", "--broker", url), 2);
  });

  test("a mistake is told in words, without a stack", SLOW, async () => {
    const { stderr } = await run(["run", "--concurrency", "many", "--broker", "redis://:secret@127.0.0.1:1/1"]);
    assert.match(stderr, /--concurrency: expected a whole number from 1 to 10000, got "many"/);
    assert.doesNotMatch(stderr, /\n\s+at |secret|bunfs/);
  });

  test("an executor that cannot find its handlers does not start", SLOW, async () => {
    const url = `sqlite:${join(stage.folder, "none.db")}`;
    const { code, stderr } = await run(["run", "--broker", url, "--listen", "off", "--tasks", "/nowhere/at/all"]);
    assert.ok(code === 1 || code === 2, `${code}`);
    assert.match(stderr, /\/nowhere\/at\/all/);
  });

  test("serves its status while it works", SLOW, async () => {
    const url = `sqlite:${join(stage.folder, "status.db")}`;
    const executor = await stage.executor({ broker: url, program, cwd: alone });
    const enqueued = await run(["enqueue", "sleep", '{"ms":60000}', "--id", "long", "--broker", url]);
    assert.equal(enqueued.code, 0, enqueued.stderr);
    await untilBy(executor, "it runs", async () => (await executor.status()).current.long?.type === "sleep");
    const cancelled = await run(["cancel", "long", "--broker", url]);
    assert.equal(cancelled.code, 0);
    await untilBy(executor, "it has ended", async () => (await executor.status()).cancelled === 1);
    assert.equal(await drained(executor), 0);
  });
});
