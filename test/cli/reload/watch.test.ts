/** `--watch` and `dev`: what is saved is loaded, whatever a handler imports, and what is new in a folder, too. */
import assert from "node:assert/strict";
import { copyFile, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FileWatch } from "../../../src/cli/reload/file-watch.ts";
import { Command, ROOT } from "../../stage/command.ts";
import { drained, surroundings } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { builtOnce } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce } from "../../stage/until.ts";

const handler = (type: string, text: string): string =>
  `import { defineTask } from "taskexe";\n${text}\nexport default defineTask({ type: "${type}", run: () => value });\n`;

describe("watching files", () => {
  let stage: Stage;
  before(() => {
    stage = Stage.make();
  });
  after(() => stage.end());

  const theExecutable = builtOnce(() => join(stage.folder, "bin/taskexe"));

  test("a look finds what was written, made, replaced and removed, and nothing else", async () => {
    const folder = await stage.write({
      "looks/a.ts": "1",
      "looks/deep/b.ts": "1",
      "looks/note.md": "1",
      "looks/node_modules/x/x.js": "1",
    });
    const outside = stage.path("outside.ts");
    let files: string[] = [];
    let loadedAt = Number.POSITIVE_INFINITY;
    const watch = new FileWatch(
      () => ({ files, places: [folder], loadedAt }),
      () => {},
    );
    assert.equal(watch.look(), null);
    assert.equal(watch.look(), null);
    await stage.write({ "looks/deep/b.ts": "22" });
    assert.equal(watch.look(), stage.path("looks/deep/b.ts"));
    assert.equal(watch.look(), null);
    await stage.write({ "looks/deep/c.ts": "1" });
    assert.equal(watch.look(), stage.path("looks/deep/c.ts"));
    // As editors save: another file takes its place, as long and as old.
    await utimes(stage.path("looks/a.ts"), 1_000, 1_000);
    assert.equal(watch.look(), stage.path("looks/a.ts"));
    await stage.write({ "looks/new": "1" });
    await utimes(stage.path("looks/new"), 1_000, 1_000);
    await rename(stage.path("looks/new"), stage.path("looks/a.ts"));
    assert.equal(watch.look(), stage.path("looks/a.ts"));
    await rm(stage.path("looks/deep/c.ts"));
    assert.equal(watch.look(), stage.path("looks/deep/c.ts"));
    await stage.write({ "looks/note.md": "22", "looks/node_modules/x/x.js": "22", "outside.ts": "1" });
    assert.equal(watch.look(), null);
    files = [outside];
    assert.equal(watch.look(), null);
    await stage.write({ "outside.ts": "22" });
    assert.equal(watch.look(), outside);
    assert.equal(watch.look(), null);
    // One that was changed between its load and the first look.
    await stage.write({ "late.ts": "1" });
    loadedAt = 0;
    files = [stage.path("late.ts")];
    assert.equal(watch.look(), stage.path("late.ts"));
    assert.equal(watch.look(), null);
  });

  test("--watch loads what a handler imports from elsewhere, a new file, and the settings", SLOW, async () => {
    const tasks = await stage.write({
      "watched/tasks/one.ts": handler("one", 'import { value } from "../lib/value.ts";'),
      "watched/lib/value.ts": "export const value = 1;\n",
      "watched/taskexe.toml": "concurrency = 1\n",
    });
    const broker = `sqlite:${stage.path("watched.db")}`;
    const args = ["--watch", "--isolation", "shared", "--config", stage.path("watched/taskexe.toml")];
    const executor = await stage.executor({ broker, tasks, args, program: await theExecutable() });
    const client = await stage.client(broker);
    const changed = async (files: Record<string, string>, generation: number, name: RegExp): Promise<void> => {
      await stage.write(files);
      await executor.says(new RegExp(`${name.source} has changed: settings and handlers are loaded anew`));
      await executor.says(new RegExp(`generation ${generation} is in charge`));
    };
    await changed({ "watched/lib/value.ts": "export const value = 20;\n" }, 2, /lib\/value\.ts/);
    await client.enqueue([requestOf("imported", "one", null)]);
    assert.equal((await recordOnce("done", executor, client, "imported")).result, 20);
    await changed({ "watched/tasks/two.ts": handler("two", "const value = 2;") }, 3, /tasks\/two\.ts/);
    await client.enqueue([requestOf("made", "two", null)]);
    assert.equal((await recordOnce("done", executor, client, "made")).result, 2);
    await changed({ "watched/taskexe.toml": "concurrency = 12\n" }, 4, /taskexe\.toml/);
    assert.equal((await executor.status()).concurrency, 12);
    await stage.write({ "watched/tasks/two.ts": "export default = 1;\n" });
    await executor.says(/the reload has failed, and generation 4 goes on: [\s\S]*two\.ts/);
    await changed({ "watched/tasks/two.ts": handler("two", "const value = 222;") }, 5, /tasks\/two\.ts/);
    await client.enqueue([requestOf("mended", "two", null)]);
    assert.equal((await recordOnce("done", executor, client, "mended")).result, 222);
    assert.equal(await drained(executor), 0, executor.output());
  });

  test("dev runs the files that are named, watches them, and keeps the queue in the folder", SLOW, async () => {
    const [program] = await theExecutable();
    const cwd = await stage.write({ "project/mine.ts": handler("mine", "const value = 1;") });
    const env = { ...surroundings(), STATE_DIRECTORY: stage.path("state"), NO_COLOR: "1" };
    const dev = new Command([program, "dev", "mine.ts", "--listen", "127.0.0.1:0"], { cwd, env });
    try {
      await dev.says(
        /the queue is \.state\/queue\.db: taskexe enqueue TYPE PAYLOAD --broker sqlite:\.state\/queue\.db/,
      );
      await dev.says(/handlers [\w,]*mine/);
      const enqueue = async () => {
        const line = ["enqueue", "mine", "--wait", "--broker", "sqlite:.state/queue.db"];
        const { stdout, stderr } = await stage.run(line, { program: [program], cwd });
        return stdout + stderr;
      };
      assert.equal(await enqueue(), "1\n");
      await stage.write({ "project/mine.ts": handler("mine", "const value = 234;") });
      await dev.says(/mine\.ts has changed[\s\S]*generation 2 is in charge/);
      assert.equal(await enqueue(), "234\n");
      dev.kill("SIGTERM");
      assert.equal((await dev.ended).code, 0, dev.output());
    } finally {
      await dev.end();
    }
  });

  test(
    "dev stays where handlers cannot be loaded at its start, says why, and loads them once they are saved",
    SLOW,
    async () => {
      const [program] = await theExecutable();
      const cwd = await stage.write({ "broken/mine.ts": `${handler("mine", "const value = 1;")}export const = 2;\n` });
      const env = { ...surroundings(), STATE_DIRECTORY: stage.path("broken-state"), NO_COLOR: "1" };
      const dev = new Command([program, "dev", "mine.ts", "--listen", "127.0.0.1:0"], { cwd, env });
      try {
        await dev.says(/nothing is loaded, and nothing runs, until this is mended and saved: [\s\S]*mine\.ts/);
        await stage.write({ "broken/mine.ts": "still broken(\n" });
        await dev.says(/mine\.ts has changed[\s\S]*nothing is loaded, [\s\S]*mine\.ts/);
        await stage.write({ "broken/mine.ts": handler("mine", "const value = 7;") });
        await dev.says(/generation 1 is in charge[\s\S]*handlers [\w,]*mine/);
        const line = ["enqueue", "mine", "--wait", "--broker", "sqlite:.state/queue.db"];
        const { stdout, stderr } = await stage.run(line, { program: [program], cwd });
        assert.equal(stdout + stderr, "7\n");
        dev.kill("SIGTERM");
        assert.equal((await dev.ended).code, 0, dev.output());
      } finally {
        await dev.end();
      }
    },
  );

  test("dev looks at the programs of workers that could not be started, too", SLOW, async () => {
    const [program] = await theExecutable();
    const cwd = await stage.write({
      "snake/taskexe.toml": 'broker = "sqlite:.state/queue.db"\n[worker.snake]\ncommand = ["python3", "handlers.py"]\n',
      "snake/handlers.py": "import nowhere_at_all\n",
    });
    await copyFile(join(ROOT, "python/taskexe_worker.py"), join(cwd, "taskexe_worker.py"));
    const env = { ...surroundings(), STATE_DIRECTORY: stage.path("snake-state"), NO_COLOR: "1" };
    const dev = new Command([program, "dev", "--listen", "off"], { cwd, env });
    try {
      await dev.says(/nothing is loaded, and nothing runs, [\s\S]*nowhere_at_all/);
      const mended = 'from taskexe_worker import *\n@task("greets")\ndef greets(payload): return 3\nserve()\n';
      await stage.write({ "snake/handlers.py": mended });
      await dev.says(/handlers\.py has changed[\s\S]*generation 1 is in charge: handlers [\w,]*greets/);
      dev.kill("SIGTERM");
      assert.equal((await dev.ended).code, 0, dev.output());
    } finally {
      await dev.end();
    }
  });

  test("dev that has loaded nothing yet ends at once when it is told to", SLOW, async () => {
    const [program] = await theExecutable();
    const cwd = await stage.write({ "never/mine.ts": "export const = 2;\n" });
    const env = { ...surroundings(), STATE_DIRECTORY: stage.path("never-state"), NO_COLOR: "1" };
    const dev = new Command([program, "dev", "mine.ts", "--listen", "off"], { cwd, env });
    try {
      await dev.says(/nothing is loaded, and nothing runs/);
      dev.kill("SIGTERM");
      assert.equal((await dev.ended).code, 0, dev.output());
    } finally {
      await dev.end();
    }
  });
});
