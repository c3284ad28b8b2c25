import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "../../src/config/config-error.ts";
import type { SettingKey } from "../../src/config/schema.ts";
import { type FlagValues, readSettings } from "../../src/config/settings.ts";
import { SETTING_KEYS, SETTING_NAMES } from "../../src/config/sources.ts";
import { MAX_PRIORITIES } from "../../src/task/options/enqueue-options.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(text: string): string {
  const path = join(folder, `${files++}.toml`);
  writeFileSync(path, text);
  return path;
}

function problems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return assert.fail("no ConfigError came");
}

test("without anything the defaults hold, and every value says so", () => {
  const settings = readSettings({}, { HOME: "/home/u" });
  assert.equal(settings.broker, "sqlite:/home/u/.local/state/taskexe/queue.db");
  assert.match(settings.brokerSource, /no broker was given/);
  assert.deepEqual(settings.queues, ["common"]);
  assert.deepEqual(settings.tasks, []);
  assert.equal(settings.concurrency, 5);
  assert.equal(settings.name, null);
  assert.deepEqual(settings.listen, { hostname: "127.0.0.1", port: 8080 });
  assert.equal(settings.leaseMs, 30_000);
  assert.equal(settings.graceMs, 30_000);
  assert.equal(settings.log, "pretty");
  assert.equal(settings.heartbeatTimeoutMs, 120_000);
  assert.equal(settings.retentionMs, 86_400_000);
  assert.equal(settings.priorities, 2);
  assert.equal(settings.attempts, 3);
  assert.deepEqual([settings.backoff, settings.backoffDelayMs, settings.backoffMaxMs], ["exponential", 1_000, 600_000]);
  assert.equal(settings.crashBudget, 3);
  assert.equal(settings.retryLaterLimit, 100);
  assert.equal(settings.timeoutMs, null);
  assert.equal(settings.deadRetentionMs, 30 * 86_400_000);
  assert.deepEqual([settings.onDone, settings.onDead, settings.onCancelled], [null, null, null]);
  assert.equal(settings.deadLimit, 10_000);
  assert.deepEqual([settings.doneLimit, settings.cancelledLimit], [100_000, 100_000]);
  assert.equal(settings.logBytes, 256_000_000);
  assert.equal(settings.abandonedLimit, 10);
  assert.deepEqual([settings.runnerMaxRss, settings.runnerMaxTasks, settings.runnerEnv], [null, null, ["*"]]);
  assert.equal(settings.trackAllocations, false);
  for (const key of SETTING_KEYS) assert.equal(settings.origins[key], "default");
});

test("the embedded queue lies in STATE_DIRECTORY, else XDG_STATE_HOME, else the home directory", () => {
  const all = { STATE_DIRECTORY: "/var/lib/taskexe:/other", XDG_STATE_HOME: "/x", HOME: "/h" };
  assert.equal(readSettings({}, all).broker, "sqlite:/var/lib/taskexe/queue.db");
  assert.equal(readSettings({}, { ...all, STATE_DIRECTORY: "" }).broker, "sqlite:/x/taskexe/queue.db");
  assert.equal(readSettings({}, { HOME: "/h" }).broker, "sqlite:/h/.local/state/taskexe/queue.db");
});

/** A file with an address. */
const ADDRESS = file("redis://a\n");

/** For each setting four different values: by flag, by our variable, by the original's, by the file. */
const FOUR: Readonly<
  Record<SettingKey, readonly [flag: string, ours: string, file: string, read: readonly unknown[]]>
