import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { HandlerLoadError, loadHandlers } from "../../src/handlers/loading/load-handlers.ts";
import { providedModules } from "../../src/provide/index.ts";

let root = "";
let number = 0;

/** Writes files into a folder of their own, outside the project, and gives its path. */
async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(root, `case ${++number}`);
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

const task = (type: string) =>
  `import { defineTask } from "taskexe";\nexport default defineTask({ type: ${JSON.stringify(type)}, run: () ` +
  "=> 1 });\n";

async function problemsOf(...paths: string[]): Promise<{ file: string; what: string; advice: string }[]> {
  try {
    await loadHandlers(paths, providedModules);
  } catch (error) {
    assert.ok(error instanceof HandlerLoadError, String(error));
    for (const { file, what, advice } of error.problems) {
      assert.ok(error.message.includes(file) && error.message.includes(what) && error.message.includes(advice));
    }
    assert.doesNotMatch(error.message, /^\s+at /m, "a stack trace is shown");
    return [...error.problems];
  }
  assert.fail("the handlers loaded");
}

before(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "taskexe-handlers-")));
});
after(() => rm(root, { recursive: true, force: true }));

describe("loadHandlers", () => {
  test("gives the built-in handlers when no path is given", async () => {
    const registry = await loadHandlers([], providedModules);
    assert.deepEqual(registry.types(), ["echo", "fail", "noop", "sleep"]);
    assert.equal(registry.sourceOf("echo"), "built-in");
  });

  test("takes every definition that a file exports, whatever its name", async () => {
    const folder = await folderWith({
      "both.ts": `import { defineTask } from "taskexe";
        export default defineTask({ type: "one", run: () => 1 });
        export const two = defineTask({ type: "two", run: (): number => 2 });
        export const helper = (n: number) => n;`,
    });
    const registry = await loadHandlers([join(folder, "both.ts")], providedModules);
    assert.equal(await registry.definition("one")?.run({} as never), 1);
    assert.equal(await registry.definition("two")?.run({} as never), 2);
    assert.equal(registry.sourceOf("two"), join(folder, "both.ts"));
  });

  test("takes the handler files of a folder and of those below it, and leaves out what is none", async () => {
    const folder = await folderWith({
      "a.ts": task("a"),
      "b.mts": task("b"),
      "c.js": task("c"),
      "deep/er/d.mjs": task("d"),
      "types.d.ts": "throw new Error()",
      "a.test.ts": "throw new Error()",
      "_shared.ts": "throw new Error()",
      ".hidden.ts": "throw new Error()",
      "_lib/x.ts": "throw new Error()",
      "node_modules/p/index.js": "throw new Error()",
      "notes.md": "#",
    });
    const registry = await loadHandlers([folder], providedModules);
    assert.deepEqual(registry.types(), ["a", "b", "c", "d", "echo", "fail", "noop", "sleep"]);
  });

  test("takes the definitions in exported arrays and objects, and of a CommonJS module", async () => {
    const folder = await folderWith({
      "all.ts": `import { defineTask } from "taskexe";
        const make = (type: string) => defineTask({ type, run: () => type });
        const a = make("a");
        export const all = [a, make("b")];
        export const byName = { a, nested: { list: [make("c")] } };
        export const data = { run: 1, when: new Date(), map: new Map([["x", { type: "x", run() {} }]]) };
        export const settings = new Proxy({}, { ownKeys() { throw new Error("do not look"); } });
        export const lazy = { get type(): string { throw new Error("do not read"); } };
        const round: Record<string, unknown> = {};
        export const circle = Object.assign(round, { round });`,
      "one.cjs": `const { defineTask } = require("taskexe");\nmodule.exports = defineTask({ type: "d", run() {} });`,
      "two.cjs": `const { defineTask } = require("taskexe");
        const make = (type) => defineTask({ type, run() {} });
        module.exports = { e: make("e"), more: [make("f")] };`,
      "three.cts": `import taskexe = require("taskexe");\nexport = taskexe.defineTask({ type: "g", run() {} });`,
      "view.tsx": `import { defineTask } from "taskexe";
        const h = (tag: string) => "<" + tag + "/>";
        export default defineTask({ type: "h", run: (): string => h("p") });`,
    });
    const registry = await loadHandlers([folder], providedModules);
    const builtin = ["echo", "fail", "noop", "sleep"];
    assert.deepEqual(registry.types(), ["a", "b", "c", "d", "e", ...builtin, "f", "g", "h"].sort());
  });

  test("refuses a definition in an array that did not go through defineTask, beside others that did", async () => {
    const folder = await folderWith({
      "all.js": `import { defineTask } from "taskexe";
        export const all = [defineTask({ type: "a", run() {} }), { type: "b", run() {} }];`,
    });
    const [problem, more] = await problemsOf(folder);
    assert.match(problem?.what ?? "", /^its export "all\[1\]" has a run function but does not come from defineTask$/);
    assert.equal(more, undefined);
  });

  test("loads files whatever characters are in their names", async () => {
    const names = [
      "a b",
      "what?",
      "q?v=1",
      "c#",
      "100%",
      "%41",
      "back\\slash",
      "it's",
      '"q"',
      "ü😀",
      "[id]",
      "a:b",
      "$x`y",
    ];
    const files = names.map((name) => [
      `${name}.ts`,
      `import { part } from "./_part.ts";\n${task(name).replace("=> 1", "=> part")}`,
    ]);
    const folder = await folderWith({
      ...Object.fromEntries(files),
      "_part.ts": 'export const part = "part" as string;',
    });
    const broken = await folderWith({ "line\nbreak.ts": task("line"), "bad\n?.ts": "export const = 1;" });
    const registry = await loadHandlers([folder, join(broken, "line\nbreak.ts")], providedModules);
    for (const name of names) assert.equal(await registry.definition(name)?.run({} as never), "part", name);
    assert.ok(registry.get("line"));
    await assert.rejects(loadHandlers([join(broken, "bad\n?.ts")], providedModules), {
      message: /^the handlers cannot be loaded, 1 problem:\n {2}\/.*\/bad\\n\?\.ts: syntax error at .*\n {4}-> .*$/,
    });
  });

  test("says what to rename where Bun cannot import from a path", async () => {
    const folder = await folderWith({
      "why?/a.ts": task("a"),
      "x\\y/b.ts": task("b"),
      "c?.cjs": "module.exports = 1;",
    });
    const problems = await problemsOf(folder);
    const [c, why, backslash] = problems;
    assert.deepEqual(
      problems.map(({ file, advice }) => [file, advice]),
      [
        [join(folder, "c?.cjs"), "rename the file"],
        [join(folder, "why?/a.ts"), "rename the folder"],
        [join(folder, "x\\y/b.ts"), "rename the folder"],
      ],
    );
    for (const one of [c, why, backslash]) assert.match(one?.what ?? "", /a \? or a \\/);
  });

  test("puts a user's handler in the place of a built-in one", async () => {
    const folder = await folderWith({ "echo.ts": task("echo") });
    const registry = await loadHandlers([folder], providedModules);
    assert.equal(registry.sourceOf("echo"), join(folder, "echo.ts"));
  });

  test(
    "loads a file once that two paths or a link name, and a definition that another file " + "exports again",
    async () => {
      const folder = await folderWith({ "a.ts": task("a"), "again.ts": `export { default } from "./a.ts";` });
      await symlink(folder, join(folder, "round"));
      const registry = await loadHandlers([folder, join(folder, "a.ts"), join(folder, "round")], providedModules);
      assert.ok(registry.get("a"));
    },
  );

  test("reports all problems of all files at once", async () => {
    const folder = await folderWith({ "good.ts": task("g"), "none.ts": "export const x = 1;", "bad.ts": "const = ;" });
    const problems = await problemsOf(join(folder, "missing.ts"), folder);
    assert.deepEqual(
      problems.map(({ file }) => file),
      ["missing.ts", "bad.ts", "none.ts"].map((name) => join(folder, name)),
    );
  });

  test("names the position of a syntax error", async () => {
    const folder = await folderWith({ "bad.ts": "export default 1;\nconst a: number = ;\n" });
    const [problem] = await problemsOf(folder);
    assert.equal(problem?.file, join(folder, "bad.ts"));
    assert.match(problem?.what ?? "", /^syntax error at .*bad\.ts:2:\d+: /);
  });

  test("names the file that has the syntax error when the handler file imports it", async () => {
    const folder = await folderWith({ "a.ts": `import "./_b.ts";`, "_b.ts": "let let let" });
    const [problem] = await problemsOf(folder);
    assert.match(problem?.what ?? "", /^syntax error at .*_b\.ts:1:\d+/);
  });

  test("says which import is not found, and where it was looked for", async () => {
    const folder = await folderWith({
      "a.ts": `import "not-there-at-all";`,
      "b.ts": `import "./gone.ts";`,
      "c.ts": `import "./_c.ts";`,
      "_c.ts": `import "not-there-either";`,
    });
    const [a, b, c] = await problemsOf(folder);
    assert.match(a?.what ?? "", /^it imports "not-there-at-all", which is not found$/);
    assert.match(a?.advice ?? "", /npm install not-there-at-all.*taskexe.*valibot/);
    assert.match(b?.what ?? "", /gone\.ts", which is not found/);
    assert.match(b?.advice ?? "", /check the path/);
    assert.match(c?.what ?? "", /_c\.ts imports "not-there-either"/);
  });

  test("says which imported name is not there", async () => {
    const folder = await folderWith({ "a.ts": `import { nothing } from "taskexe";\nexport default nothing;` });
    const [problem] = await problemsOf(folder);
    assert.match(problem?.what ?? "", /^a name it imports is not there.*nothing/);
  });

  test("says what a file threw and where", async () => {
    const folder = await folderWith({
      "a.ts": `const deep = () => {\n  throw new RangeError("boom");\n};\ndeep();`,
      "b.ts": `throw "only a string";`,
      "c.ts": `throw undefined;`,
    });
    const [a, b, c] = await problemsOf(folder);
    assert.match(a?.what ?? "", /^it failed while it was imported at .*a\.ts:2:\d+: RangeError: boom$/);
    assert.match(b?.what ?? "", /only a string/);
    assert.match(c?.what ?? "", /undefined/);
  });

  test("says what defineTask refuses, where, and what to do about it", async () => {
    const definition = (given: string) =>
      `import { defineTask } from "taskexe";\nexport default defineTask(${given});\n`;
    const folder = await folderWith({
      "a.js": definition('{ type: "a", timeout: 1, run() {} }'),
      "b.js": definition("{ run() {} }"),
      "c.js": definition('{ type: "c", attempts: 0, run() {} }'),
      "d.js": definition("7"),
    });
    const [a, b, c, d] = await problemsOf(folder);
    assert.match(
      a?.what ?? "",
      /^a task definition at .*a\.js:2:\d+ is wrong: defineTask of "a": unknown key "timeout"; /,
    );
    assert.equal(a?.advice, "write it as one of the known keys, or leave it out");
    assert.match(b?.what ?? "", /^a task definition at .*b\.js:2:\d+ is wrong: defineTask: "type" is missing$/);
    assert.equal(b?.advice, "add it to what defineTask is given there");
    assert.match(c?.what ?? "", /c\.js:2:\d+ is wrong: defineTask of "c": "attempts" .*, got 0$/);
    assert.equal(c?.advice, "change it in what defineTask is given there");
    assert.match(d?.what ?? "", /d\.js:2:\d+ is wrong: defineTask takes an object \{ type, run, \.\.\. \}, got 7$/);
  });

  test("names the file that holds the wrong definition when the handler file imports it", async () => {
    const folder = await folderWith({
      "a.ts": `export { default } from "./_b.ts";`,
      "_b.ts": `import { defineTask } from "taskexe";\nexport default defineTask({ type: "b" });`,
    });
    const [problem] = await problemsOf(folder);
    assert.match(
      problem?.what ?? "",
      /^a task definition at .*_b\.ts:2:\d+ is wrong: defineTask of "b": "run" is missing$/,
    );
  });

  test("says which two files define one type", async () => {
    const folder = await folderWith({ "a.ts": task("same"), "b.ts": task("same") });
    const [problem, more] = await problemsOf(folder);
    assert.equal(problem?.file, join(folder, "b.ts"));
    assert.equal(problem?.what, `the type "same" is defined here and in ${join(folder, "a.ts")}`);
    assert.equal(more, undefined);
  });

  test("says what to do with a definition that did not go through defineTask", async () => {
    const folder = await folderWith({ "a.ts": `export default { type: "a", run() {} };` });
    const [problem] = await problemsOf(folder);
    assert.match(problem?.what ?? "", /"default" has a run function but does not come from defineTask/);
    assert.match(problem?.advice ?? "", /defineTask\(/);
  });

  test("refuses a folder without handler files, and a file that is none", async () => {
    const folder = await folderWith({ "notes.md": "#", "data.json": "{}" });
    const [empty, json] = await problemsOf(folder, join(folder, "data.json"));
    assert.match(empty?.what ?? "", /holds no handler file/);
    assert.match(json?.what ?? "", /must end in \.ts/);
  });

  test("refuses a folder that cannot be a task folder for its size", async () => {
    const folder = await folderWith(Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`f${i}.ts`, ""])));
    const [problem, more] = await problemsOf(folder);
    assert.match(problem?.what ?? "", /more than 1000 handler files/);
    assert.equal(more, undefined);
  });
});
