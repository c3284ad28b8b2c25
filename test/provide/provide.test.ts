/** The program, started on each runtime and as an executable, loads handlers from a folder without node_modules. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const project = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(project, "node_modules/.bin", name);
const main = join(project, "test/handlers/fixtures/load-main.ts");

const PROBE = `import { createRequire } from "node:module";
import { CapacityLimiter, defineTask, sleep } from "taskexe";
import { withNursery } from "taskexe/concurrency";
import { MockClock } from "taskexe/testing";
import * as v from "valibot";
import { helper } from "./_helper.ts";

export default defineTask({
  type: "probe",
  payload: v.object({ n: v.number() }),
  async run({ payload }) {
    const own = payload as unknown as { taskexe: any; v: any; MockClock: unknown };
    const lazy = await import("taskexe");
    return {
      helper: helper(1),
      json: createRequire(import.meta.url)("./_data.json").answer,
      defineTask: own.taskexe.defineTask === defineTask && lazy.defineTask === defineTask,
      root: own.taskexe.CapacityLimiter === CapacityLimiter && own.taskexe.sleep === sleep,
      concurrency: own.taskexe.withNursery === withNursery,
      testing: own.MockClock === MockClock,
      valibot: own.v.object === v.object,
    };
  },
});
`;

/** Other processes start, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const SHARED = { helper: 2, json: 42, defineTask: true, root: true, concurrency: true, testing: true, valibot: true };

let root = "";
let tasks = "";

async function load(command: string, args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await run(command, [...args, tasks], { cwd: root });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

before(async () => {
  root = await mkdtemp(join(tmpdir(), "taskexe-provide-"));
  tasks = join(root, "my tasks");
  // A package of the same name beside the handlers must not win.
  const other = join(tasks, "node_modules/taskexe");
  await mkdir(other, { recursive: true });
  await writeFile(join(other, "package.json"), JSON.stringify({ name: "taskexe", type: "module", main: "index.js" }));
  await writeFile(join(other, "index.js"), "throw new Error('the wrong taskexe');");
  await writeFile(join(tasks, "probe.ts"), PROBE);
  await writeFile(join(tasks, "_data.json"), '{ "answer": 42 }');
  await writeFile(join(tasks, "_helper.ts"), "export const helper = (n: number): number => n + 1;\n");
});
after(() => rm(root, { recursive: true, force: true }));

describe("handlers in a folder without node_modules share the program's own modules", () => {
  const expected = { types: ["echo", "fail", "noop", "probe", "sleep"], shared: SHARED };

  test("on Bun", SLOW, async () => {
    assert.deepEqual(await load(bin("bun"), [main]), expected);
  });

  test("on Node", SLOW, async () => {
    assert.deepEqual(await load(bin("node"), [main]), expected);
  });

  test("on a Node without synchronous hooks", SLOW, async () => {
    const older = `import { createRequire } from "node:module"; delete createRequire("/")("node:module").registerHooks;
      import { syncBuiltinESMExports } from "node:module"; syncBuiltinESMExports();`;
    const args = ["--import", `data:text/javascript,${encodeURIComponent(older)}`, main];
    assert.deepEqual(await load(bin("node"), args), expected);
  });

  test("on Deno", SLOW, async () => {
    assert.deepEqual(await load(bin("deno"), ["run", "-A", main]), expected);
  });

  test("in a compiled executable, far from any source", SLOW, async () => {
    const exe = join(root, "program");
    const flags =
      "build --compile --splitting --format=esm --bytecode --minify-syntax --minify-whitespace --target=bun";
    await run(bin("bun"), [...flags.split(" "), main, "--outfile", exe], { cwd: project });
    assert.deepEqual(await load(exe, []), expected);
  });
});
