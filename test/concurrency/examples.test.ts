// Runs the examples of the core's documentation as they are written. Each is cut out of its TSDoc comment and becomes a
// module of its own, in which `console.log(x); // y` checks that x is y.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as concurrency from "../../src/concurrency/index.ts";

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

test("everything that can be imported has an example in its documentation", async () => {
  const texts = await Promise.all(files.map((file) => readFile(new URL(`concurrency/${file}`, sources), "utf8")));
  const documented = texts
    .join("\n")
    .matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport (?:async )?(?:function|class|const) (\w+)/g);
  const examples = new Map([...documented].map(([, comment, name]) => [name, comment?.includes("@example")]));
  for (const name of Object.keys(concurrency)) assert.equal(examples.get(name), true, `${name} has no example`);
});

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
