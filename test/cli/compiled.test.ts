/**
 * The executable that `make build` makes: it stands alone, starts fast, and reads nothing of the folder it is in.
 * @alone It measures how long the executable takes to start.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { VERSION } from "../../src/version.ts";
import { BUN, ROOT } from "../stage/command.ts";
import { buildExecutable } from "../stage/executable.ts";
import { until } from "../stage/until.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-compiled-"));
const program = join(folder, "bin/taskexe");
const environment = { PATH: "", HOME: join(folder, "home"), STATE_DIRECTORY: join(folder, "state") };

before(async () => {
  await buildExecutable(program);
});
after(() => rmSync(folder, { recursive: true, force: true }));

function run(...given: string[]) {
  return spawnSync(program, given, { cwd: folder, env: environment, encoding: "utf8", timeout: 30_000 });
}

function milliseconds(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}

/** How long Bun itself takes to start and to do nothing: on a slow machine everything takes that much longer. */
const bareStart = () => milliseconds(() => spawnSync(BUN, ["-e", "0"], { cwd: ROOT, env: environment }));

/**
 * How long the main thread of a process could have run and had no processor, in ms; 0 where the kernel does not tell.
 */
function waitedMs(pid: number | "self"): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

test("the build leaves one file", () => {
  assert.deepEqual(readdirSync(join(folder, "bin")), ["taskexe"]);
});

test("the version is answered in less than 20 ms", () => {
  assert.equal(run("version").stdout, `${VERSION}\n`);
  // The best of many: the machine may be busy, and a slow start is slow every time.
  let best = Number.POSITIVE_INFINITY;
  let bare = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 40 && best >= 20; round++) {
    bare = Math.min(bare, bareStart());
    best = Math.min(
      best,
      milliseconds(() => run("version")),
    );
  }
  const limit = Math.max(20, 2.5 * bare);
  assert.ok(best < limit, `the best of 40 took ${best.toFixed(1)} ms, Bun alone ${bare.toFixed(1)} ms`);
});

test("version --json says that it is compiled", () => {
  const answer = JSON.parse(run("version", "--json").stdout);
  assert.deepEqual([answer.version, answer.compiled], [VERSION, true]);
});

test("a start answers HTTP in less than 150 ms, runs tasks from a handler file, and drains", async () => {
  writeFileSync(
    join(folder, "double.ts"),
    'import { defineTask } from "taskexe";\nimport * as v from "valibot";\nexport default defineTask({ type: ' +
      '"double", payload: v.number(), run: ({ payload }) => payload * 2 });\n',
  );
  const times: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < 3 || (round < 10 && Math.min(...times) >= 150); round++) {
    bare.push(bareStart());
    const waitedBefore = waitedMs("self");
    const startedAt = performance.now();
    const given = ["run", "--listen", "127.0.0.1:0", "--tasks", "double.ts"];
    const child = spawn(program, given, { cwd: folder, env: environment, stdio: ["ignore", "ignore", "pipe"] });
    const exit = once(child, "exit");
    try {
      let log = "";
      child.stderr.setEncoding("utf8");
      for await (const text of child.stderr) {
        log += text;
        if (/HTTP on \S+\s/.test(log)) break;
      }
      const url = /HTTP on (\S+)/.exec(log)?.[1];
      assert.ok(url, log);
      assert.equal((await fetch(`${url}/status`)).status, 200);
      // What others took of the processors is not the time of the start.
      const waited = waitedMs(child.pid ?? 0) + waitedMs("self") - waitedBefore;
      times.push(performance.now() - startedAt - waited);
      await until(async () => (await fetch(`${url}/readyz`)).ok);
      assert.equal(run("enqueue", "double", "21", "--wait").stdout, "42\n");
    } finally {
      // Leaving the loop above closed the log's reader, which must not disturb the executor.
      child.kill("SIGTERM");
    }
    assert.deepEqual(await exit, [0, null]);
  }
  const told = (list: readonly number[]) => list.map((ms) => ms.toFixed(0)).join(", ");
  const limit = Math.max(150, 20 * Math.min(...bare));
  assert.ok(Math.min(...times) < limit, `the first answers took ${told(times)} ms, Bun alone ${told(bare)} ms`);
});

test("a .env and a bunfig.toml of the folder it is started in change nothing", () => {
  writeFileSync(join(folder, ".env"), "TASKEXE_CONCURRENCY=nonsense\n");
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  writeFileSync(join(folder, "evil.ts"), 'console.log("evil");\n');
  const { stdout, status } = run("enqueue", "noop", "--id", "calm");
  assert.deepEqual([stdout, status], ["calm\n", 0]);
});

test("mistakes exit with 2 and without a stack there too", () => {
  const { status, stderr } = run("run", "--concurrency", "0");
  assert.equal(status, 2);
  assert.match(stderr, /flag --concurrency/);
  assert.doesNotMatch(stderr, /^\s+at /m);
});
