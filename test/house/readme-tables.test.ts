/** The README tells every setting, command and option of a task as the tables of the source have them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { COMMANDS } from "../../src/cli/commands/index.ts";
import { SETTING_KEYS, SETTING_NAMES } from "../../src/config/sources.ts";
import { RUN_OPTION_ROWS } from "../../src/task/options/run-options.ts";
import { ROOT } from "../stage/command.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** The cells of the table whose first heading is this. */
function rowsUnder(heading: string): string[][] {
  const lines = README.split("\n");
  const head = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  const after = lines.slice(head + 2);
  return after
    .slice(
      0,
      after.findIndex((line) => !line.startsWith("|")),
    )
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function named(cell: string | undefined): string[] {
  return [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

test("each setting has a row with its key, its flag, its variables and its default, and no other has one", () => {
  const rows = new Map(rowsUnder("file key").map((row) => [named(row[0])[0], row]));
  assert.deepEqual([...rows.keys()].sort(), SETTING_KEYS.map((key) => SETTING_NAMES[key].file).sort());
  for (const key of SETTING_KEYS) {
    const { file, flag, environment, fallback } = SETTING_NAMES[key];
    const [, flagCell, variables, value] = rows.get(file) ?? [];
    assert.deepEqual(named(flagCell), flag === null ? [] : [flag], file);
    for (const variable of environment) assert.ok(named(variables).includes(variable), `${file}: ${variable}`);
    // One that is worked out at the start is described in words.
    if (typeof fallback === "string") assert.deepEqual(named(value), [fallback], file);
  }
});

test("each command, and each option of a task, stands in the summary of the command line", () => {
  const summary = README.split("\n## Command line\n")[1]?.split("\n- ")[0] ?? "";
  for (const command of Object.keys(COMMANDS)) assert.match(summary, new RegExp(`taskexe \\[?${command}\\b`), command);
  for (const [, { flag }] of RUN_OPTION_ROWS) assert.ok(summary.includes(`[${flag} `), flag);
});
