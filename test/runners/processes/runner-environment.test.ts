/** What a runner finds in its environment: never what is the executor's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OTHER_ENVIRONMENT, SETTING_KEYS, SETTING_NAMES } from "../../../src/config/sources.ts";
import { runnerEnvironment } from "../../../src/runners/processes/runner-environment.ts";

/** Each with its own name as its value. */
function environmentOf(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, `value of ${name}`]));
}

const OURS = [...SETTING_KEYS.flatMap((key) => SETTING_NAMES[key].environment), ...OTHER_ENVIRONMENT].filter((name) =>
  name.startsWith("TASKEXE_"),
);
const CLOSED = [
  ...OURS,
  ...["TASKEXE_OF_A_LATER_VERSION", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID"],
  ...["LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "BUN_OPTIONS", "BUN_INSPECT", "BUN_INSPECT_NOTIFY"],
  ...["BUN_BE_BUN", "BUN_JSC_useJIT"],
];
const ALWAYS = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "NODE_ENV", "PYTHONPATH"];

test("what is the executor's own is in none, whatever is asked for", () => {
  assert.ok(OURS.length > 20);
  const environment = environmentOf(...CLOSED);
  for (const passes of [[], ["*"], CLOSED, ["TASKEXE_*", "BUN_*"]]) {
    assert.deepEqual(runnerEnvironment(environment, passes), {});
  }
});

test("what hardly any program does without is in all", () => {
  const environment = environmentOf(...ALWAYS);
  assert.deepEqual(runnerEnvironment(environment, []), environment);
});

test("the rest is in where the setting names it, with * for any text", () => {
  const environment = environmentOf("DATABASE_URL", "AWS_KEY", "AWS_REGION", "A", "B", "XDG_CACHE_HOME");
  const names = (...passes: string[]) => Object.keys(runnerEnvironment(environment, passes));
  assert.deepEqual(names(), []);
  assert.deepEqual(names("*"), Object.keys(environment));
  assert.deepEqual(names("AWS_*"), ["AWS_KEY", "AWS_REGION"]);
  assert.deepEqual(names("A"), ["A"]);
  assert.deepEqual(names("*_URL", "X*_*_HOME"), ["DATABASE_URL", "XDG_CACHE_HOME"]);
  assert.deepEqual(names("A*A", "*B*_*_*", "a", "DATABASE"), []);
});

test("what its table says is in, and wins", () => {
  const environment = environmentOf("PATH", "DATABASE_URL");
  const own = { PATH: "/opt/bin", TASKEXE_BROKER: "redis://another", EMPTY: "" };
  assert.deepEqual(runnerEnvironment(environment, ["*"], own), { ...environment, ...own });
});
