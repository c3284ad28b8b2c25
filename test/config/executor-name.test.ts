import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, test } from "node:test";
import { ConfigError } from "../../src/config/config-error.ts";
import { takeExecutorName } from "../../src/config/executor-name.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-name-"));
const living = new Set<ChildProcess>();
let folders = 0;

afterEach(async () => {
  for (const child of living) await kill(child);
});
after(() => rmSync(folder, { recursive: true, force: true }));

function stateDirectory(): string {
  return join(folder, String(folders++));
}

async function hold(state: string): Promise<{ child: ChildProcess; name: string; slot: number }> {
  const script = join(import.meta.dirname, "fixtures/hold-name.ts");
  const child = spawn(process.execPath, [script, state], { stdio: ["ignore", "pipe", "inherit"] });
  living.add(child);
  const lines = createInterface({ input: child.stdout });
  const [name] = await once(lines, "line", { signal: AbortSignal.timeout(60_000) });
  return { child, name, slot: Number(/_(\d+)$/.exec(name)?.[1]) };
}

async function kill(child: ChildProcess): Promise<void> {
  living.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

test("the name tells the type, the host and the slot", () => {
  const held = takeExecutorName(stateDirectory());
  const host = hostname().replace(/[^\w.-]/g, "-");
  assert.match(held.name, new RegExp(`^task_executor_common_${host}-[0-9a-f]{8}_0$`));
  held.release();
});

test("two holders in one process get different names, and a released one is given again", () => {
  const state = stateDirectory();
  const [first, second] = [takeExecutorName(state), takeExecutorName(state)];
  assert.deepEqual([first.slot, second.slot], [0, 1]);
  first.release();
  const third = takeExecutorName(state);
  assert.equal(third.name, first.name);
  second.release();
  third.release();
});

test("processes that start together all get names of their own", async () => {
  const start = async () => {
    const state = stateDirectory();
    const held = await Promise.all([0, 1, 2, 3].map(() => hold(state)));
    assert.equal(new Set(held.map(({ name }) => name)).size, 4);
    return held.map(({ slot }) => slot).sort();
  };
  let slots = await start();
  // SQLite may refuse a slot to two that try it at the very same moment: then it stays free, now and then.
  for (let tries = 1; tries < 3 && slots.at(-1) !== 3; tries += 1) slots = await start();
  assert.deepEqual(slots, [0, 1, 2, 3]);
});

test("kill -9 frees the name, and the next start gets it back", async () => {
  const state = stateDirectory();
  const first = await hold(state);
  const second = await hold(state);
  assert.deepEqual([first.slot, second.slot], [0, 1]);
  await kill(first.child);
  const third = await hold(state);
  assert.equal(third.name, first.name);
});

test("two state directories of one machine never give the same name", () => {
  const [first, second] = [takeExecutorName(stateDirectory()), takeExecutorName(stateDirectory())];
  assert.notEqual(first.name, second.name);
  first.release();
  second.release();
});

test("a directory that cannot be written says what to do", () => {
  const state = stateDirectory();
  writeFileSync(state, "a file where the folder should be");
  chmodSync(state, 0o400);
  assert.throws(
    () => takeExecutorName(state),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /STATE_DIRECTORY/);
      assert.match(error.message, /--name/);
      return true;
    },
  );
});
