/** The flags of an enqueue that say when: read strictly, and refused with the flag and with what is allowed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandFailure } from "../../src/cli/exit.ts";
import { enqueueOptionsOf } from "../../src/cli/task-arguments.ts";

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
    /^flag --deadline: expected from 2000-01-01 .*ms are expected, not seconds/,
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
  assert.match(refusal({ at: "2101-01-01T00:00:00Z" }), /^flag --at: expected from 2000-01-01 to 2100-01-01, got/);
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
    ["uniqueFor", "--unique-for"],
  ] as const) {
    for (const given of ["", "-1s", "5 minutes", "NaN", "Infinity", "1e9", "0x10", "99999999d", "9".repeat(400)]) {
      const expected = new RegExp(`^flag ${flag}: expected a duration up to 36525d \\(500ms, 30s`);
      assert.match(refusal({ unique: "k", [name]: given }), expected, `${flag} ${given}`);
    }
  }
  assert.match(refusal({ deadline: "99999999d" }), /^flag --deadline: expected a duration up to 36525d/);
});
