/**
 * A folder as developers have them: the executor takes its handlers, leaves out what is none, says why at debug level,
 * and refuses what is wrong with exit 2. On the executable, and from source on Node.js and Deno.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildExecutable } from "../stage/executable.ts";
import { ON_DENO, ON_NODE } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { said } from "../stage/until.ts";

const task = (type: string) =>
  `import { defineTask } from "taskexe";\nexport default defineTask({ type: "${type}", run: () => "${type}" });\n`;
const FAILS = 'throw new Error("this must not be imported");';

/** Each name with the reason that the log gives. */
const LEFT_OUT: Readonly<Record<string, RegExp>> = {
  "a.test.ts": /it is a test/,
  "b.spec.mts": /it is a test/,
  "c_test.js": /it is a test/,
  __tests__: /its name begins with _/,
  test: /it holds tests/,
  "types.d.ts": /it only declares types/,
  "types.d.cts": /it only declares types/,
  "styles.d.css.ts": /it only declares types/,
  node_modules: /it holds packages/,
  ".git": /its name begins with \./,
  "README.md": /its name does not end in \.ts/,
  Dockerfile: /its name does not end in \.ts/,
  "data.json": /its name does not end in \.ts/,
  "button.tsx": /it does not use defineTask/,
  "vite.config.ts": /it does not use defineTask/,
  "button.stories.jsx": /it does not use defineTask/,
  "dangling.ts": /it is a link to nowhere\.ts, which is not there/,
  "loop.ts": /it is a link that leads to itself/,
  "pipe.ts": /it is a FIFO/,
  "socket.ts": /it is a socket/,
  "linked.ts": /it is a link to .*data\.json, whose name does not end in/,
};

const FOLDER = {
  "a.test.ts": FAILS,
  "b.spec.mts": FAILS,
  "c_test.js": FAILS,
  "__tests__/a.ts": FAILS,
  "test/helper.ts": FAILS,
  "types.d.ts": FAILS,
  "types.d.cts": FAILS,
  "styles.d.css.ts": FAILS,
  "node_modules/p/index.js": FAILS,
  ".git/hook.js": FAILS,
  "README.md": "# Tasks\n",
  Dockerfile: "FROM scratch\n",
  "data.json": "{}\n",
  "button.tsx": `import React from "react";\nexport const Button = () => <b>press</b>;\n`,
  "vite.config.ts": FAILS,
  "button.stories.jsx": FAILS,
  "one.ts": task("one"),
  "deep/er/two.mts": task("two"),
  "three.cjs":
    'const { defineTask } = require("taskexe");\nmodule.exports = [defineTask({ type: "three", run() {} })];\n',
  "four.js": task("four"),
  "what is this?.ts": task("five"),
};