> = {
  broker: ["redis://a", "redis://b", '"redis://c"', ["redis://a", "redis://b", "redis://c"]],
  brokerFile: [ADDRESS, ADDRESS, JSON.stringify(ADDRESS), [ADDRESS, ADDRESS, ADDRESS]],
  queues: ["a", "b,c", '["d"]', [["a"], ["b", "c"], ["d"]]],
  tasks: ["/a", "/b,/c", '["/d"]', [["/a"], ["/b", "/c"], ["/d"]]],
  concurrency: ["1", "2", "3", [1, 2, 3]],
  isolation: ["own", "inline", '"shared"', ["own", "inline", "shared"]],
  runners: ["1", "2", "3", [1, 2, 3]],
  ownRunners: ["1", "2", "3", [1, 2, 3]],
  name: ["a", "b", '"c"', ["a", "b", "c"]],
  listen: ["off", "[::1]:0", '"h:1"', [null, { hostname: "::1", port: 0 }, { hostname: "h", port: 1 }]],
  page: ["read", "off", '"on"', ["read", "off", "on"]],
  tokenFile: ["", "/a", '"/b"', [undefined, "/a", "/b"]],
  tokensFile: ["", "/a", '"/b"', [undefined, "/a", "/b"]],
  leaseMs: ["1s", "2", '"3m"', [1_000, 2_000, 180_000]],
  graceMs: ["0", "2s", "3", [0, 2_000, 3_000]],
  log: ["json", "pretty", '"json"', ["json", "pretty", "json"]],
  heartbeatTimeoutMs: ["", "2s", "60", [undefined, 2_000, 60_000]],
  retentionMs: ["", "0", '"1h"', [undefined, 0, 3_600_000]],
  priorities: ["", "3", "10", [undefined, 3, 10]],
  attempts: ["", "2", "3", [undefined, 2, 3]],
  foreignAttempts: ["", "2", "3", [undefined, 2, 3]],
  backoff: ["", "fixed", '"exponential"', [undefined, "fixed", "exponential"]],
  backoffDelayMs: ["", "0", '"2s"', [undefined, 0, 2_000]],
  backoffMaxMs: ["", "1m", '"2m"', [undefined, 60_000, 120_000]],
  crashBudget: ["", "0", "5", [undefined, 0, 5]],
  retryLaterLimit: ["", "7", "8", [undefined, 7, 8]],
  timeoutMs: ["", "off", '"30s"', [undefined, null, 30_000]],
  deadRetentionMs: ["", "1m", '"7d"', [undefined, 60_000, 604_800_000]],
  onDone: ["", "a", '"b"', [undefined, "a", "b"]],
  onDead: ["", "alert", '"off"', [undefined, "alert", null]],
  onCancelled: ["", "off", '"b"', [undefined, null, "b"]],
  alertType: ["", "a", '"off"', [undefined, "a", null]],
  alertQueue: ["", "a", '"b"', [undefined, "a", "b"]],
  deadLimit: ["", "1", "500", [undefined, 1, 500]],
  doneLimit: ["", "0", "500", [undefined, 0, 500]],
  cancelledLimit: ["", "0", "500", [undefined, 0, 500]],
  logBytes: ["", "1GB", "2000000", [undefined, 1_000_000_000, 2_000_000]],
  abandonedLimit: ["", "2", "3", [undefined, 2, 3]],
  runnerMaxRss: ["512MB", "off", '"1GB"', [512_000_000, null, 1_000_000_000]],
  runnerMaxTasks: ["1", "off", "3", [1, null, 3]],
  runnerEnv: ["A,B_*", "*", '["C"]', [["A", "B_*"], ["*"], ["C"]]],
  trackAllocations: ["", "0", "true", [undefined, false, true]],
  openStatus: ["", "0", "true", [undefined, false, true]],
  traceAttempts: ["", "child", '"link"', [undefined, "child", "link"]],
  traceCalls: ["", "1", "false", [undefined, true, false]],
};

for (const key of SETTING_KEYS) {
  const { flag, environment, file: fileKey } = SETTING_NAMES[key];
  const [byFlag, byVariable, byFile, read] = FOUR[key];

  test(`${fileKey}: flag before environment before file, and the origin is known`, () => {
    const path = file(`${fileKey} = ${byFile}\n`);
    const variables = { HOME: "/h", [environment[0] ?? ""]: byVariable };
    if (flag !== null) {
      const settings = readSettings({ [key]: byFlag }, variables, { configFile: path });
      assert.deepEqual(settings[key], read[0]);
      assert.equal(settings.origins[key], `flag ${flag}`);
    }
    const fromVariable = readSettings({}, variables, { configFile: path });
    assert.deepEqual(fromVariable[key], read[1]);
    assert.equal(fromVariable.origins[key], `environment ${environment[0]}`);
    const fromFile = readSettings({}, { HOME: "/h", TASKEXE_CONFIG: path });
    assert.deepEqual(fromFile[key], read[2]);
    assert.equal(fromFile.origins[key], `${path}:${fileKey}`);
  });
}

test("the original executor's variables count, and ours win over them", () => {
  const theirs = { HOME: "/h", MAX_CONCURRENT_TASKS: "7", WORKER_HEARTBEAT_TIMEOUT: "90", TRACE_MALLOC_ENABLED: "1" };
  const settings = readSettings({}, theirs);
  assert.equal(settings.concurrency, 7);
  assert.equal(settings.heartbeatTimeoutMs, 90_000);
  assert.equal(settings.trackAllocations, true);
  assert.equal(settings.origins.concurrency, "environment MAX_CONCURRENT_TASKS");
  assert.equal(readSettings({}, { ...theirs, TASKEXE_CONCURRENCY: "8" }).concurrency, 8);
});

test("a wrong value names itself, where it came from and what is allowed, all of them at once", () => {
  const path = file('attempts = "many"\n');
  const flags: FlagValues = { concurrency: "zero" };
  const found = problems(() => readSettings(flags, { HOME: "/h", TASKEXE_LEASE: "1x" }, { configFile: path }));
  assert.deepEqual(found, [
    'flag --concurrency: expected a whole number from 1 to 10000, got "zero"',
    "environment TASKEXE_LEASE: expected a duration from 500ms to 1h (500ms, 30s, 5m, 1h; a plain number counts " +
      'seconds), got "1x"',
    `${path}:attempts: expected a whole number from 1 to 1000, got "many"`,
  ]);
});

