/**
 * Signals and uncaught errors, with real signals sent to real programs: what ends a process cannot be tried here.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { withFolder } from "./fixtures/folder.ts";
import { textOf, withProgram } from "./fixtures/program.ts";

test("a handler gets each signal, each time, and the process lives on", async () => {
  await withProgram("signals.ts", [], async ({ child, line }) => {
    assert.equal(await line(), "ready");
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGINT", "SIGHUP", "SIGUSR1"] as const) {
      process.kill(child.pid, signal);
      assert.equal(await line(), signal);
    }
  });
});

test("SIGUSR1 with a handler opens no inspector", async () => {
  await withProgram("signals.ts", [], async ({ child, line }) => {
    assert.equal(await line(), "ready");
    process.kill(child.pid, "SIGUSR1");
    assert.equal(await line(), "SIGUSR1");
    child.killGroup("SIGKILL");
    assert.doesNotMatch(await textOf(child.stderr), /debugger|inspector/i);
  });
});

test("a handler that is undone gives the signal its default back", async () => {
  await withProgram("signals.ts", [], async ({ child, line }) => {
    assert.equal(await line(), "ready");
    process.kill(child.pid, "SIGTERM");
    assert.equal(await line(), "SIGTERM");
    process.kill(child.pid, "SIGTERM");
    assert.deepEqual(await child.exited, { code: null, signal: "SIGTERM" });
  });
});

test("a signal that comes while the thread is busy is handled afterwards", async () => {
  await withFolder(async (folder) => {
    const go = join(folder, "go");
    await withProgram("busy.ts", [go], async ({ child, line }) => {
      assert.equal(await line(), "ready");
      process.kill(child.pid, "SIGUSR1");
      await writeFile(go, "");
      assert.equal(await line(), "SIGUSR1");
      assert.deepEqual(await child.exited, { code: 0, signal: null });
    });
  });
});

test("onFatal gets every uncaught error once, and none after it is undone", async () => {
  await withProgram("fatal.ts", [], async ({ child, line }) => {
    assert.equal(await line(), "thrown in a timer");
    assert.equal(await line(), "thrown in a microtask");
    assert.equal(await line(), "rejected");
    assert.equal(await line(), "not an error: a string");
    assert.equal(await line(), "undone");
    const { code } = await child.exited;
    assert.equal(code, 1);
    assert.match(await textOf(child.stderr), /thrown for good/);
    assert.equal(await line(), undefined);
  });
});
