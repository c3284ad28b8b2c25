/**
 * `taskexe new`, as the executable does it and as the sources do on Node.js and Deno.
 * @long about 40 s
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { ambientTypes } from "../../scripts/house/ambient-types.ts";
import { EMBEDDED } from "../../src/new/embedded.ts";
import { projectFiles } from "../../src/new/template-files.ts";
import { TEMPLATES } from "../../src/new/templates.ts";
import { valibotTypes } from "../../src/new/valibot-types.ts";
import { Command, type Finished, ROOT } from "../stage/command.ts";
import { builtOnce, ON_DENO, ON_NODE, type Program } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";

/** A compiler reads 900 kB of types, twice. */
const SLOWEST = { timeout: 300_000 };

const stage = Stage.make();
after(() => stage.end());

const executable = builtOnce(() => stage.path("taskexe"));
const WAYS: readonly (readonly [name: string, program: () => Promise<Program>])[] = [
  ["the executable", executable],
  ["Node.js", async () => ON_NODE],
  ["Deno", async () => ON_DENO],
];

/** By their paths, what stands in the files of a folder. */
async function textsIn(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const paths = texts.map(({ parentPath, name }) => join(parentPath, name));
  const read = paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path, "utf8")]);
  return Object.fromEntries(await Promise.all(read));
}

for (const [name, program] of WAYS) {
  describe(`new, as ${name} does it`, () => {
    for (const { name: template, flag } of TEMPLATES) {
      test(`writes the ${template} project whole, names its files and says what to type next`, SLOW, async () => {
        const folder = `${name.replaceAll(" ", "-")}-${template}`;
        const args = ["new", folder, ...(flag === null ? [] : [flag])];
        const { code, stdout, stderr } = await stage.run(args, { program: await program() });
        assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
        const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
        const wanted = Object.fromEntries(
          await projectFiles(template, { name: folder, version, valibotTypes: await valibotTypes() }),
        );
        assert.ok(Object.keys(wanted).length > 0);
        assert.deepEqual(await textsIn(stage.path(folder)), wanted);
        for (const path of Object.keys(wanted)) assert.ok(stdout.includes(`${folder}/${path}\n`), path);
        assert.match(stdout, new RegExp(`\n\ncd ${folder}\n`));
      });
    }
  });
}

