import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import hashFiles from "../../examples/hash-files.ts";
import wordCount from "../../examples/word-count.ts";
import { Cancelled, openRoot } from "../../src/concurrency/index.ts";
import { loadHandlers } from "../../src/handlers/loading/load-handlers.ts";
import { providedModules } from "../../src/provide/index.ts";
import { runTask } from "../handlers/context.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));
const sources = join(project, "src/executor");
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "taskexe-examples-"));
});
after(() => rm(folder, { recursive: true, force: true }));

describe("hash_files", () => {
  test("hashes every file below a real folder and tells its progress", async () => {
    const told: string[] = [];
    const onProgress = (_: number, message?: string) => void told.push(message ?? "");
    const hashes = v.parse(
      v.record(v.string(), v.string()),
      await runTask(hashFiles, { folder: sources, parallel: 3 }, { onProgress }),
    );
    const names = Object.keys(hashes);
    assert.ok(names.includes("executor.ts") && names.includes(join("leaving", "drain.ts")));
    for (const name of names) {
      const bytes = await readFile(join(sources, name));
      assert.equal(hashes[name], createHash("sha256").update(bytes).digest("hex"));
    }
    assert.deepEqual(told.at(-1), `${names.length} of ${names.length} files`);
  });

  test("ends all its children when it is cancelled", async () => {
    const scope = openRoot();
    let written = 0;
    const onProgress = () => {
      if (++written === 2) scope.cancel("enough");
    };
    await assert.rejects(
      runTask(hashFiles, { folder: sources, parallel: 1 }, { scope, onProgress }),
      (error) => error instanceof Cancelled,
    );
    assert.equal(written, 2);
  });

  test("refuses a folder that is larger than expected", async () => {
    await assert.rejects(runTask(hashFiles, { folder: sources, max_files: 2 }), (error) => {
      assert.ok(error instanceof AggregateError);
      assert.match(String(error.errors[0]), /more than 2 files/);
      return true;
    });
  });
});

describe("word_count", () => {
  test("fails while the file is missing, counts once it is there", async () => {
    const path = join(folder, "later.txt");
    await assert.rejects(runTask(wordCount, { path }));
    await writeFile(path, "one two\n  three\n");
    assert.deepEqual(await runTask(wordCount, { path }), { words: 3, lines: 2 });
  });
});

test("the folder of examples loads as it stands", async () => {
  const registry = await loadHandlers([join(project, "examples")], providedModules);
  for (const type of ["chunk_document", "hash_files", "word_count"]) assert.ok(registry.get(type), type);
});
