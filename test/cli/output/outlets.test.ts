/** Nothing that is printed is cut or lost: readers that are slow or gone, disks that are full. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { VERSION } from "../../../src/version.ts";
import { BUN, type Finished, ROOT } from "../../stage/command.ts";
import { Stage } from "../../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());

const MAIN = join(ROOT, "src/main.ts");
const PROGRAMS: Readonly<Record<string, string>> = {
  Bun: `${BUN} ${MAIN}`,
  Deno: `${join(ROOT, "node_modules/.bin/deno")} run -A --no-check ${MAIN}`,
  "Node.js": `${join(ROOT, "node_modules/.bin/node")} --no-warnings ${MAIN}`,
};
/** More than a pipe takes at once. */
const LARGE = 400_000;

before(async () => {
  writeFileSync(join(stage.folder, "large.json"), JSON.stringify("x".repeat(LARGE)));
  await stage.run(["enqueue", "idle", "@large.json", "--id", "large", "--queue", "still"]);
});

/** Runs a line of shell in which `$T` is the program. */
async function shell(line: string, program: string = PROGRAMS.Bun ?? ""): Promise<Finished> {
  const { PATH = "" } = process.env;
  const child = spawn("bash", ["-c", line.replaceAll("$T", program)], {
    cwd: stage.folder,
    env: { PATH, HOME: stage.folder, STATE_DIRECTORY: join(stage.folder, "state") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  }
  const [code] = await once(child, "close");
  return { ...written, code, signal: null };
}

for (const [name, program] of Object.entries(PROGRAMS)) {
  test(`a reader that is slow gets all of it, on ${name}`, async () => {
    const { stdout } = await shell("$T task large --json | (sleep 1; cat)", program);
    assert.equal(JSON.parse(JSON.parse(stdout).message).payload.length, LARGE);
  });

  test(`a slow reader of standard error gets all of an error, on ${name}`, async () => {
    const wrong = "y".repeat(100_000);
    const { stdout } = await shell(`$T list --state ${wrong} 2>&1 >&- | (sleep 1; cat)`, program);
    assert.ok(stdout.includes(`got "${wrong}"\n`), `${stdout.length} characters came`);
  });

  test(`a full disk is a failure with its reason, on ${name}`, async () => {
    for (const command of ["task large", "--version", "list --json"]) {
      const { code, stderr } = await shell(`$T ${command} > /dev/full`, program);
      assert.equal(stderr, "taskexe: standard output cannot be written: no space left on the device (ENOSPC)\n");
      assert.equal(code, 1, command);
    }
  });

  test(`a file of which the disk takes a part is a failure, on ${name}`, async () => {
    // No file of the program may be longer than 300 KiB.
    const { code, stderr } = await shell("(trap '' XFSZ; ulimit -f 300; exec $T task large --json > part)", program);
    assert.match(stderr, /^taskexe: standard output cannot be written: .*\(EFBIG\)\n$/);
    assert.equal(code, 1);
  });
}

test("a full disk fails every command that prints", async () => {
  const commands = [
    ...["--help", "run --help", "help enqueue", "version", "version --json", "status --listen off", "top --once"],
    ...["cron list", "pause", "list", "cancel nobody", "enqueue --jsonl /dev/null", "purge --state done"],
  ];
  for (const command of commands) {
    const { code, stderr } = await shell(`$T ${command} > /dev/full`);
    assert.match(
      stderr,
      /^taskexe: standard output cannot be written: no space left on the device \(ENOSPC\)/m,
      command,
    );
    assert.equal(code, 1, command);
  }
});

test("where the id of a new task cannot be printed, that it is enqueued is told", async () => {
  const { code, stderr } = await shell("$T enqueue idle --id unseen --queue still > /dev/full");
  assert.match(stderr, /ENOSPC\); the task unseen is enqueued\n$/);
  assert.equal(code, 1);
  assert.equal((await stage.run(["task", "unseen"])).code, 0);
});

test("a watch whose output cannot be written ends with 1 before the task does", async () => {
  const { code, stderr } = await shell("$T watch large > /dev/full");
  assert.match(stderr, /ENOSPC/);
  assert.equal(code, 1);
});

test("a reader that is gone is no failure", async () => {
  const { stdout, stderr } = await shell('$T task large --json | head -c 1; echo " $' + '{PIPESTATUS[0]}"');
  assert.deepEqual([stdout, stderr], ["{ 0\n", ""]);
});

test("an output that is closed changes nothing", async () => {
  assert.equal((await shell("$T list >&-")).code, 0);
  assert.deepEqual(await shell("$T version 2>&-"), { stdout: `${VERSION}\n`, stderr: "", code: 0, signal: null });
});

test("an executor whose log is on a full disk runs its tasks and drains", async () => {
  const { stdout, code } = await shell(
    `$T run --listen off --queues full 2> /dev/full & executor=$!
     $T enqueue echo '"done"' --queue full --wait; kill $executor; wait $executor`,
  );
  assert.deepEqual([stdout, code], ['"done"\n', 0]);
});

test("log lines that nobody reads are dropped past a bound", async () => {
  const child = spawn(BUN, [join(ROOT, "test/cli/fixtures/log-much.ts")], { stdio: ["ignore", "pipe", "pipe"] });
  let waiting = "";
  child.stdout.on("data", (text) => {
    waiting += text;
  });
  child.stderr.pause();
  await once(child, "exit");
  child.stderr.destroy();
  assert.ok(Number(waiting) > 0 && Number(waiting) < 1.1 * 1024 * 1024, `${waiting} bytes wait`);
});

/** The one door to the outputs; and the last words of a runner, whose standard error its executor reads. */
const WRITERS = ["cli/output/outlets.ts", "runner/last-words.ts"];

test("no other file writes to the outputs", () => {
  const writers = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !WRITERS.includes(path))
    .filter((path) =>
      /process\s*\.\s*std(out|err)|\bconsole\s*\.|writeSync\([12]\b|Bun\.(std(out|err)|write)\b/.test(codeOf(path)),
    );
  assert.deepEqual(writers, []);
});

/** Without the examples in its comments. */
function codeOf(path: string): string {
  return readFileSync(join(ROOT, "src", path), "utf8").replaceAll(/^\s*(\/\*)?\*.*$/gm, "");
}
