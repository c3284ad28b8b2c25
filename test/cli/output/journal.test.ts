/** Where standard error is systemd's journal, its lines say their priority and no time; elsewhere nothing changes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, test } from "node:test";
import { isJournal, withPriority } from "../../../src/cli/output/journal.ts";
import { prettyFormat } from "../../../src/cli/output/log-format.ts";
import { BUN, ROOT } from "../../stage/command.ts";
import { Stage } from "../../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());

/** As systemd does it: the device and the inode of the descriptor that the process gets for its standard error. */
const OF_STANDARD_ERROR = "$(stat -L -c %d:%i /dev/fd/2)";

/** Runs the program with this JOURNAL_STREAM, until it has begun; gives the lines it wrote. */
async function linesOf(given: readonly string[], journal: string): Promise<readonly string[]> {
  const { PATH = "" } = process.env;
  const line = `export JOURNAL_STREAM=${journal}; exec "$@"`;
  const child = spawn("sh", ["-c", line, "sh", BUN, join(ROOT, "src/main.ts"), ...given], {
    cwd: stage.folder,
    env: { PATH, HOME: stage.folder, STATE_DIRECTORY: join(stage.folder, "state"), TASKEXE_BROKR: "x" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (text.includes("taskexe 0.")) child.kill("SIGTERM");
    });
  }
  await once(child, "close");
  return text.trimEnd().split("\n");
}

test("the log has a priority in front of each line, and no time", async () => {
  const lines = await linesOf(["run", "--listen", "off"], OF_STANDARD_ERROR);
  assert.match(lines[0] ?? "", /^<4>WRN environment TASKEXE_BROKR is not known/);
  assert.match(lines[1] ?? "", /^<6>INF taskexe \d/);
  for (const line of lines) assert.match(line, /^<[2-7]>[A-Z]{3} /);
});

test("so has a log of JSON, which is JSON behind it", async () => {
  const lines = await linesOf(["run", "--listen", "off", "--log", "json"], OF_STANDARD_ERROR);
  assert.equal(JSON.parse((lines[0] ?? "").replace(/^<4>/, "")).level, "warn");
  for (const line of lines) JSON.parse(line.replace(/^<[2-7]>/, ""));
});

test("a mistake of the settings is an error of the journal", async () => {
  assert.deepEqual(await linesOf(["run", "--lease", "x"], OF_STANDARD_ERROR), [
    "<3>taskexe: flag --lease: expected a duration from 500ms to 1h (500ms, 30s, 5m, 1h; a plain number counts " +
      'seconds), got "x"',
  ]);
});

test("another stream than the journal's has times and no priorities, as where a handler starts a command", async () => {
  for (const journal of ["1:2", "''", "$(stat -L -c %d:%i /dev/null)"]) {
    const [first] = await linesOf(["run", "--listen", "off"], journal);
    assert.match(first ?? "", /^\d\d:\d\d:\d\d\.\d{3} WRN /);
  }
});

test("every line of a record of several lines has its priority", () => {
  const error = new Error("broken");
  const properties = { error };
  const format = prettyFormat({ colours: false, stacks: true, time: false });
  const record = format({
    category: ["taskexe"],
    level: "error",
    message: ["x"],
    rawMessage: "x",
    timestamp: 0,
    properties,
  });
  const lines = withPriority("error", record).trimEnd().split("\n");
  assert.ok(lines.length > 2);
  for (const line of lines) assert.ok(line.startsWith("<3>"), line);
});

test("a descriptor that is closed is no journal", () => {
  assert.equal(isJournal(9_999, { JOURNAL_STREAM: "1:2" }), false);
});
