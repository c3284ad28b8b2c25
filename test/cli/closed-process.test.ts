/**
 * An executor is closed to the other processes of its own user: neither its environment nor its memory can be read. It
 * does all its work nevertheless. Root is no border: where the tests are root's, another user's processes are looked
 * at.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildExecutable } from "../stage/executable.ts";
import { ON_BUN, ON_DENO, type Program } from "../stage/programs.ts";
import { SLOW } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const SOMEBODY = 54_331;
const AS = process.getuid?.() === 0 ? { uid: SOMEBODY, gid: SOMEBODY } : {};

const PROGRAMS: Readonly<Record<string, (folder: string) => Promise<Program>>> = {
  "the executable": async (folder) => [await buildExecutable(join(folder, "bin/taskexe"))],
  Bun: async () => ON_BUN,
  Deno: async () => ON_DENO,
};

for (const [name, program] of Object.entries(PROGRAMS)) {
  test(`an executor is closed to its own user, and works: ${name}`, { ...SLOW, skip: isNotLinux() }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "taskexe-closed-"));
    const state = mkdtempSync(join(tmpdir(), "taskexe-closed-state-"));
    chmodSync(folder, 0o755);
    if (AS.uid !== undefined) chownSync(state, AS.uid, AS.gid);
    let executor: ChildProcess | null = null;
    try {
      const [command, ...args] = await program(folder);
      const { PATH = "" } = process.env;
      const env = {
        PATH,
        HOME: state,
        DENO_DIR: state,
        STATE_DIRECTORY: state,
        TASKEXE_TOKEN: "a-secret-of-ours-0123456789",
      };
      executor = spawn(command, [...args, "run", "--listen", "off"], { ...AS, cwd: state, env });
      const { pid = 0 } = executor;
      let said = "";
      executor.stderr?.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      await until("it has begun", 30_000, () => said.includes("INF taskexe "));

      for (const file of ["environ", "mem", "maps"]) {
        assert.match(await saidBy("head", ["-c", "10", `/proc/${pid}/${file}`]), /^head: .* Permission denied\n$/);
      }
      assert.match(await saidBy("ls", [`/proc/${pid}/fd`]), /^ls: .* Permission denied\n$/);

      process.kill(pid, "SIGUSR1");
      await until("the snapshot is told", 60_000, () => /heap snapshot in (\S+); max RSS \d+/.test(said));
      const [snapshot = ""] = readdirSync(join(state, "logs"));
      assert.ok(statSync(join(state, "logs", snapshot)).size > 100_000);
      process.kill(pid, "SIGUSR2");
      await until("the report is told", 60_000, () => said.includes("allocation tracking stopped: current "));
      const ended = once(executor, "exit");
      process.kill(pid, "SIGTERM");
      assert.deepEqual(await ended, [0, null], said);
    } finally {
      executor?.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
      rmSync(state, { recursive: true, force: true });
    }
  });
}

/** All that a command of the same user says. */
async function saidBy(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, AS);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  await once(child, "close");
  return said;
}

function isNotLinux(): boolean {
  return process.platform !== "linux";
}
