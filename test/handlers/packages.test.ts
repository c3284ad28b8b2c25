/**
 * npm packages beside handlers, installed by npm and loaded by the executable: one real package of every shape that
 * there is, and small ones of our own for what their entries may be. The names of a package must resolve as on Node.js.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ROOT } from "../stage/command.ts";
import { buildExecutable } from "../stage/executable.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { SLOW, Stage } from "../stage/stage.ts";

interface Shape {
  /** The import, and the value that shows that the package works. */
  readonly source: string;
  readonly value: string;
  readonly expected: unknown;
}

const REAL: Readonly<Record<string, Shape>> = {
  "pg, CommonJS whose entry is below lib": {
    source: 'import pg from "pg";',
    value: "typeof new pg.Client().query",
    expected: "function",
  },
  "lodash, CommonJS in one file": { source: 'import lodash from "lodash";', value: "lodash.sum([1, 2])", expected: 3 },
  "ioredis, CommonJS with named exports": {
    source: 'import { Redis } from "ioredis";',
    value: "new Redis({ lazyConnect: true }).status",
    expected: "wait",
  },
  "mysql2/promise, a subpath of its exports": {
    source: 'import mysql from "mysql2/promise";',
    value: "mysql.escape(`it's`)",
    expected: "'it\\'s'",
  },
  "pino, CommonJS that starts a Worker": {
    source: 'import pino from "pino";\nimport { readFile } from "node:fs/promises";',
    value: `new Promise((resolve, reject) => {
      const destination = join(import.meta.dirname, "pino.log");
      const transport = pino.transport({ target: "pino/file", options: { destination } });
      transport.on("error", reject);
      transport.on("close", () => readFile(destination, "utf8").then((text) => resolve(JSON.parse(text).msg), reject));
      transport.on("ready", () => { pino(transport).info("from a Worker"); transport.end(); });
    })`,
    expected: "from a Worker",
  },
  "uuid, exports by condition": {
    source: 'import { validate, v7 } from "uuid";',
    value: "validate(v7())",
    expected: true,
  },
  "nanoid, ESM alone": { source: 'import { nanoid } from "nanoid";', value: "nanoid().length", expected: 21 },
  "chalk, ESM with #imports": {
    source: 'import { Chalk } from "chalk";',
    value: 'new Chalk({ level: 1 }).red("x")',
    expected: "\u001b[31mx\u001b[39m",
  },
  "cheerio, ESM and CommonJS with many dependencies": {
    source: 'import { load } from "cheerio";',
    value: 'load("<p>hi</p>")("p").text()',
    expected: "hi",
  },
  "pdf-lib, main and module fields": {
    source: 'import { PDFDocument } from "pdf-lib";',
    value: "PDFDocument.create().then((made) => { made.addPage(); return made.getPageCount(); })",
    expected: 1,
  },
  "zod, subpaths by condition": {
    source: 'import { z } from "zod/v4";',
    value: 'z.object({ a: z.coerce.number() }).parse({ a: "1" })',
    expected: { a: 1 },
  },
  "arktype, scoped dependencies": {
    source: 'import { type } from "arktype";',
    value: 'type("string.email").allows("a@b.example")',
    expected: true,
  },
  "spdx-license-ids, nothing but JSON": {
    source: 'import ids from "spdx-license-ids" with { type: "json" };',
    value: 'ids.includes("MIT")',
    expected: true,
  },
  "sharp, native": {
    source: 'import sharp from "sharp";',
    value: `sharp({ create: { width: 4, height: 3, channels: 3, background: "red" } }).png().toBuffer()
      .then((png) => sharp(png).metadata()).then(({ format, width, height }) => ({ format, width, height }))`,
    expected: { format: "png", width: 4, height: 3 },
  },
  "@resvg/resvg-wasm, scoped, WebAssembly": {
    source: `import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";`,
    value: `readFile(createRequire(import.meta.url).resolve("@resvg/resvg-wasm/index_bg.wasm")).then(initWasm).then(
      () => new Resvg('<svg xmlns="http://www.w3.org/2000/svg" width="5" height="7"/>').render().height)`,
    expected: 7,
  },
};

/** Schemas as payloads, which check, transform and refuse, at once and later. */
const SCHEMAS = `import { type } from "arktype";
import { connect, defineTask } from "taskexe";
import * as v from "valibot";
import { z } from "zod";

const Zod = z.object({ size: z.object({ width: z.string().transform(Number) }), tags: z.array(z.string()).optional() });
export const byZod = defineTask({ type: "by zod", payload: Zod, run: ({ payload }) => payload.size.width + 1 });
export const slowly = defineTask({
  type: "by zod, slowly",
  payload: Zod.refine(async ({ tags }) => tags?.[0] !== "no", "not that tag"),
  run: ({ payload }) => payload.size.width + 2,
});
export const byArktype = defineTask({
  type: "by arktype",
  payload: type({ size: { width: "string.numeric.parse" }, "tags?": "string[]" }),
  run: ({ payload }) => payload.size.width + 3,
});
export const throws = defineTask({
  type: "throws",
  payload: z.custom<number>(() => {
    throw new RangeError("of the schema itself");
  }),
  run: () => null,
});
export const byValibot = defineTask({ type: "by valibot", payload: v.number(), run: ({ payload }) => payload });
export const sends = defineTask({
  type: "sends",
  run: async () => {
    const client = await connect();
    try {
      await client.enqueue(byZod, { size: { width: "1" } }, { delayMs: 60_000 });
      await client.enqueue(byArktype, { size: { width: "1" } }, { delayMs: 60_000 });
      const wrong = { size: {} } as never;
      const reason = ({ message }: Error) => message;
      const sent = [client.enqueue(byZod, wrong), client.enqueue(slowly, wrong), client.enqueue(byArktype, wrong)];
      return await Promise.all(sent.map((receipt) => receipt.then(String, reason)));
    } finally {
      await client.close();
    }
  },
});
`;