describe("new", () => {
  test("embeds every file of the templates folder, as it stands there", async () => {
    assert.deepEqual(EMBEDDED, await textsIn(join(ROOT, "src/new/templates")));
  });

  test("gives the types that the package has", SLOW, async () => {
    const kept = await readFile(join(ROOT, "src/new/templates/typescript/types/taskexe.d.ts.txt"), "utf8");
    assert.ok(kept === ambientTypes(), "they are old: bun scripts/house/write-types.ts");
  });

  test("gives types that pass by themselves, and refuse what is wrong, with nothing installed", SLOWEST, async () => {
    assert.equal((await stage.run(["new", "typed"], { program: await executable() })).code, 0);
    const cwd = stage.path("typed");
    const whole = ["-p", ".", "--skipLibCheck", "false"];
    const tsc = (): Promise<Finished> => new Command([join(ROOT, "node_modules/.bin/tsc"), ...whole], { cwd }).ended;
    assert.deepEqual(await tsc(), { code: 0, signal: null, stdout: "", stderr: "" });
    const wrong = `import { defineTask, sleep } from "taskexe";
import { runTask } from "taskexe/testing";
import * as v from "valibot";
const task = defineTask({ type: "t", payload: v.object({ n: v.number() }), run: ({ payload }) => payload.m });
await runTask(task, { n: "1" });
await sleep("1");
`;
    await stage.write({ "typed/tasks/wrong.ts": wrong });
    const { stdout } = await tsc();
    assert.match(stdout, /wrong\.ts\(4,.*'m' does not exist/);
    assert.match(stdout, /wrong\.ts\(5,[\s\S]*'string' is not assignable to type 'number'/);
    assert.match(stdout, /wrong\.ts\(6,/);
  });

  test("has a row for every folder of templates, and one of them is meant where no flag is given", async () => {
    const folders = await readdir(join(ROOT, "src/new/templates"));
    assert.deepEqual(TEMPLATES.map(({ name }) => name).sort(), folders.sort());
    assert.equal(TEMPLATES.filter(({ flag }) => flag === null).length, 1);
  });

  test("leaves a folder alone in which there is something, and a file, too", async () => {
    await stage.write({ "full/thesis.txt": "years of work", paper: "one sheet" });
    const full = await stage.run(["new", "full"]);
    assert.equal(full.code, 2);
    const place = stage.path("full");
    assert.equal(
      full.stderr,
      `taskexe: the folder ${place} is not empty: name one that is, or that is not there yet\n`,
    );
    assert.deepEqual(await textsIn(place), { "thesis.txt": "years of work" });
    for (const given of ["paper", "paper/below"]) {
      const { code, stderr } = await stage.run(["new", given]);
      assert.equal(code, 2);
      assert.match(stderr, /^taskexe: .*paper.* is a file, or lies below one: give the name of a folder\n$/);
    }
    assert.equal(await stage.read("paper"), "one sheet");
  });

  test("takes an empty folder, and one below folders that are not there yet", async () => {
    await mkdir(stage.path("empty"));
    for (const given of ["empty", "a/b/c"]) {
      assert.equal((await stage.run(["new", given])).code, 0);
      assert.match(await stage.read(`${given}/README.md`), new RegExp(`^# ${given.split("/").at(-1)}\n`));
    }
  });

  test("takes back what it wrote where it cannot go on", async () => {
    const { writeProject } = await import("../../src/new/write-project.ts");
    // A name longer than any file system takes.
    const files = new Map([
      ["one/two.txt", "2"],
      ["x".repeat(300), "3"],
    ]);
    await mkdir(stage.path("there"));
    for (const folder of ["not-there", "there"]) {
      await assert.rejects(writeProject(stage.path(folder), files), /ENAMETOOLONG/);
    }
    assert.ok(!(await readdir(stage.folder)).includes("not-there"));
    assert.deepEqual(await textsIn(stage.path("there")), {});
  });

  test("refuses a name that is none, in one line", async () => {
    for (const given of ["", "/", "a\nb", ".hidden", "x".repeat(101)]) {
      const { code, stdout, stderr } = await stage.run(["new", given]);
      assert.deepEqual([code, stdout], [2, ""], given);
      assert.match(stderr, /^taskexe: a name has letters, .*\ntaskexe: See taskexe new --help\n$/);
    }
  });

  test("writes handlers in Python whose tests pass, and which can be tried by themselves", SLOW, async () => {
    assert.equal((await stage.run(["new", "snake", "--python"])).code, 0);
    const python = (...args: string[]) =>
      spawnSync("python3", args, { cwd: stage.path("snake"), encoding: "utf8", env: { ...process.env } });
    const tests = python("-m", "unittest", "-v");
    assert.equal(tests.status, 0, tests.stderr);
    assert.match(tests.stderr, /^Ran 2 tests/m);
    const tried = python("handlers.py", "word_count", '{"path":"taskexe.toml"}');
    assert.equal(tried.status, 0, tried.stderr);
    assert.ok(JSON.parse(tried.stdout).words > 20);
    const refused = python("handlers.py", "word_count", "{}");
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /DoNotRetry: expected \{"path": "FILE"\}, got \{\}$/m);
  });

  for (const [flags, type, payload, result] of [
    [[], "greet", '{"name":"Ada"}', { greeting: "Hello, Ada!" }],
    [["--python"], "word_count", '{"path":"taskexe.toml"}', { words: 51 }],
  ] as const) {
    test(`writes handlers that run as they stand (${type})`, SLOW, async () => {
      assert.equal((await stage.run(["new", `runs-${type}`, ...flags])).code, 0);
      const cwd = stage.path(`runs-${type}`);
      const config = ["--config", "taskexe.toml"];
      const executor = stage.start(["run", ...config, "--listen", "off"], { cwd });
      await executor.says(new RegExp(`handlers [\\w,]*${type}`));
      const waited = await stage.run(["enqueue", ...config, type, payload, "--wait"], { cwd });
      assert.equal(waited.code, 0, waited.stderr);
      assert.deepEqual(JSON.parse(waited.stdout), result);
      executor.kill("SIGTERM");
      assert.equal((await executor.exit).code, 0);
    });
  }
});
