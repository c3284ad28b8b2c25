/**
 * scripts/check-bare-waits.grit, and what biome.json adds to it: every form in which a wait can be written past the
 * concurrency core is refused, everywhere outside src/concurrency and src/runtime, and what only looks like one is not.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, test } from "node:test";

const ROOT = resolve(import.meta.dirname, "../..");

/** Each a line of its own, and a complaint of its own. */
const REFUSED = [
  "await Promise.race([a]);",
  "await Promise.race<number>([a]);",
  "await Promise?.race([a]);",
  "await (Promise as any).race([a]);",
  "await (Promise).race([a]);",
  "await globalThis.Promise.race([a]);",
  'await globalThis["Promise"].race([a]);',
  "await Promise.race.call(Promise, [a]);",
  "await Promise.race.apply(Promise, [[a]]);",
  'await Promise["race"]([a]);',
  "await Promise['race']([a]);",
  "await Promise[`race`]([a]);",
  "export const first = Promise.race;",
  "const { race } = Promise;",
  "const { all, race: first } = globalThis.Promise;",
  'const { ["race"]: first } = Promise;',
  "const { Promise: { race } } = globalThis;",
  "({ race } = Promise);",
  "export const f = ({ race } = Promise) => race;",
  "AbortSignal.any([s]);",
  "globalThis.AbortSignal.any([s]);",
  'AbortSignal["any"]([s]);',
  "export const both = AbortSignal.any;",
  "const { any } = AbortSignal;",
  "AbortSignal.timeout(5);",
  "globalThis.AbortSignal.timeout(5);",
  'globalThis["AbortSignal"]["timeout"](5);',
  "const { timeout: after } = globalThis.AbortSignal;",
  "const { AbortSignal: Signal } = globalThis;",
  's.addEventListener("abort", f);',
  "s.addEventListener('abort', f);",
  "s.addEventListener(`abort`, f);",
  's?.addEventListener("abort", f);',
  's.addEventListener?.("abort", f);',
  's.addEventListener<"abort">("abort", f);',
  's["addEventListener"]("abort", f);',
  's.addEventListener("abort" as const, f, { once: true });',
  "s.onabort = f;",
  's["onabort"] = f;',
  'await once(s, "abort");',
  'await events.once(scope.signal, "abort", {});',
  "await once(pick(a, b), `abort`);",
  'for await (const _ of on(s, "abort")) break;',
  "addAbortListener(s, f);",
  "events.addAbortListener(s, f);",
  'import { addAbortListener as listen } from "node:events";',
  'import { addAbortListener } from "node:events";',
  "setTimeout(f, 1);",
  "setInterval(f, 1);",
  "setImmediate(f);",
  "globalThis.setTimeout(f, 1);",
  "globalThis?.setInterval(f, 1);",
  "global.setImmediate(f);",
  "window.setTimeout(f, 1);",
  "self.setTimeout(f, 1);",
  "(globalThis as any).setTimeout(f, 1);",
  'globalThis["setTimeout"](f, 1);',
  "export const later = globalThis.setTimeout;",
  "const { setTimeout: later } = globalThis;",
  "const { setInterval: often } = window;",
  "await Bun.sleep(1);",
  'await Bun["sleep"](1);',
  "Bun.sleepSync(1);",
  "const { sleep } = Bun;",
  'import { setTimeout as pause } from "node:timers";',
  'import timers from "node:timers/promises";',
  'import * as all from "timers";',
  'export { setTimeout as again } from "timers/promises";',
  'await import("node:timers/promises");',
  'require("node:timers");',
  'process.getBuiltinModule("node:timers");',
];

const LET_THROUGH = [
  "await Promise.all([a]);",
  "await Promise.allSettled([a]);",
  "const { resolve } = Promise.withResolvers();",
  "car.race();",
  "getPromise().race();",
  "const { race } = human;",
  "const { timeout } = options;",
  "AbortSignal.abort();",
  "const { signal } = new AbortController();",
  's.addEventListener("message", f);',
  's.removeEventListener("abort", f);',
  'redis.once("ready", f);',
  'stream.once("error", () => log("abort"));',
  'scope.cancel("abort");',
  "await sleep(1, signal);",
  "globalThis.structuredClone(a);",
  "const { performance } = globalThis;",
  'const file = Bun.file("a");',
  "clearTimeout(t);",
  'import { EventEmitter } from "node:events";',
  'import { timers } from "./timers.ts";',
  "// await Promise.race([a]);",
  'log("Promise.race and setTimeout in a text");',
];

const FLOORS = ["src", "src/task", "src/broker/redis", "src/handlers", "src/executor", "src/client", "src/http"];
const PLACES = [...FLOORS, "src/config", "src/cli", "examples", "examples/_document"];

const project = mkdtempSync(join(tmpdir(), "taskexe-bare-waits-"));
after(() => rmSync(project, { recursive: true, force: true }));

for (const file of ["biome.json", "scripts/check-bare-waits.grit"]) cpSync(join(ROOT, file), join(project, file));
symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
for (const place of PLACES) write(`${place}/refused.ts`, REFUSED);
write("src/http/let-through.ts", LET_THROUGH);
for (const place of ["src/concurrency", "src/runtime", "scripts", "test"]) write(`${place}/elsewhere.ts`, REFUSED);

const command = [join(ROOT, "node_modules/.bin/biome"), "lint", "--reporter=github", "--max-diagnostics=none", "."];
const { stdout } = spawnSync(command[0] ?? "", command.slice(1), { cwd: project, encoding: "utf8" });

function write(path: string, lines: readonly string[]): void {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), `${lines.join("\n")}\n`);
}

/** The numbers of the lines of a file that the check for bare waits complains about. */
function complaints(path: string): Set<number> {
  const lines = stdout.split("\n").filter((line) => line.includes(`/${path},`));
  const ours = lines.filter((line) => /title=(?:plugin|lint\/style\/noRestricted)/.test(line));
  return new Set(ours.map((line) => Number(/,line=(\d+)/.exec(line)?.[1])));
}

for (const [i, code] of REFUSED.entries()) {
  test(`refused in every part of the program: ${code}`, () => {
    const passes = PLACES.filter((place) => !complaints(`${place}/refused.ts`).has(i + 1));
    assert.deepEqual(passes, []);
  });
}

for (const [i, code] of LET_THROUGH.entries()) {
  test(`let through: ${code}`, () => {
    assert.ok(!complaints("src/http/let-through.ts").has(i + 1), stdout);
  });
}

for (const place of ["src/concurrency", "src/runtime", "scripts", "test"]) {
  test(`the core, the floor below it, and what is not the program may wait as they have to: ${place}`, () => {
    assert.deepEqual([...complaints(`${place}/elsewhere.ts`)], []);
  });
}