describe("a developer's folder of handlers", () => {
  let stage: Stage;
  let folder = "";
  let executable: Promise<string> | null = null;

  before(async () => {
    stage = Stage.make();
    await chmod(stage.folder, 0o755);
    folder = join(stage.folder, "tasks");
    await mkdir(folder);
    for (const [name, text] of Object.entries(FOLDER)) await stage.write({ [join("tasks", name)]: text });
    await symlink("nowhere.ts", join(folder, "dangling.ts"));
    await symlink("loop.ts", join(folder, "loop.ts"));
    await symlink(".", join(folder, "round"));
    await symlink("data.json", join(folder, "linked.ts"));
    assert.equal(spawnSync("mkfifo", [join(folder, "pipe.ts")]).status, 0);
    const server = createServer();
    await once(server.listen(join(folder, "socket.ts")), "listening");
    closeServer = () => server.close();
  });
  let closeServer = (): void => {};
  after(async () => {
    closeServer();
    await stage.end();
  });

  const PROGRAMS: Readonly<Record<string, () => Promise<[string, ...string[]]>>> = {
    "the executable": async () => {
      executable ??= buildExecutable(join(stage.folder, "bin/taskexe"));
      return [await executable];
    },
    "Node.js": async () => ON_NODE,
    Deno: async () => ON_DENO,
  };

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    test(`${name} takes the handlers, and says once and at debug level why it leaves out the rest`, SLOW, async () => {
      const program = await programOf();
      const broker = `sqlite:${join(stage.folder, `${name}.db`)}`;
      const env = { TASKEXE_DEBUG: "1" };
      const executor = await stage.executor({ broker, program, tasks: folder, env });
      await said(executor, /handlers echo,fail,five,four,noop,one,sleep,three,two,/);
      const lines = executor.output().split("\n");
      for (const [entry, reason] of Object.entries(LEFT_OUT)) {
        const told = lines.filter((line) => line.includes(` ${join(folder, entry)} `));
        assert.equal(told.length, 1, `${entry}:\n${executor.output()}`);
        assert.match(told[0] ?? "", reason);
        assert.match(told[0] ?? "", /DBG/);
      }
      await executor.end();
      const quiet = await stage.executor({ broker, program, tasks: folder });
      assert.doesNotMatch(quiet.output(), /left out/);
      await quiet.end();
    });

    test(`${name} ends with 2 for what is missing or broken, each by its own path`, SLOW, async () => {
      const program = await programOf();
      const given = await stage.write({
        "broken/syntax.ts": "export const = 1;\n",
        "broken/throws.ts": 'throw new Error("not today");\n',
        "broken/same.ts": task("same"),
        "broken/same-again.ts": task("same"),
        "broken/needs.ts": 'import "not-installed";\n',
      });
      const missing = join(stage.folder, "missing");
      const args = ["run", "--listen", "off", "--tasks", given, "--tasks", missing];
      const { code, stderr } = await stage.run(args, { program });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /the handlers cannot be loaded, 5 problems/);
      assert.match(stderr, /missing: no such file or folder/);
      assert.match(stderr, /syntax\.ts: syntax error at /);
      assert.match(stderr, /throws\.ts: it failed while it was imported.*: not today/);
      assert.match(stderr, /same\.ts: the type "same" is defined here and in .*broken\/same-again\.ts/);
      assert.match(stderr, /needs\.ts: it imports "not-installed", which is not found/);
      assert.doesNotMatch(stderr, /\n\s+at |\$bunfs|src\/handlers/);
    });
  }

  test(
    "what this user may not read: a folder is left out, a handler file and a given folder are refused",
    SLOW,
    async () => {
      const program = await PROGRAMS["the executable"]?.();
      const mixed = await stage.write({
        "mixed/good.ts": task("good"),
        "mixed/secret.ts": task("secret"),
        "mixed/closed/x.ts": task("x"),
      });
      await mkdir(join(stage.folder, "nobody"));
      await chmod(join(mixed, "closed"), 0);
      await chmod(join(mixed, "secret.ts"), 0);
      const args = ["run", "--listen", "off", "--tasks", mixed, "--tasks", join(mixed, "closed")];
      // Root may read everything: there the program runs as a user with no rights.
      const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : null;
      if (user !== null) await chown(join(stage.folder, "nobody"), user.uid, user.gid);
      const env = { STATE_DIRECTORY: join(stage.folder, "nobody"), TASKEXE_DEBUG: "1" };
      const child = spawn(program?.[0] ?? "", args, { cwd: "/", env, ...user, stdio: ["ignore", "ignore", "pipe"] });
      let log = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        log += text;
      });
      const [code] = await once(child, "close");
      for (const path of ["closed", "secret.ts"]) await chmod(join(mixed, path), 0o700);
      assert.equal(code, 2, log);
      assert.match(log, /mixed\/closed is left out: it may not be read/);
      assert.match(log, /2 problems/);
      assert.match(log, /mixed\/secret\.ts: it may not be read/);
      assert.match(log, /mixed\/closed: it may not be read/);
    },
  );
});
