// Runs the examples of the core's documentation as they are written. Each is cut out of its TSDoc comment and becomes a
// module of its own, in which `console.log(x); // y` checks that x is y.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as concurrency from "../../src/concurrency/index.ts";
import * as testing from "../../src/testing.ts";

const sources = new URL("../../src/", import.meta.url);
const packages: Record<string, string> = {
  "taskexe/concurrency": new URL("concurrency/index.ts", sources).href,
  "taskexe/testing": new URL("testing.ts", sources).href,
};

interface Example {
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

/** Every ```ts block of a source file's comments. */
async function examplesOf(file: string): Promise<Example[]> {
  const examples: Example[] = [];
  let block: { line: number; code: string[] } | undefined;
  const text = await readFile(new URL(`concurrency/${file}`, sources), "utf8");
  for (const [i, line] of text.split("\n").entries()) {
    const comment = /^\s*\* ?(.*)$/.exec(line)?.[1];
    if (comment === "```ts") block = { line: i + 2, code: [] };
    else if (comment === "```" && block !== undefined) {
      examples.push({ file, line: block.line, code: block.code.join("\n") });
      block = undefined;
    } else if (comment !== undefined) block?.code.push(comment);
  }
  assert.equal(block, undefined, `${file}: an example has no end`);
  return examples;
}

/** The example as a module: real imports, and a check in place of each line that shows a value. */
function toModule({ code }: Example): string {
  return [
    'import { deepStrictEqual as check } from "node:assert/strict";',
    "export let checks = 0;",
    code
      .replace(/from "(taskexe\/\w+)";/g, (_, name: string) => `from ${JSON.stringify(packages[name])};`)
      .replace(/^(\s*)console\.log\((.*)\); \/\/ (.*)$/gm, "$1check($2, $3); checks++;"),
  ].join("\n");
}

const files = (await readdir(new URL("concurrency/", sources))).filter((file) => file.endsWith(".ts")).sort();

interface Exported {
  readonly name: string;
  readonly file: string;
  /** Whether it stands in src/concurrency: `taskexe/testing` has more. */
  readonly isCore: boolean;
}

/** Everything that can be imported, types too, by the file that declares it. */
async function exportsOf(surface: string): Promise<Exported[]> {
  const text = await readFile(new URL(surface, sources), "utf8");
  const lists = [...text.matchAll(/export (?:type )?\{([^}]*)\} from "(.*)";/g)];
  assert.equal(lists.length, text.match(/^export/gm)?.length, `${surface}: an export that this test cannot read`);
  return lists.flatMap(([, names = "", file = ""]) =>
    names
      .split(",")
      .map((name) => name.replace(/^\s*(?:type )?/, "").trim())
      .filter((name) => name !== "")
      .map((name) => ({
        name,
        file: basename(file),
        isCore: surface.startsWith("concurrency/") || file.includes("/concurrency/"),
      })),
  );
}

interface Declaration {
  readonly comment: string;
  /** The lines between its braces; none for a function or a constant. */
  readonly members: readonly string[];
}

/** What a file says of a name that it exports. */
async function declarationOf({ name, file }: { readonly name: string; readonly file: string }): Promise<Declaration> {
  const text = await readFile(new URL(`concurrency/${file}`, sources), "utf8");
  const kinds = "(?:async )?(?:function|class|const|interface|type)";
  const found = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\nexport ${kinds} ${name}\\b(.*)\n([^]*)`).exec(text);
  assert.ok(found !== null, `${name} has no documentation in ${file}`);
  const [whole, comment = "", head = "", rest = ""] = found;
  const hasMembers =
    /\nexport (class|interface) /.test(whole.slice(0, whole.length - rest.length)) && head.endsWith("{");
  return { comment, members: hasMembers ? rest.slice(0, rest.indexOf("\n}")).split("\n") : [] };
}

/** The public members that no comment stands above. An accessor pair is documented once. */
function undocumented(members: readonly string[]): string[] {
  return members.filter((line, i) => {
    if (
      !/^ {2}[\w[*]/.test(line) ||
      /^ {2}(?:private|static \{|override readonly name|(?:readonly |async )?#)/.test(line)
    )
      return false;
    return !members[i - 1]?.endsWith("*/") && !/^ {2}set /.test(line);
  });
}

const all = [...(await exportsOf("concurrency/index.ts")), ...(await exportsOf("testing.ts"))];
const surface = all.filter(({ isCore }) => isCore);

test("the documentation is checked for all that can be imported", async () => {
  const names = all.map(({ name }) => name);
  for (const name of [...Object.keys(concurrency), ...Object.keys(testing)]) assert.ok(names.includes(name), name);
  for (const type of ["Nursery", "Task", "Permit", "SendChannel", "ReceiveChannel", "TreeNode", "MockClock"]) {
    assert.ok(names.includes(type), type);
  }
  const members = [
    "/** A. */",
    "a: 1;",
    "b: 2;",
    "get c() {",
    "set c(value) {",
    "#d = 1;",
    "readonly #e = 1;",
    "f() {",
  ];
  assert.deepEqual(undocumented(members.map((line) => `  ${line}`)), ["  b: 2;", "  get c() {", "  f() {"]);
});

for (const one of surface) {
  test(`${one.name} has an example in its documentation, and each public member says what it is`, async () => {
    const { comment, members } = await declarationOf(one);
    assert.match(comment, /@example/);
    assert.deepEqual(undocumented(members), []);
  });
}

const folder = await mkdtemp(join(tmpdir(), "taskexe-examples-"));
let running = 0;

for (const example of (await Promise.all(files.map(examplesOf))).flat()) {
  running++;
  test(`the example at src/concurrency/${example.file}:${example.line} does what it says`, async () => {
    try {
      const path = join(folder, `${example.file.replace(".ts", "")}-${example.line}.ts`);
      await writeFile(path, toModule(example));
      const module: unknown = await import(pathToFileURL(path).href);
      assert.ok(typeof module === "object" && module !== null && "checks" in module);
      assert.ok(Number(module.checks) > 0, "an example shows at least one value");
    } finally {
      running--;
      if (running === 0) await rm(folder, { recursive: true });
    }
  });
}