/** What must not compile: one error a line. */
const WRONG_TYPES = `import type { Client } from "taskexe";
import { byArktype, byZod } from "./schemas.ts";
export async function wrong(client: Client): Promise<void> {
  await client.enqueue(byZod, { size: { width: 1 } });
  await client.enqueue(byArktype, { size: { width: 1 } });
  await client.enqueue(byZod, {});
}
`;

/** What lies in node_modules of the second folder. */
const PACKAGES = {
  "conditions/package.json": JSON.stringify({
    exports: {
      ".": { browser: "./browser.js", import: "./import.mjs", require: "./require.cjs" },
      "./feature/*": "./features/*.mjs",
      "./feature/hidden": null,
    },
  }),
  "conditions/browser.js": 'throw new Error("the entry for browsers");',
  "conditions/import.mjs": 'export default "import";',
  "conditions/require.cjs": 'module.exports = "require";',
  "conditions/features/one.mjs": 'export default "one";',
  "conditions/features/hidden.mjs": 'export default "hidden";',
  "json-main/package.json": JSON.stringify({ main: "./data/facts.json" }),
  "json-main/data/facts.json": '{ "fact": 1 }',
  "@scope/folder-main/package.json": JSON.stringify({ main: "lib", browser: "./browser.js" }),
  "@scope/folder-main/lib/index.js": 'exports.entry = "lib/index.js";',
  "imports/package.json": JSON.stringify({
    type: "module",
    exports: "./src/entry.js",
    imports: { "#inner/*": "./src/inner/*.js", "#by-condition": { node: "./src/inner/node.js", default: "./none.js" } },
  }),
  "imports/src/entry.js": 'import one from "#inner/one"; import node from "#by-condition"; export default one + node;',
  "imports/src/inner/one.js": 'export default "one and ";',
  "imports/src/inner/node.js": 'export default "node";',
};

const OWN_SHAPES: Readonly<Record<string, Shape>> = {
  "the import condition": { source: 'import entry from "conditions";', value: "entry", expected: "import" },
  "the require condition": { source: "", value: 'createRequire(import.meta.url)("conditions")', expected: "require" },
  "a pattern of subpaths": { source: 'import one from "conditions/feature/one";', value: "one", expected: "one" },
  "a subpath that is not exported": {
    source: "",
    value: 'import("conditions/feature/hidden").then(() => "found", () => "not found")',
    expected: "not found",
  },
  "a JSON main": { source: 'import facts from "json-main";', value: "facts.fact", expected: 1 },
  "a folder as main": {
    source: 'import { entry } from "@scope/folder-main";',
    value: "entry",
    expected: "lib/index.js",
  },
  "#imports of a package": { source: 'import inner from "imports";', value: "inner", expected: "one and node" },
  "a linked package": { source: 'import { linked } from "linked";', value: "linked", expected: "by a link" },
  "#imports of the handlers' own package": { source: 'import x from "#own/x";', value: "x", expected: "own" },
  "the handlers' own package by its name": { source: 'import x from "mine/x";', value: "x", expected: "own" },
};

/** Handler files, one a shape: a package that does not load is one problem of one file. */
function handlersOf(shapes: Readonly<Record<string, Shape>>): Record<string, string> {
  const files = Object.entries(shapes).map(([name, { source, value }], at) => [
    `shape-${at}.ts`,
    `import { createRequire } from "node:module";
import { join } from "node:path";
import { defineTask } from "taskexe";
${source}
export default defineTask({ type: ${JSON.stringify(name)}, run: () => ${value} });
void createRequire, join;
`,
  ]);
  return Object.fromEntries(files);
}

interface Loaded {
  readonly program: [string];
  readonly broker: string;
  readonly executor: ExecutorProcess;
}

