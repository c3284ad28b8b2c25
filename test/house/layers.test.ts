/** Imports run downwards only, as the table of scripts/house/layers.ts has the floors, and never in a circle. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { circlesIn, importsIn } from "../../scripts/house/imports.ts";
import { LAYERS, layerOf } from "../../scripts/house/layers.ts";
import { lintBlocks } from "../../scripts/house/lint-blocks.ts";
import { ROOT } from "../stage/command.ts";
import { Stage } from "../stage/stage.ts";

const IMPORTS = importsIn(join(ROOT, "src"));

test("every file of src stands on a floor, and no floor is empty", () => {
  const floors = new Set([...IMPORTS.keys()].map((file) => layerOf(file)?.name ?? `${file} has none`));
  assert.deepEqual([...floors].sort(), LAYERS.map(({ name }) => name).sort());
});

test("a floor uses only floors that stand before it in the table", () => {
  const names = LAYERS.map(({ name }) => name);
  for (const [at, { name, uses }] of LAYERS.entries()) {
    for (const used of uses) assert.ok(names.slice(0, at).includes(used), `${name} uses ${used}`);
  }
});

test("no import runs up", () => {
  const up: string[] = [];
  for (const [file, imported] of IMPORTS) {
    for (const other of imported) {
      const [from, to] = [layerOf(file), layerOf(other)];
      // package.json, whose version is read, is the only thing outside.
      const isOutside = other.startsWith("..");
      if (!isOutside && from !== to && !from?.uses.includes(to?.name ?? "")) up.push(`${file} -> ${other}`);
    }
  }
  assert.deepEqual(up, []);
});

test("no import runs in a circle, types included", () => {
  assert.deepEqual(
    circlesIn(IMPORTS).map((circle) => circle.join(" -> ")),
    [],
  );
});

test("a circle is found, whatever the form of its imports", async () => {
  await Stage.with(async (stage) => {
    const files = {
      "a.ts": 'import type { B } from "./in/b.ts";\n',
      "in/b.ts": 'export {\n  c,\n} from "../c.ts";\n',
      "c.ts": 'const a = await import("./a.ts");\n// import "./a.ts";\n',
      "d.ts": '/**\n * import { a } from "./d.ts";\n */\nimport "./a.ts";\n',
    };
    await stage.write(files);
    const circles = circlesIn(importsIn(stage.folder));
    assert.deepEqual(
      circles.map((circle) => [...new Set(circle)].sort()),
      [["a.ts", "c.ts", "in/b.ts"]],
    );
  });
});

test("the linter's blocks are those of the table: bun scripts/house/write-layers.ts writes them", () => {
  const { overrides } = JSON.parse(readFileSync(join(ROOT, "biome.json"), "utf8"));
  assert.deepEqual(overrides, lintBlocks());
});
