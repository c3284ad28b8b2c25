/** A lock file names what is installed by its digest, and no registry. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { problemsOf } from "../../scripts/check-lock.ts";
import { ROOT } from "../stage/command.ts";

const LOCK = join(ROOT, "package-lock.json");

test("each package of the project is locked by its digest", () => {
  assert.deepEqual(problemsOf(readFileSync(LOCK, "utf8")), []);
});

test("a package without a digest, with a weak one, or with a registry is told, and fails the check", () => {
  const integrity = `sha512-${"A".repeat(86)}==`;
  const packages = {
    "": { name: "mine" },
    "node_modules/good": { version: "1.0.0", integrity },
    "node_modules/linked": { resolved: "here", link: true },
    "node_modules/bare": { version: "1.0.0" },
    "node_modules/weak": { integrity: "sha1-AAAA" },
    "node_modules/far": { integrity, resolved: "https://registry.example/far.tgz" },
  };
  const text = JSON.stringify({ lockfileVersion: 3, packages });
  assert.deepEqual(problemsOf(text), [
    "node_modules/bare has no sha512 integrity",
    "node_modules/weak has no sha512 integrity",
    'node_modules/far names a registry: "resolved" must not be there',
  ]);
  assert.equal(problemsOf("{}").length, 1);

  const folder = mkdtempSync(join(tmpdir(), "taskexe-lock-"));
  try {
    writeFileSync(join(folder, "package-lock.json"), text);
    const bun = join(ROOT, "node_modules/.bin/bun");
    const check = (file: string) => spawnSync(bun, [join(ROOT, "scripts/check-lock.ts"), file], { encoding: "utf8" });
    const { status, stderr } = check(join(folder, "package-lock.json"));
    assert.equal(status, 1);
    assert.match(stderr, /bare has no sha512 integrity; remove the entry, then npm install --package-lock-only/);
    assert.equal(check(LOCK).status, 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