/** An executor that has loaded a handler for each shape. */
async function setUp(stage: Stage): Promise<Loaded> {
  const program: [string] = [await buildExecutable(join(stage.folder, "taskexe"))];
  const real = join(stage.folder, "real");
  await cp(fileURLToPath(new URL("fixtures/packages", import.meta.url)), real, { recursive: true });
  await promisify(execFile)("npm", ["ci", "--ignore-scripts", "--prefer-offline"], { cwd: real });
  const written = (folder: string, files: Record<string, string>) =>
    stage.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [join(folder, name), text])));
  await written("real/tasks", { ...handlersOf(REAL), "schemas.ts": SCHEMAS });
  await written("own/node_modules", PACKAGES);
  await written("elsewhere", { "package.json": '{ "main": "./m.js" }', "m.js": 'exports.linked = "by a link";' });
  await symlink(join(stage.folder, "elsewhere"), join(stage.folder, "own/node_modules/linked"));
  const own = { name: "mine", exports: { "./*": "./lib/*.ts" }, imports: { "#own/*": "./lib/*.ts" } };
  await written("own", { "package.json": JSON.stringify(own), "lib/x.ts": 'export default "own" as string;' });
  await written("own/tasks", handlersOf(OWN_SHAPES));
  const broker = `sqlite:${join(stage.folder, "queue.db")}`;
  const args = ["--tasks", join(stage.folder, "own/tasks")];
  const executor = await stage.executor({ broker, program, tasks: join(real, "tasks"), args });
  return { program, broker, executor };
}

describe("the executable loads npm packages beside handlers", () => {
  let stage: Stage;
  // Set up by whichever test is first: a test may be given the time that the installation takes, a hook may not.
  let loaded: Promise<Loaded> | null = null;

  before(async () => {
    stage = Stage.make();
  });
  after(() => stage.end());

  /** Runs a task to its end; gives its record. */
  async function ended(type: string, payload: unknown) {
    loaded ??= setUp(stage);
    const { program, broker, executor } = await loaded;
    const given = ["enqueue", type, JSON.stringify(payload), "--wait", "--attempts", "1", "--broker", broker, "--json"];
    const { stdout, stderr } = await stage.run(given, { program });
    assert.notEqual(stdout, "", `${stderr}${executor.output()}`);
    return JSON.parse(stdout);
  }

  test("whose schemas check payloads, as valibot's do", SLOW, async () => {
    const payload = { size: { width: "41" } };
    assert.equal((await ended("by zod", payload)).result, 42);
    assert.equal((await ended("by zod, slowly", payload)).result, 43);
    assert.equal((await ended("by arktype", payload)).result, 44);
    for (const [type, wrong, reason] of [
      ["by zod", { size: {} }, /refused by the schema of "by zod": size\.width: .*expected string/],
      ["by zod", { size: { width: "1" }, tags: ["a", 2] }, /: tags\.1: /],
      ["by zod, slowly", { size: { width: "1" }, tags: ["no"] }, /not that tag/],
      ["by arktype", { size: { width: "x" } }, /refused by the schema of "by arktype": size\.width: /],
      ["throws", 1, /of the schema itself/],
    ] as const) {
      const record = await ended(type, wrong);
      assert.equal(record.state, "dead");
      assert.match(record.reason, reason);
    }
    const [zod, slowly, arktype] = (await ended("sends", null)).result;
    for (const refusal of [zod, slowly, arktype])
      assert.match(refusal, /^the payload was refused by the schema of .*: size\.width: /);
  });

  test("whose schemas tell the compiler what a payload is", SLOW, async () => {
    loaded ??= setUp(stage);
    await loaded;
    const paths = Object.fromEntries(
      Object.entries({ taskexe: "src/index.ts", valibot: "node_modules/valibot" }).map(([name, path]) => [
        name,
        [join(ROOT, path)],
      ]),
    );
    const compilerOptions = {
      ...{ strict: true, target: "esnext", module: "nodenext", noEmit: true, allowImportingTsExtensions: true },
      ...{ skipLibCheck: true, types: ["node"], typeRoots: [join(ROOT, "node_modules/@types")], paths },
    };
    await stage.write({
      "real/tasks/_wrong.ts": WRONG_TYPES,
      "real/tsconfig.json": JSON.stringify({ compilerOptions, files: ["tasks/schemas.ts", "tasks/_wrong.ts"] }),
    });
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    const { stdout } = await promisify(execFile)(tsc, ["-p", join(stage.folder, "real")]).then(
      () => ({ stdout: "" }),
      (failed: { stdout: string }) => failed,
    );
    const wrong = stdout.split("\n").filter((line) => /\/real\/tasks\/.*error TS/.test(line));
    assert.deepEqual(
      wrong.map((line) => /(\w+\.ts)\((\d+),/.exec(line)?.slice(1).join(":")),
      ["_wrong.ts:4", "_wrong.ts:5", "_wrong.ts:6"],
      stdout,
    );
  });

  for (const [name, { expected }] of Object.entries({ ...REAL, ...OWN_SHAPES })) {
    test(name, SLOW, async () => {
      loaded ??= setUp(stage);
      const { program, broker, executor } = await loaded;
      const given = ["enqueue", name, "--wait", "--attempts", "1", "--broker", broker, "--json"];
      const { code, stdout, stderr } = await stage.run(given, { program });
      assert.equal(code, 0, `${stdout}${stderr}${executor.output()}`);
      assert.deepEqual(JSON.parse(stdout).result, expected);
    });
  }
});
