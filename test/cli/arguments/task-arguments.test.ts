/** The flags of an enqueue that say when: read strictly, and refused with the flag and with what is allowed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { enqueueOptionsOf } from "../../../src/cli/arguments/task-arguments.ts";
import { CommandFailure } from "../../../src/cli/process/exit.ts";
import { BUN, ROOT } from "../../stage/command.ts";

function refusal(flags: Record<string, string>): string {
  try {
    enqueueOptionsOf(flags);
  } catch (error) {
    assert.ok(error instanceof CommandFailure && error.exitCode === 2, String(error));
    return error.message;
  }
  throw new Error(`${JSON.stringify(flags)} was not refused`);
}

test("a time is text with a zone, or Unix ms", () => {
  const at = Date.parse("2026-01-31T12:00:00Z");
  for (const given of ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", String(at), ` ${at} `]) {
    assert.equal(enqueueOptionsOf({ at: given }).at, at, given);
    assert.equal(enqueueOptionsOf({ deadline: given }).deadlineAt, at, given);
  }
});

test("a plain number is a deadline in seconds from now, unless it has nine digits or more: then it is a time", () => {
  const { deadlineMs, deadlineAt } = enqueueOptionsOf({ deadline: "90" });
  assert.deepEqual([deadlineMs, deadlineAt], [90_000, undefined]);
  assert.equal(enqueueOptionsOf({ deadline: "1.5h" }).deadlineMs, 5_400_000);
  assert.match(
    refusal({ deadline: "1769860800" }),
    /^flag --deadline: expected a time from 2000-01-01 .*ms are expected, not seconds/,
  );
});

test("other times are refused with the flag, what is allowed and what was given", () => {
  assert.match(
    refusal({ at: "2026-02-31T10:00:00Z" }),
    /^flag --at: expected a day that there is: 2026-02-31 is none, got "2026-02-31T10:00:00Z"/,
  );
  for (const at of ["1", "0", "-5", "1e3", "9999999999999999"])
    assert.match(refusal({ at }), /^flag --at: expected/, at);
  assert.match(refusal({ at: "1" }), /from 2000-01-01 to 2100-01-01, 1 is 1970-01-01T00:00:00.001Z, got "1"/);
  assert.match(
    refusal({ at: "2101-01-01T00:00:00Z" }),
    /^flag --at: expected a time from 2000-01-01 to 2100-01-01, got/,
  );
  assert.match(
    refusal({ deadline: "soon" }),
    /^flag --deadline: expected a time like .*, or a duration from now, got "soon"/,
  );
});

test("a duration that is none, or too long, is refused with the flag", () => {
  for (const [name, flag] of [
    ["delay", "--delay"],
    ["timeout", "--timeout"],
    ["retention", "--retention"],
  ] as const) {
    for (const given of ["", "-1s", "5 minutes", "NaN", "Infinity", "1e9", "0x10", "99999999d", "9".repeat(400)]) {
      const expected = new RegExp(`^flag ${flag}: expected a duration up to 36525d \\(500ms, 30s`);
      assert.match(refusal({ [name]: given }), expected, `${flag} ${given}`);
    }
  }
  const hold = /^flag --unique-for: expected a duration from 1ms to 36525d/;
  for (const given of ["0", "0.4ms", "-1s", "99999999d"])
    assert.match(refusal({ unique: "k", uniqueFor: given }), hold);
  for (const given of ["fixed:99999999d", "exponential:1s:99999999d", "exponential:1s:", "fixed:1s:2s", "fixed"]) {
    assert.match(refusal({ backoff: given }), /^flag --backoff: expected fixed:DELAY, .* up to 36525d, got/, given);
  }
  assert.match(refusal({ deadline: "99999999d" }), /^flag --deadline: expected a duration up to 36525d/);
});

test(
  "a payload in an argument that is no UTF-8 is refused; a replacement character that was " + "typed is not",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "taskexe-arguments-"));
    try {
      const enqueue = (payload: string) =>
        spawnSync("sh", ["-c", `exec "$0" "$1" enqueue idle ${payload} --queue q`, BUN, join(ROOT, "src/main.ts")], {
          env: { PATH: process.env.PATH, HOME: folder, STATE_DIRECTORY: folder },
          encoding: "utf8",
        });
      const broken = enqueue('"$(printf \'"\\377"\')"');
      assert.deepEqual([broken.status, broken.stderr], [2, "taskexe: the payload: it is not UTF-8\n"]);
      const typed = enqueue("'\"\ufffd\"'");
      assert.equal(typed.status, 0, typed.stderr);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
