/** Which queue it is where nobody named a broker: the service's of this machine, so that both find each other. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { brokerOfEnvironment } from "../../src/config/broker-choice.ts";
import { ConfigError } from "../../src/config/config-error.ts";
import { readSettings } from "../../src/config/settings.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "taskexe-root-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const settings = (more: Record<string, string> = {}, flags = {}) =>
  readSettings(flags, { HOME: "/h", TASKEXE_ROOT: root, ...more });
const OWN = "sqlite:/h/.local/state/taskexe/queue.db";

/** What an installed service leaves. */
function service(files: Readonly<Record<string, string>>): void {
  mkdirSync(join(root, "var/lib/taskexe"), { recursive: true });
  mkdirSync(join(root, "etc/taskexe"), { recursive: true });
  for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text);
}

test("without a service it is the user's own, in silence", () => {
  const { broker, brokerSource, warnings } = settings();
  assert.deepEqual([broker, brokerSource, warnings], [OWN, "no broker was given; home directory", []]);
});

test("where the service has a queue, it is that one, for programs too", () => {
  service({ "var/lib/taskexe/queue.db": "" });
  const queue = `sqlite:${root}/var/lib/taskexe/queue.db`;
  const { broker, brokerSource, warnings } = settings({ XDG_STATE_HOME: "/x" });
  assert.deepEqual(
    [broker, brokerSource, warnings],
    [queue, "no broker was given; the queue of this machine's service", []],
  );
  assert.equal(brokerOfEnvironment({ HOME: "/h", TASKEXE_ROOT: root }), queue);
});

test("the service itself, and whoever says STATE_DIRECTORY, has the one in there", () => {
  service({ "var/lib/taskexe/queue.db": "" });
  const its = join(root, "var/lib/taskexe");
  assert.deepEqual(settings({ STATE_DIRECTORY: its }).warnings, []);
  const other = settings({ STATE_DIRECTORY: "/other" });
  assert.equal(other.broker, "sqlite:/other/queue.db");
  assert.deepEqual(other.warnings, [
    `this machine's taskexe service has its queue in ${its}; the one used here is /other/queue.db: give --broker ` +
      "where that is not meant",
  ]);
});

test("where the service works on another broker, that the user's own is another one is told", () => {
  service({});
  const { broker, warnings } = settings();
  assert.equal(broker, OWN);
  assert.match(warnings[0] ?? "", /has no embedded queue, so it works on another broker; the one used here is \/h\//);
});

test("the settings of this machine count for the service and for every user, after all others", () => {
  service({ "etc/taskexe/taskexe.toml": 'broker = "redis://fleet"\nqueues = "a"\n', "var/lib/taskexe/queue.db": "" });
  const { broker, origins, queues } = settings();
  assert.deepEqual(
    [broker, origins.broker, queues],
    ["redis://fleet", `${root}/etc/taskexe/taskexe.toml:broker`, ["a"]],
  );
  assert.equal(settings({ STATE_DIRECTORY: join(root, "var/lib/taskexe") }).broker, "redis://fleet");
  assert.equal(settings({ TASKEXE_BROKER: "redis://environment" }).broker, "redis://environment");
  assert.equal(settings({}, { broker: "redis://flag" }).broker, "redis://flag");
  assert.match(settings({ TASKEXE_CONFIG: "off" }).broker, /^sqlite:.*queue\.db$/);
  assert.equal(brokerOfEnvironment({ HOME: "/h", TASKEXE_ROOT: root }), "redis://fleet");
});

test("a program without flags has the broker of the environment, by address or by file", () => {
  writeFileSync(join(root, "address"), "redis://file\n");
  const environment = { HOME: "/h", TASKEXE_ROOT: root };
  assert.equal(brokerOfEnvironment({ ...environment, TASKEXE_BROKER: "redis://address" }), "redis://address");
  assert.equal(brokerOfEnvironment({ ...environment, TASKEXE_BROKER_FILE: join(root, "address") }), "redis://file");
  assert.equal(brokerOfEnvironment(environment), OWN);
});

test("who has no home is told what to do, and needs none with a broker and a name", () => {
  for (const home of ["relative", "~"]) {
    assert.throws(
      () => settings({ HOME: home }),
      saying(/^this user \(uid \d+\) has no home directory .*embedded queue.*set STATE_DIRECTORY .*--broker/),
    );
    assert.equal(settings({ HOME: home }, { broker: "redis://flag" }).broker, "redis://flag");
    assert.equal(settings({ HOME: home, STATE_DIRECTORY: "/s" }).broker, "sqlite:/s/queue.db");
  }
});

test("~/ in paths of settings is the user's home, whoever gave them", () => {
  const home = process.env.HOME;
  service({ "etc/taskexe/taskexe.toml": 'tasks = ["~/a", "b"]\n' });
  assert.deepEqual(settings().tasks, [`${home}/a`, `${root}/etc/taskexe/b`]);
  assert.deepEqual(settings({}, { tasks: ["~/c"] }).tasks, [`${home}/c`]);
});

function saying(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof ConfigError && pattern.test(error.message);
}
