/**
 * The two extra pipes of a child, on descriptors 3 and 4: both ways at once, held back when nobody reads, and closed
 * on either side. The children are programs that know nothing of this project.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";
import type { ChildPipes, PipedChildHandle } from "../../src/runtime/runtime.ts";
import { textOf } from "./fixtures/program.ts";

const shell = (script: string): Promise<PipedChildHandle> => runtime.spawn("sh", ["-c", script], { pipes: true });

/** All that comes from the child, until it closes its side. */
function textFrom(pipes: ChildPipes): Promise<string> {
  const parts: Uint8Array[] = [];
  pipes.onData((bytes) => parts.push(bytes));
  return new Promise((resolve) => pipes.onEnd(() => resolve(Buffer.concat(parts).toString())));
}

test("a child reads 3 and writes 4 while its standard output stays its own", { timeout: 20_000 }, async () => {
  const child = await shell("echo mine; cat <&3 >&4");
  const [text, output] = [textFrom(child.pipes), textOf(child.stdout)];
  child.pipes.write("grüße\n");
  child.pipes.write(new Uint8Array([0x31, 0x0a]));
  child.pipes.end();
  assert.deepEqual([await text, await output, await child.exited], ["grüße\n1\n", "mine\n", { code: 0, signal: null }]);
});

test("megabytes come and go at the same time, whole and in order", { timeout: 20_000 }, async () => {
  const child = await shell("cat <&3 >&4");
  const text = textFrom(child.pipes);
  const lines = Array.from({ length: 20_000 }, (_, n) => `${n} ${"é".repeat(n % 100)}\n`);
  for (const line of lines) child.pipes.write(line);
  child.pipes.end();
  assert.equal(await text, lines.join(""));
});

test("what a child does not read waits in the parent, and is counted", { timeout: 20_000 }, async () => {
  const child = await shell("read -r line <&3; echo go >&4; sleep 600");
  const gone = textFrom(child.pipes);
  child.pipes.write("x".repeat(5_000_000));
  assert.ok(child.pipes.bufferedBytes > 3_000_000, `${child.pipes.bufferedBytes} bytes wait`);
  child.killGroup("SIGKILL");
  assert.deepEqual(await child.exited, { code: null, signal: "SIGKILL" });
  await gone;
  // Nobody is there any more: harmless.
  child.pipes.write("late");
  child.pipes.end();
});

test("while its reader pauses, a child's data waits in the child", { timeout: 20_000 }, async () => {
  const child = await shell("head -c 20000000 /dev/zero >&4; echo written");
  let read = 0;
  const ended = new Promise<void>((resolve) => child.pipes.onEnd(resolve));
  const paused = new Promise<void>((resolve) => {
    child.pipes.onData((bytes) => {
      if (read === 0) {
        child.pipes.pause();
        resolve();
      }
      read += bytes.length;
    });
  });
  await paused;
  // A process takes some milliseconds: time enough for a child that is not held back.
  for (let n = 0; n < 5; n++) await (await runtime.spawn("true", [])).exited;
  assert.ok(read < 2_000_000, `${read} bytes were read`);
  child.pipes.resume();
  await ended;
  assert.equal(read, 20_000_000);
  assert.equal(await textOf(child.stdout), "written\n");
});

test("the end on 3 is seen by a child, and its death by the parent", { timeout: 20_000 }, async () => {
  const child = await shell("cat <&3 >/dev/null; exit 7");
  const text = textFrom(child.pipes);
  child.pipes.end();
  assert.deepEqual([await text, await child.exited], ["", { code: 7, signal: null }]);
  const killed = await shell("echo half >&4; kill -9 $$");
  assert.equal(await textFrom(killed.pipes), "half\n");
});

test("a child that was started without them has none", { timeout: 20_000 }, async () => {
  const child = await runtime.spawn("sh", ["-c", "test ! -e /proc/self/fd/3"]);
  assert.equal("pipes" in child, false);
  await child.exited;
});
