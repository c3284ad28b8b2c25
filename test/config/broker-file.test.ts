/** The address of the broker in a file of its own, with its password. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "../../src/config/config-error.ts";
import { type FlagValues, readSettings } from "../../src/config/settings.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-broker-file-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(text: string, mode = 0o600): string {
  const path = join(folder, `${files++}`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const read = (flags: FlagValues, environment: Record<string, string> = {}) =>
  readSettings(flags, { HOME: "/h", ...environment });

function problem(flags: FlagValues, environment: Record<string, string> = {}): string {
  try {
    read(flags, environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail("no ConfigError came");
}

test("the address is the line that is no comment, and the file is told as where it came from", () => {
  const path = file("# the fleet's\n\n  redis://:s3cret@host:6379/1  \n");
  const settings = read({ brokerFile: path });
  assert.equal(settings.broker, "redis://:s3cret@host:6379/1");
  assert.equal(settings.origins.broker, `flag --broker-file, ${path}`);
  assert.deepEqual(settings.warnings, []);
});

test("a relative sqlite path in it counts from its folder", () => {
  assert.equal(read({ brokerFile: file("sqlite:sub/q.db") }).broker, `sqlite:${join(folder, "sub/q.db")}`);
});

test("the first source that names a broker in either way says it", () => {
  const path = file("redis://file");
  assert.equal(read({ broker: "redis://flag" }, { TASKEXE_BROKER_FILE: path }).broker, "redis://flag");
  assert.equal(read({ brokerFile: path }, { TASKEXE_BROKER: "redis://environment" }).broker, "redis://file");
  const toml = file(`broker_file = ${JSON.stringify(path)}\n`);
  assert.equal(read({}, { TASKEXE_CONFIG: toml }).broker, "redis://file");
  assert.equal(read({}, { TASKEXE_CONFIG: toml, TASKEXE_BROKER: "redis://environment" }).broker, "redis://environment");
});

test("both in one source are refused", () => {
  const path = file("redis://file");
  assert.equal(
    problem({ broker: "redis://flag", brokerFile: path }),
    "flag --broker-file: given beside flag --broker; keep one",
  );
  assert.match(problem({}, { TASKEXE_BROKER: "redis://e", TASKEXE_BROKER_FILE: path }), /TASKEXE_BROKER_FILE: given/);
});

test("a file that others may read is told where it holds a password", () => {
  const open = file("redis://u:s3cret@host", 0o644);
  assert.deepEqual(read({ brokerFile: open }).warnings, [
    `${open} holds a password and every user of this machine may read or write it; chmod o-rwx it`,
  ]);
  assert.deepEqual(read({ brokerFile: file("redis://u:s3cret@host", 0o640) }).warnings, []);
  assert.deepEqual(read({ brokerFile: file("redis://host", 0o644) }).warnings, []);
});

test("a file that is none, is empty or holds more than one line is refused by its path, and not shown", () => {
  const pipe = join(folder, "pipe");
  spawnSync("mkfifo", [pipe]);
  for (const [path, reason] of [
    [join(folder, "missing"), /--broker-file: the file .*missing cannot be read: no such file$/],
    [folder, /cannot be read: it is a folder$/],
    [pipe, /cannot be read: it is a named pipe, not a file$/],
    ["/dev/zero", /cannot be read: it is a device, not a file$/],
    [file("# nothing\n"), /expected one line with the address of the broker in .*, found nothing$/],
    [file("redis://:s3cret@a\nredis://:s3cret@b\n"), /found 2 lines$/],
    [file("redis:/:s3cret@a\n"), /^flag --broker-file, .*: expected redis:.*, got "\*\*\*@a" \(not shown/],
    ["", /^flag --broker-file: expected a path that is not empty/],
  ] as const) {
    const said = problem({ brokerFile: path });
    assert.match(said, reason);
    assert.doesNotMatch(said, /s3cret/);
  }
});

test("a password on the command line is told, elsewhere not", () => {
  const address = "redis://:s3cret@host";
  assert.match(
    read({ broker: address }).exposure ?? "",
    /the password in --broker can be read by every user .*\(ps\); .*--broker-file/,
  );
  assert.match(read({ broker: "unix:///run/redis.sock?password=s3cret" }).exposure ?? "", /\(ps\)/);
  assert.deepEqual(read({}, { TASKEXE_BROKER: address }).exposure, null);
  assert.deepEqual(read({ broker: "redis://host" }).exposure, null);
});