test("each range is checked at both ends", () => {
  const wrong: readonly [SettingKey, string][] = [
    ["concurrency", "0"],
    ["concurrency", "10001"],
    ["concurrency", "1.5"],
    ["leaseMs", "499ms"],
    ["leaseMs", "61m"],
    ["graceMs", "25h"],
    ["graceMs", "-1"],
    ["listen", "8080"],
    ["listen", "host:65536"],
    ["listen", "unix:relative.sock"],
    ["listen", "unix:/folder/"],
    ["listen", "::1:80"],
    ["log", "xml"],
    ["priorities", "0"],
    ["priorities", "11"],
    ["backoff", "linear"],
    ["timeoutMs", "0"],
    ["timeoutMs", "never"],
    ["crashBudget", "-1"],
    ["name", ""],
    ["name", "a b"],
    ["name", "TASKEXE"],
    ["name", "x-cancel"],
    ["name", "te.0.common"],
    ["name", "taskexe:paused"],
    ["queues", "common,order-cancel"],
    ["priorities", String(MAX_PRIORITIES + 1)],
    ["queues", "a,,b"],
    ["queues", "a,a"],
    ["queues", "a b"],
    ["broker", "mysql://x"],
    ["broker", "redis://"],
    ["broker", "redis://127.0.0.1:99999/1"],
    ["broker", "redis://user:s3/cret@host"],
    ["broker", "rediss://host/queue"],
    ["broker", "unix://elsewhere/redis.sock"],
    ["broker", "unix://"],
    ["broker", ""],
  ];
  for (const [key, value] of wrong) {
    assert.equal(problems(() => readSettings({ [key]: value }, { HOME: "/h" })).length, 1, `${key} ${value}`);
  }
  for (const [key, value] of [
    ["concurrency", "10000"],
    ["priorities", String(MAX_PRIORITIES)],
    ["leaseMs", "500ms"],
    ["leaseMs", "1h"],
  ] as const) {
    readSettings({ [key]: value }, { HOME: "/h" });
  }
});

test("an address that no broker could read is refused with its origin and with what is allowed", () => {
  const found = (broker: string) => problems(() => readSettings({}, { HOME: "/h", TASKEXE_BROKER: broker })).join();
  assert.match(
    found("redis://127.0.0.1:99999/1"),
    /^environment TASKEXE_BROKER: expected redis:\/\/.* with a port up to 65535; .*, got "redis:.*:99999\/1"$/,
  );
  assert.match(found("redis://host/queue"), /^environment TASKEXE_BROKER: expected a db that is a number from 0/);
});

test("every form of an address that a broker reads passes", () => {
  const addresses = [
    ...["redis://host", "REDIS://host:6379/0", "redis://:p%40ss@[::1]:1/15", "rediss://user:pw@host/1?ca=/ca.pem"],
    ...["unix:///run/redis.sock", "redis+unix:///run/redis.sock?db=2", "unix:///run/redis.sock?user=u&password=pw"],
    ...[
      "unix://:pw@/run/redis.sock",
      "unix://user:pw@localhost/run/redis.sock?db=0",
      "unix://localhost/run/redis.sock",
    ],
    ...["sqlite:queue.db", "sqlite:///var/lib/queue.db"],
  ];
  for (const broker of addresses) assert.equal(readSettings({ broker }, { HOME: "/h" }).broker, broker);
});

test("a password never stands in an error", () => {
  const found = problems(() => readSettings({ broker: "reds://user:s3cret@host" }, { HOME: "/h" }));
  assert.doesNotMatch(found.join(), /s3cret/);
  assert.match(found.join(), /host/);
});

test("an unknown key of the file is refused with the name that was meant", () => {
  const path = file("concurency = 3\nwhatever = 1\n");
  assert.deepEqual(
    problems(() => readSettings({}, { HOME: "/h" }, { configFile: path })),
    [`${path}: unknown key concurency; did you mean concurrency?`, `${path}: unknown key whatever`],
  );
});

test("a file that is missing or is no TOML is told with its place", () => {
  const missing = join(folder, "missing.toml");
  assert.match(problems(() => readSettings({}, {}, { configFile: missing })).join(), /flag --config: .*no such file/);
  assert.match(problems(() => readSettings({}, { TASKEXE_CONFIG: folder })).join(), /TASKEXE_CONFIG: .*it is a folder/);
  const broken = file("concurrency = 3\nname = = 1\n");
  assert.match(problems(() => readSettings({}, {}, { configFile: broken })).join(), /\.toml:2:\d+: not TOML/);
});

test("relative paths in the file count from its folder", () => {
  const path = file('tasks = ["handlers"]\nbroker = "sqlite:queue.db"\n');
  const settings = readSettings({}, { HOME: "/h" }, { configFile: path });
  assert.deepEqual(settings.tasks, [join(folder, "handlers")]);
  assert.equal(settings.broker, `sqlite:${join(folder, "queue.db")}`);
});

test("an empty variable counts as absent", () => {
  assert.equal(readSettings({}, { HOME: "/h", TASKEXE_CONCURRENCY: "" }).concurrency, 5);
});

test("a variable of ours that is not known gives a warning and the name that was meant", () => {
  const { warnings } = readSettings({}, { HOME: "/h", TASKEXE_CONCURENCY: "9" });
  assert.deepEqual(warnings, [
    "environment TASKEXE_CONCURENCY is not known and does nothing; did you mean TASKEXE_CONCURRENCY?",
  ]);
});
