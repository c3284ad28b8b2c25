/** What SIGUSR1 does beyond the first snapshot; the signals of a whole life are in run.test.ts. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Stage } from "../../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());

/** How many seconds from now the test may take. */
const SECONDS = 120;

test("a second SIGUSR1 within the same second says that a snapshot was just taken, and fails nothing", async () => {
  const executor = await stage.executor({ env: { TZ: "UTC" } });
  const folder = join(stage.folder, "logs");
  mkdirSync(folder);
  // Whichever second the signal falls into has one already.
  for (let second = 0; second < SECONDS; second++) {
    writeFileSync(join(folder, nameOf(executor.pid, new Date(Date.now() + 1_000 * second))), "the first");
  }
  executor.kill("SIGUSR1");
  const [, name = ""] = await executor.says(
    /a heap snapshot was just taken, in logs\/(\d+_snapshot_\d{8}_\d{6}\.heapsnapshot); max RSS [\d.]+ MB/,
  );
  assert.equal(statSync(join(folder, name)).size, "the first".length);
  assert.equal(readdirSync(folder).length, SECONDS);
  executor.kill("SIGTERM");
  const { code, stderr } = await executor.ended;
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /ERR|failed|new file name/);
});

function nameOf(pid: number | undefined, at: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getUTCFullYear()}${two(at.getUTCMonth() + 1)}${two(at.getUTCDate())}`;
  const time = two(at.getUTCHours()) + two(at.getUTCMinutes()) + two(at.getUTCSeconds());
  return `${pid}_snapshot_${day}_${time}.heapsnapshot`;
}
