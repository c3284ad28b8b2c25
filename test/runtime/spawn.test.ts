/**
 * Child processes: what goes in, what comes out, how the whole group is ended, and what cannot be started.
 * The children are the usual tools of a Unix system.
 */

import assert from "node:assert/strict";
import { chmod, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";
import { withFolder } from "./fixtures/folder.ts";
import { textOf, withCommand } from "./fixtures/program.ts";

const linuxOnly = { skip: process.platform !== "linux" };

test("a child's output, errors and exit code are told", async () => {
  const child = await runtime.spawn("sh", ["-c", "echo out; echo err >&2; exit 3"]);
  const [out, err, exit] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.exited]);
  assert.deepEqual([out, err, exit], ["out\n", "err\n", { code: 3, signal: null }]);
});

test("arguments reach the child as they are: no shell stands between", async () => {
  const child = await runtime.spawn("printf", ["%s|", "$HOME", "*", "a b", "", "; exit"]);
  assert.equal(await textOf(child.stdout), "$HOME|*|a b||; exit|");
});

test("a child reads its standard input, then its end; without any, the end at once", async () => {
  const text = await runtime.spawn("cat", [], { stdin: "grüße\n" });
  assert.equal(await textOf(text.stdout), "grüße\n");
  const bytes = await runtime.spawn("wc", ["-c"], { stdin: new Uint8Array(3_000_000) });
  assert.equal((await textOf(bytes.stdout)).trim(), "3000000");
  const none = await runtime.spawn("cat", []);
  assert.equal(await textOf(none.stdout), "");
});

test("a child that does not read its input harms nobody", async () => {
  const child = await runtime.spawn("true", [], { stdin: "x".repeat(3_000_000) });
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});

test("a child inherits the environment, or gets exactly the one given", async () => {
  const inherits = await runtime.spawn("sh", ["-c", 'printf %s "$PATH"']);
  assert.equal(await textOf(inherits.stdout), process.env.PATH);
  const given = await runtime.spawn("/usr/bin/env", [], { env: { A: "1", B: "two words" } });
  assert.equal(await textOf(given.stdout), "A=1\nB=two words\n");
});

test("a child runs in the folder it is given", async () => {
  await withFolder(async (folder) => {
    const child = await runtime.spawn("pwd", ["-P"], { cwd: folder });
    assert.equal((await textOf(child.stdout)).trim(), await realpath(folder));
  });
});

test("a child leads its own process group", async () => {
  const child = await runtime.spawn("sh", ["-c", "ps -o pgid= -p $$"]);
  assert.equal((await textOf(child.stdout)).trim(), String(child.pid));
});

test("killGroup reaches what the child started, even when the child itself has ended", async () => {
  const child = await runtime.spawn("sh", ["-c", "sleep 600 & echo $!; exit 7"]);
  // It has ended, yet its output stays open: the sleep holds it.
  assert.deepEqual(await child.exited, { code: 7, signal: null });
  assert.equal(child.killGroup("SIGKILL"), true);
  const sleeper = Number(await textOf(child.stdout));
  // Its output ends a moment before the kernel counts it as dead.
  await until(() => isDead(sleeper));
});

test("killGroup is false once nothing is left of the group", async () => {
  const child = await runtime.spawn("true", []);
  await child.exited;
  assert.equal(child.killGroup("SIGTERM"), false);
  assert.equal(child.killGroup("SIGKILL"), false);
});

test("a child that ignores SIGTERM ends by SIGKILL, and its output ends without an error", async () => {
  await withCommand(
    "sh",
    ["-c", 'trap "echo ignored" TERM; echo ready; while :; do sleep 0.01; done'],
    {},
    async (program) => {
      assert.equal(await program.line(), "ready");
      assert.equal(program.child.killGroup("SIGTERM"), true);
      assert.equal(await program.line(), "ignored");
      assert.equal(program.child.killGroup("SIGKILL"), true);
      assert.deepEqual(await program.child.exited, { code: null, signal: "SIGKILL" });
      assert.equal(await program.line(), undefined);
    },
  );
});

test("a child that is stopped goes on when told to", async () => {
  await withCommand("sh", ["-c", "echo $$; kill -STOP $$; echo resumed"], {}, async ({ child, line }) => {
    const pid = Number(await line());
    await until(async () => (await stateOf(pid)) === "T");
    child.killGroup("SIGCONT");
    assert.equal(await line(), "resumed");
  });
});

test("output that nobody reads waits in the child and not in our memory", linuxOnly, async () => {
  const child = await runtime.spawn("head", ["-c", "200000000", "/dev/zero"]);
  let before = -1;
  let written = await writtenBy(child.pid);
  while (written !== before) {
    before = written;
    // A process of its own takes some milliseconds: time enough for a child that is not held back.
    await stateOf(child.pid);
    written = await writtenBy(child.pid);
  }
  assert.ok(written < 10_000_000, `${written} bytes were taken from it`);
  let read = 0;
  for await (const chunk of child.stdout) read += chunk.length;
  assert.equal(read, 200_000_000);
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});

test("a child whose output is cancelled finds its pipe closed", async () => {
  const child = await runtime.spawn("sh", ["-c", 'trap "" PIPE; while echo x; do :; done; exit 9']);
  await child.stdout.cancel();
  assert.deepEqual(await child.exited, { code: 9, signal: null });
});

test("what cannot be started is named, with the reason", async () => {
  await withFolder(async (folder) => {
    const plain = join(folder, "plain");
    await writeFile(plain, "text");
    await chmod(plain, 0o600);
    const refused = (command: string, message: RegExp, cwd?: string) =>
      assert.rejects(runtime.spawn(command, [], cwd === undefined ? {} : { cwd }), message);
    await refused("no-such-command", /The command "no-such-command" cannot be started: it is not in PATH/);
    await refused(join(folder, "none"), /The command ".*none" cannot be started: there is no such file/);
    await refused(plain, /The command ".*plain" cannot be started: it may not be executed/);
    await refused(
      "true",
      /The command "true" cannot be started: its working folder .*gone is not there/,
      join(folder, "gone"),
    );
    await refused("", /The command "" cannot be started/);
    await assert.rejects(runtime.spawn("echo", ["x".repeat(300_000)]), /The command "echo" .* too long/);
  });
});

/** How many bytes a process has written, of which at most a pipe's worth (64 KiB) is still on its way. */
async function writtenBy(pid: number): Promise<number> {
  return Number(/^wchar: (\d+)$/m.exec(await readFile(`/proc/${pid}/io`, "utf8"))?.[1]);
}

/** The state letter that Linux gives a process: R runs, S sleeps, T is stopped, Z is dead but not yet buried. */
async function stateOf(pid: number): Promise<string> {
  const ps = await runtime.spawn("ps", ["-o", "state=", "-p", String(pid)]);
  return (await textOf(ps.stdout)).trim();
}

async function isDead(pid: number): Promise<boolean> {
  return ["", "Z"].includes(await stateOf(pid));
}

/** Asks again until it holds; each question is a process of its own, so this does not spin. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds()));
}
