/**
 * The executable runs the handler files it was given and nothing else: what lies in the folder it is started in, or
 * above it or above the handlers, is a stranger's. Each file there tries to have its own code run instead.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildExecutable } from "../stage/executable.ts";
import { SLOW, Stage } from "../stage/stage.ts";

/** Leaves a mark behind when it runs, whatever it is taken for. */
const foreign = (mark: string) => `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "it ran");
exports.part = () => "foreign"; exports.defineTask = (definition) => definition; exports.default = exports;`;

const HANDLER = `import { readFileSync } from "node:fs";
import fs from "fs";
import { defineTask } from "taskexe";
import * as v from "valibot";
import { part } from "./_part.ts";
import { part as withoutEnding } from "./_part";
export default defineTask({
  type: "probe",
  payload: v.any(),
  run: async () => {
    const later = await import("./_part.ts");
    return [part(), withoutEnding(), later.part(), typeof readFileSync, typeof fs.readFileSync];
  },
});
`;

/** Every setting known to us by which a folder could bring in "./foreign.js". */
const mapped = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, "./foreign.js"]));
const NAMES = ["taskexe", "valibot", "fs", "node:fs", "./_part.ts", "./_part", "./handlers/_part.ts", "*", "/*"];

function traps(mark: string): Record<string, string> {
  const paths = Object.fromEntries(NAMES.map((name) => [name, ["./foreign.js"]]));
  const compiler = JSON.stringify({ compilerOptions: { baseUrl: ".", paths, jsx: "react", jsxFactory: "foreign" } });
  const manifest = {
    name: "taskexe",
    type: "commonjs",
    main: "./foreign.js",
    module: "./foreign.js",
    browser: mapped(NAMES),
    exports: { ".": "./foreign.js", "./*": "./foreign.js" },
    imports: { "#part": "./foreign.js", "#*": "./foreign.js" },
    preload: ["./foreign.js"],
    bun: { preload: ["./foreign.js"] },
    alias: mapped(NAMES),
    overrides: mapped(NAMES),
  };
  const settings =
    "BUN_OPTIONS=--preload=./foreign.js\nNODE_OPTIONS=--require=./foreign.js\nTASKEXE_CONCURRENCY=none\n";
  return {
    "foreign.js": foreign(mark),
    "tsconfig.json": compiler,
    "jsconfig.json": compiler,
    "deno.json": JSON.stringify({ imports: mapped(NAMES) }),
    "package.json": JSON.stringify(manifest),
    "bunfig.toml":
      'preload = ["./foreign.js"]\n[run]\npreload = ["./foreign.js"]\n[test]\npreload = ["./foreign.js"]\n',
    ".env": settings,
    ".env.local": settings,
    ".env.production": settings,
    "node_modules/taskexe/index.js": foreign(mark),
    "node_modules/valibot/index.js": foreign(mark),
    "node_modules/fs/index.js": foreign(mark),
  };
}

describe("the executable runs the handlers it was given", () => {
  let stage: Stage;
  let program: Promise<string> | null = null;

  before(async () => {
    stage = Stage.make();
  });
  after(() => stage.end());

  /** Runs the probe, started in `cwd`; gives its result. */
  async function probe(name: string, cwd: string, tasks: string): Promise<unknown> {
    program ??= buildExecutable(join(stage.folder, "program/taskexe"));
    const executable: [string] = [await program];
    const broker = `sqlite:${join(stage.folder, `${name}.db`)}`;
    const executor = await stage.executor({ broker, program: executable, cwd, tasks });
    const { code, stdout, stderr } = await stage.run(["enqueue", "probe", "--wait", "--broker", broker, "--json"], {
      program: executable,
      cwd,
    });
    assert.equal(code, 0, `${stdout}${stderr}${executor.output()}`);
    return JSON.parse(stdout).result;
  }

  const CASES = [
    { where: "in the working directory", folder: "cwd", cwd: "cwd", tasks: "calm/handlers" },
    { where: "above the working directory", folder: "above", cwd: "above/a/b", tasks: "calm/handlers" },
    { where: "above the handlers", folder: "project", cwd: "calm", tasks: "project/handlers" },
    { where: "above both", folder: "top", cwd: "top/handlers", tasks: "top/handlers" },
  ];

  for (const { where, folder, cwd, tasks } of CASES) {
    test(`whatever lies ${where}`, SLOW, async () => {
      const mark = join(stage.folder, `${folder}.mark`);
      for (const [name, text] of Object.entries(traps(mark))) await stage.write({ [join(folder, name)]: text });
      const files = { "probe.ts": HANDLER, "_part.ts": 'export const part = (): string => "own";\n' };
      for (const [name, text] of Object.entries(files)) await stage.write({ [join(tasks, name)]: text });
      await stage.write({ [join(cwd, "notes.txt")]: "" });
      const result = await probe(folder, join(stage.folder, cwd), join(stage.folder, tasks));
      assert.deepEqual(result, ["own", "own", "own", "function", "function"]);
      assert.equal(existsSync(mark), false, "foreign code ran");
    });
  }
});
