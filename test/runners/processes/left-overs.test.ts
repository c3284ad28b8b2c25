/** What an attempt leaves in a runner that runs one at a time is seen at the price of a read, and killed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LeftOvers } from "../../../src/runners/processes/left-overs.ts";
import { childrenOf, factsOf } from "../../../src/runners/processes/proc.ts";
import { BUN } from "../../stage/command.ts";
import { SLOW } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const SUPERVISOR = fileURLToPath(new URL("fixtures/supervisor.ts", import.meta.url));
const OPTIONS = { ...SLOW, skip: process.platform !== "linux" };

interface Runner {
  readonly pid: number;
  readonly leftOvers: LeftOvers;
  /** Has its shell run this, as an attempt does. */
  attempt(script: string): Promise<void>;
}

/** A shell that runs lines of its descriptor 3, bound to this process as the executable binds a worker. */
async function withRunner(use: (runner: Runner) => Promise<void>): Promise<void> {
  const loop = 'while read -r line <&3; do eval "$line"; echo ok >&4; done';
  const args = [SUPERVISOR, "exec-bound-to-parent", String(process.pid), "3,4", "", "sh", "-c", loop];
  const child = spawn(BUN, args, { stdio: ["ignore", "inherit", "inherit", "pipe", "pipe"], detached: true });
  const [to, from] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const { pid = 0 } = child;
  const leftOvers = new LeftOvers(pid);
  try {
    await use({
      pid,
      leftOvers,
      async attempt(script) {
        leftOvers.attemptBegins();
        to.write(`${script}\n`);
        await once(from, "data");
      },
    });
  } finally {
    leftOvers.close();
    const ended = once(child, "exit");
    process.kill(-pid, "SIGKILL");
    await ended;
  }
}

/** Its children, but for those that are dead and not buried. */
function aliveIn(pid: number): number[] {
  return childrenOf(pid).filter((child) => factsOf(child)?.state !== "Z");
}

async function removed(leftOvers: LeftOvers): Promise<void> {
  await until("nothing is left", 5_000, () => leftOvers.remove() === "done");
}

test("an attempt that leaves nothing is told so, and the runner's own children stay", OPTIONS, async () => {
  await withRunner(async ({ pid, leftOvers, attempt }) => {
    await attempt("sleep 600 &");
    leftOvers.begin();
    const own = childrenOf(pid);
    assert.equal(own.length, 1);
    await attempt("true");
    assert.equal(leftOvers.attemptEnded(), false);
    await attempt("/bin/true");
    assert.equal(leftOvers.attemptEnded(), false);
    assert.deepEqual(childrenOf(pid), own);
  });
});

test("a child that stays is seen and killed, with all below it", OPTIONS, async () => {
  await withRunner(async ({ pid, leftOvers, attempt }) => {
    await attempt("true");
    leftOvers.begin();
    await attempt("sh -c 'trap \"\" TERM; sleep 600 & sleep 600' &");
    assert.equal(leftOvers.attemptEnded(), true);
    await removed(leftOvers);
    assert.deepEqual(aliveIn(pid), []);
    await attempt("true");
    assert.equal(leftOvers.remove(), "done");
  });
});

test("two forks, a session of its own and an empty environment do not help", OPTIONS, async () => {
  await withRunner(async ({ pid, leftOvers, attempt }) => {
    await attempt("true");
    leftOvers.begin();
    await attempt("(setsid -f env -i /bin/sleep 600 >/dev/null 2>&1 &)");
    await until(() => leftOvers.attemptEnded());
    await removed(leftOvers);
    assert.deepEqual(aliveIn(pid), []);
  });
});

test("between attempts it is looked for, too", OPTIONS, async () => {
  await withRunner(async ({ pid, leftOvers, attempt }) => {
    await attempt("true");
    leftOvers.begin();
    await attempt("(sleep 600; sleep 600) &");
    leftOvers.attemptEnded();
    assert.ok(aliveIn(pid).length > 0);
    await until(() => {
      leftOvers.lookWhileIdle();
      return aliveIn(pid).length === 0;
    });
  });
});

test("a runner that does not bury its dead is to be replaced", OPTIONS, async () => {
  await withRunner(async ({ pid, leftOvers, attempt }) => {
    await attempt("true");
    leftOvers.begin();
    // The shell waits for none of them while it reads.
    await attempt("(i=0; while [ $i -lt 110 ]; do setsid -f /bin/true; i=$((i+1)); done) &");
    await until(() => childrenOf(pid).length > 105);
    assert.equal(leftOvers.attemptEnded(), true);
    await until(() => leftOvers.remove() === "replace");
  });
});

test("the look for left-overs costs an attempt next to nothing", OPTIONS, async () => {
  await withRunner(async ({ leftOvers, attempt }) => {
    await attempt("true");
    leftOvers.begin();
    const count = 20_000;
    const begun = performance.now();
    for (let i = 0; i < count; i++) {
      leftOvers.attemptBegins();
      leftOvers.attemptEnded();
    }
    const microseconds = ((performance.now() - begun) / count) * 1_000;
    // 6 000 attempts a second have 166 us each; measured on two busy cores: 3.
    assert.ok(microseconds < 40, `${microseconds} us`);
  });
});
