/**
 * The package that `make package` makes, installed in somebody's project: what its users do, on each runtime.
 * @long about 40 s
 */
import assert from "node:assert/strict";
import { access, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ExecutorProcess } from "../stage/executor.ts";
import { bin, InstalledPackage, makeInto } from "./installed.ts";

/** Compilers and other processes start, on a machine that may be busy. */
const SLOW = { timeout: 120_000 };

const RUNTIMES: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ["Bun", bin("bun"), []],
  ["Node", bin("node"), []],
  ["Deno", bin("deno"), ["run", "--allow-all", "--cached-only"]],
];

/** How each runs the tests of the folder it is started in, and how it says that both have passed. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  Bun: ["test"],
  Node: ["--test"],
  Deno: ["test", "--allow-all", "--cached-only", "--no-check"],
};
const PASSED: Readonly<Record<string, RegExp>> = { Bun: /^ 2 pass$/m, Node: /^. pass 2$/m, Deno: /2 passed/ };

let installed: InstalledPackage;

before(async () => {
  installed = await InstalledPackage.make();
});
after(() => installed.remove());

describe("the package", () => {
  test("holds JavaScript with declarations, and no sources or tests", SLOW, async () => {
    const files = (await readdir(installed.inside("."), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .filter(({ parentPath }) => !parentPath.startsWith(installed.inside("lib/new/templates")))
      .map(({ name }) => name);
    const others = files.filter((name) => !/\.js$|\.d\.ts$/.test(name));
    assert.deepEqual(others.sort(), ["CHANGELOG.md", "LICENSE", "README.md", "package.json", "page.txt"]);
    assert.deepEqual(
      files.filter((name) => name.includes(".test.")),
      [],
    );
  });

  test("offers the entrances of the project, each with its types", SLOW, async () => {
    const { exports } = installed.manifest;
    assert.deepEqual(Object.keys(exports), [".", "./concurrency", "./testing"]);
    for (const entrance of Object.values(exports)) {
      assert.match(entrance.types, /\.d\.ts$/);
      await access(installed.inside(entrance.types));
      await access(installed.inside(entrance.default));
    }
  });

  test("asks for what it needs to run, and for nothing else", SLOW, async () => {
    const project = JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8"));
    assert.deepEqual(installed.manifest.dependencies, project.dependencies);
    for (const key of ["devDependencies", "scripts", "allowScripts", "private"]) {
      assert.ok(!(key in installed.manifest), key);
    }
  });

  test("has an executable that starts by itself", SLOW, async () => {
    const { mode } = await stat(installed.inside(installed.manifest.bin.taskexe));
    assert.equal(mode & 0o111, 0o111);
    const { stdout, stderr } = await installed.run("node_modules/.bin/taskexe", ["version", "--json"]);
    const { version, runtime } = JSON.parse(stdout);
    assert.deepEqual({ version, runtime }, { version: installed.manifest.version, runtime: "node" }, stderr);
  });

  test("is not made in a folder that holds something else", SLOW, async () => {
    const folder = join(installed.folder, "full");
    await mkdir(folder);
    await writeFile(join(folder, "thesis.txt"), "years of work");
    const { code, stderr } = await makeInto(folder);
    assert.equal(code, 1);
    assert.match(stderr, /^package: .*not empty/);
    assert.deepEqual(await readdir(folder), ["thesis.txt"]);
  });
});

for (const [name, command, args] of RUNTIMES) {
  describe(`on ${name}`, () => {
    test("`taskexe new` writes a project whose own tests pass", SLOW, async () => {
      const main = installed.inside(installed.manifest.bin.taskexe);
      const folder = `new-on-${name}`;
      const { code, stderr } = await installed.run(command, [...args, main, "new", folder]);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      const ran = await installed.run(command, TESTS[name] ?? [], folder);
      assert.equal(ran.code, 0, ran.stdout + ran.stderr);
      assert.match(ran.stdout + ran.stderr, PASSED[name] ?? /^$/m);
    });

    test("a program imports every entrance, waits in virtual time and enqueues", SLOW, async () => {
      const file = join(installed.folder, `${name}-program.db`);
      const { code, stdout, stderr } = await installed.run(command, [...args, "program.ts", file]);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      assert.deepEqual(JSON.parse(stdout), {
        defined: true,
        oneCore: true,
        waitedMs: 60_000,
        enqueued: { created: true, type: "greet", state: "queued", refused: true },
      });
    });

    test("the installed executable tells its version", SLOW, async () => {
      const finished = await installed.run(command, [...args, "node_modules/.bin/taskexe", "version"]);
      assert.deepEqual(finished, { code: 0, stdout: `${installed.manifest.version}\n`, stderr: "" });
    });

    test("the installed executable runs tasks, also of a TypeScript file anywhere", SLOW, async () => {
      const taskexe = [...args, join(installed.project, "node_modules/.bin/taskexe")];
      const broker = `sqlite:${join(installed.folder, `${name}-tasks.db`)}`;
      const folder = join(installed.folder, `${name}-state`);
      await mkdir(folder);
      const tasks = join(installed.folder, "handlers");
      const executor = await ExecutorProcess.start({ broker, folder, tasks, program: [command, ...taskexe] });
      try {
        const enqueue = (...more: string[]) =>
          installed.run(command, [...taskexe, "enqueue", ...more, "--wait", "--broker", broker]);
        assert.deepEqual(await enqueue("noop"), { code: 0, stdout: "null\n", stderr: "" }, executor.output());
        const hello = await enqueue("hello", '{"name":"package"}');
        assert.deepEqual(hello, { code: 0, stdout: '"Hello, package!"\n', stderr: "" }, executor.output());
        executor.kill("SIGTERM");
        assert.deepEqual(await executor.exit, { code: 0, signal: null }, executor.output());
      } finally {
        await executor.end();
      }
    });
  });
}

describe("its declarations", () => {
  const compilerOptions = { module: "nodenext", target: "es2024", strict: true, noEmit: true, skipLibCheck: false };

  async function check(name: string, more: object): Promise<void> {
    const settings = { compilerOptions: { ...compilerOptions, moduleResolution: "nodenext", ...more } };
    await writeFile(join(installed.project, name), JSON.stringify({ ...settings, files: ["types.ts"] }));
    const { code, stdout } = await installed.run(bin("tsc"), ["-p", name]);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: "" });
  }

  test("are right, and let pass only what is, with the types of Node", SLOW, async () => {
    await check("tsconfig.json", { types: ["node"] });
  });

  test("need the types of no runtime", SLOW, async () => {
    await check("tsconfig.bare.json", { types: [], lib: ["ESNext", "DOM"] });
  });

  test("are right for Deno", SLOW, async () => {
    const { code, stderr } = await installed.run(bin("deno"), ["check", "--cached-only", "types.ts"]);
    assert.equal(code, 0, stderr);
  });
});
