/** The rules of the house are enforced by the linter's configuration; each is shown here to refuse what it is for. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";

const ROOT = resolve(import.meta.dirname, "../..");

const VIOLATIONS: Readonly<Record<string, { readonly code: string; readonly rule: string }>> = {
  ...floor("runtime", "concurrency"),
  ...floor("concurrency", "task"),
  ...floor("task", "broker"),
  ...floor("broker", "handlers"),
  ...floor("broker/redis", "executor"),
  ...floor("broker", "operations"),
  ...floor("operations/views", "executor"),
  ...floor("operations", "handlers"),
  ...floor("handlers", "broker"),
  ...floor("handlers", "provide"),
  ...floor("executor", "http"),
  ...floor("http", "cli"),
  ...floor("http", "config"),
  ...floor("config", "executor"),
  ...floor("client", "cli"),
  ...typeAndDynamic(),
  "src/task/timer.ts": { code: "setTimeout(() => {}, 1);", rule: "noRestrictedGlobals" },
  "src/task/interval.ts": { code: "setInterval(() => {}, 1);", rule: "noRestrictedGlobals" },
  "src/task/global-timer.ts": { code: "globalThis.setTimeout(() => {}, 1);", rule: "plugin" },
  "src/cli/timers-module.ts": {
    code: 'import { setTimeout as sleep } from "node:timers/promises";\nawait sleep(1);',
    rule: "noRestrictedImports",
  },
  "src/http/race.ts": { code: "await Promise.race([Promise.resolve(1)]);", rule: "plugin" },
  "src/executor/any.ts": { code: "AbortSignal.any([]);", rule: "plugin" },
  "src/broker/listener.ts": {
    code: 'new AbortController().signal.addEventListener("abort", () => {});',
    rule: "plugin",
  },
  "examples/race.ts": { code: "await Promise.race([Promise.resolve(1)]);", rule: "plugin" },
  "src/handlers/one.ts": { code: 'import { b } from "./two.ts";\nexport const a = () => b;', rule: "noImportCycles" },
  "src/handlers/two.ts": { code: 'import { a } from "./one.ts";\nexport const b = () => a;', rule: "noImportCycles" },
};

const ALLOWED: Readonly<Record<string, string>> = {
  "src/runtime/timer.ts": "setTimeout(() => {}, 1);",
  "src/concurrency/race.ts": "await Promise.race([Promise.resolve(1)]);",
  "src/cli/down.ts": 'export * from "../http/up.ts";',
  "src/executor/to-operations.ts": 'export * from "../operations/up.ts";',
  "src/operations/to-broker.ts": 'export * from "../broker/up.ts";',
};

let project: string;
let report: string;

before(() => {
  project = mkdtempSync(join(tmpdir(), "taskexe-structure-"));
  for (const file of ["biome.json", "scripts/check-bare-waits.grit"]) cpSync(join(ROOT, file), join(project, file));
  symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
  const files = Object.entries(VIOLATIONS).map(([path, { code }]) => [path, code] as const);
  for (const [path, code] of [...files, ...Object.entries(ALLOWED)]) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), `${code}\n`);
  }
  const biome = join(ROOT, "node_modules/.bin/biome");
  const arguments_ = ["lint", "--reporter=github", "--max-diagnostics=none", "."];
  report = spawnSync(biome, arguments_, { cwd: project, encoding: "utf8" }).stdout;
});

after(() => rmSync(project, { recursive: true, force: true }));

for (const [path, { rule }] of Object.entries(VIOLATIONS)) {
  test(`the linter refuses ${path} by ${rule}`, () => {
    assert.ok(
      complaints(path).some((line) => line.includes(rule)),
      `nothing about ${path} by ${rule} in:\n${report}`,
    );
  });
}

for (const path of Object.keys(ALLOWED)) {
  test(`the linter lets ${path} pass`, () => {
    const against = complaints(path).filter((line) => /noRestricted|noImportCycles|plugin/.test(line));
    assert.deepEqual(against, []);
  });
}

function complaints(path: string): string[] {
  return report.split("\n").filter((line) => line.includes(`/${path},`));
}

function floor(from: string, to: string) {
  const up = "../".repeat(from.split("/").length);
  const code = `export * from "${up}${to}/up.ts";`;
  return { [`src/${from}/to-${to}.ts`]: { code, rule: "noRestrictedImports" } };
}

function typeAndDynamic() {
  return {
    "src/task/type-only.ts": {
      code: 'import type { Up } from "../cli/up.ts";\nexport type Down = Up;',
      rule: "noRestrictedImports",
    },
    "src/task/dynamic.ts": { code: 'await import("../executor/up.ts");', rule: "noRestrictedImports" },
  };
}
