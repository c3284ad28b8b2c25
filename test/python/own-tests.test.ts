/** The tests that the Python worker has in its own language. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { WORKER_FOLDER } from "./worker.ts";

test("the worker's own tests pass, with the standard library alone", { timeout: 60_000 }, () => {
  const ran = spawnSync("python3", ["-W", "error", "-m", "unittest", "-v"], {
    cwd: WORKER_FOLDER,
    encoding: "utf8",
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  assert.equal(ran.status, 0, ran.stderr);
  assert.ok(Number(/^Ran (\d+) tests/m.exec(ran.stderr)?.[1]) >= 18, ran.stderr);
  assert.doesNotMatch(ran.stderr, /skipped/);
});
