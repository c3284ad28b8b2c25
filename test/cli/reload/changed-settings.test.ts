/** What a reload takes over of the settings that it has read, and what it names as staying until a restart. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { changedSettings } from "../../../src/cli/reload/changed-settings.ts";
import { readSettings, type Settings } from "../../../src/config/settings.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-changed-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const SOURCE = '[source.inbox]\nkind = "list"\nkey = "inbox"\n';
const COMMAND = '[exec.told]\ncommand = ["echo"]\n';

function settings(text: string): Settings {
  const config = join(folder, "taskexe.toml");
  writeFileSync(config, `broker = "redis://127.0.0.1:1"\n${text}`);
  return readSettings({}, { HOME: folder, TASKEXE_CONFIG: config });
}

test("sources stay as they were at the start, and are named; tables of handlers are taken over", () => {
  const before = settings(SOURCE);
  const both = changedSettings(before, settings(`${SOURCE.replace("inbox", "outbox")}${COMMAND}`));
  assert.deepEqual(both.settings.tables.sources, before.tables.sources);
  assert.equal(both.settings.tables.execs.length, 1);
  assert.deepEqual([both.taken, both.kept], [["tables of handlers"], ["[source.NAME] tables"]]);
  const again = changedSettings(both.settings, settings(COMMAND));
  assert.deepEqual([again.taken, again.kept], [[], ["[source.NAME] tables"]], "as long as the file says other");
  const back = changedSettings(again.settings, settings(`${SOURCE}${COMMAND}`));
  assert.deepEqual([back.taken, back.kept], [[], []]);
});
