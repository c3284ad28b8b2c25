import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { VERSION } from "../../src/version.ts";
import { Stage } from "../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());

for (const given of [["version"], ["--version"], ["-V"]]) {
  test(`taskexe ${given} prints the version`, async () => {
    assert.deepEqual(await stage.run(given), { stdout: `${VERSION}\n`, stderr: "", code: 0, signal: null });
  });
}

test("version --json tells what it runs on", async () => {
  const { stdout, code } = await stage.run(["version", "--json"]);
  const answer = JSON.parse(stdout);
  assert.equal(code, 0);
  assert.equal(answer.version, VERSION);
  assert.equal(answer.runtime, "bun");
});

for (const given of [["--help"], ["run", "--help"], ["enqueue", "--help"], ["task", "--help"], ["cancel", "--help"]]) {
  test(`taskexe ${given.join(" ")} prints help to standard output`, async () => {
    const { stdout, stderr, code } = await stage.run(given);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.match(stdout, /Usage: taskexe/);
  });
}

test("the help names every setting with its flag, its variables and its default", async () => {
  const { stdout } = await stage.run(["--help"]);
  assert.match(stdout, /concurrency +--concurrency +TASKEXE_CONCURRENCY, MAX_CONCURRENT_TASKS \[5\]/);
  assert.match(stdout, /TASKEXE_TOKEN is the token of the API itself/);
  assert.match(stdout, /Exit codes: .*129\/130\/143 ended by a signal/);
});

const MISTAKES: readonly (readonly [given: readonly string[], says: RegExp])[] = [
  [["enq"], /unknown command enq; did you mean enqueue\?/],
  [["frobnicate"], /unknown command frobnicate/],
  [["--brokr", "x"], /unknown option '--brokr'[\s\S]*--broker/],
  [["run", "--concurency=3"], /unknown option '--concurency'/],
  [["run", "extra"], /too many arguments/],
  [["run", "--concurrency", "0"], /flag --concurrency: expected a whole number from 1 to 10000, got "0"/],
  [["run", "--listen", "8080"], /flag --listen: expected HOST:PORT/],
  [["run", "--config", "missing.toml"], /flag --config: the file missing\.toml cannot be read: no such file/],
  [["enqueue"], /enqueue needs the TYPE/],
  [["enqueue", "noop", "{x"], /the payload: not JSON at line 1, column 2: unexpected "x"/],
  [
    ["enqueue", "noop", "--priority", "2"],
    /flag --priority: expected 0 \(ordinary\) to 1 \(the setting priorities is 2\), got "2"/,
  ],
  [
    ["enqueue", "noop", "--backoff", "linear:1s"],
    /flag --backoff: expected fixed:DELAY, or exponential:FIRST\[:MOST\], .*got "linear:1s"/,
  ],
  [["enqueue", "noop", "--backoff", "fixed:1s:2s"], /flag --backoff: expected fixed:DELAY/],
  [
    ["enqueue", "noop", "--crash-budget", "many"],
    /flag --crash-budget: expected a whole number from 0 to 1000, got "many"/,
  ],
  [
    ["enqueue", "noop", "--deadline", "soon"],
    /flag --deadline: expected a time like .*, or a duration from now, got "soon"/,
  ],
  [["enqueue", "noop", "--unique-for", "1h"], /--unique-for goes with --unique/],
  [["enqueue", "--jsonl", "-", "--crash-budget", "0"], /--jsonl does not go with --crash-budget/],
  [["enqueue", "noop", "--queue", "a b"], /flag --queue/],
  [["enqueue", "noop", "--jsonl", "x"], /no TYPE beside it/],
  [["enqueue", "x".repeat(200)], /task_type: must be at most 128/],
  [["task"], /missing required argument/],
  [["cancel"], /missing required argument/],
  [["status", "--url", "ftp://x"], /flag --url: expected http/],
];

for (const [given, says] of MISTAKES) {
  const shown = given.join(" ").slice(0, 60);
  test(`taskexe ${shown} exits with 2 and says what is wrong, without a stack`, async () => {
    const { stdout, stderr, code } = await stage.run(given);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /^\s+at /m);
    assert.equal(stdout, "");
    assert.equal(code, 2);
  });
}

test("a mistake in the environment names the variable", async () => {
  const { stderr, code } = await stage.run(["run"], { env: { TASKEXE_LEASE: "forever" } });
  assert.match(stderr, /environment TASKEXE_LEASE: expected a duration from 500ms to 1h .*, got "forever"/);
  assert.equal(code, 2);
});

test("a broker address is refused without showing its password", async () => {
  const { stderr, code } = await stage.run(["task", "x", "--broker", "reds://user:s3cret@host"]);
  assert.match(stderr, /flag --broker: expected redis:\/\//);
  assert.doesNotMatch(stderr, /s3cret/);
  assert.equal(code, 2);
});

test("a broker that does not answer is told within seconds, without its password", async () => {
  const { stderr, code } = await stage.run(["task", "x", "--broker", "redis://user:s3cret@127.0.0.1:1/1"]);
  assert.match(stderr, /the broker redis:\/\/127\.0\.0\.1:1\/1 cannot be reached/);
  assert.doesNotMatch(stderr, /s3cret/);
  assert.equal(code, 1);
});

/** Where an address is no value of --broker, or not quite one: it is told without its password. */
const MISPLACED: readonly (readonly string[])[] = [
  ["run", "--borker=redis://:s3cret@host"],
  ["run", "--borker=redis:/:s3cret@host"],
  ["run", "-bredis:/:s3cret@host"],
  ["redis://:s3 cret@host"],
  [":s3cret@host:6379"],
  ["cron", "redis:/:s3cret@host"],
  ["run", "--queues", "redis:/:s3cret@host"],
  ["run", "--name", ":s3 cret@host"],
  ["run", "--listen", "redis:/:s3cret@host"],
  ["list", "--broker", "redis://:s3 cret@host/x"],
  ["list", "--broker", ":s3cret@host:6379"],
  ["list", "--broker-file", "/nowhere", "--broker", "redis:/:s3cret@host"],
  ["status", "--url", "ftp://u:s3cret@host"],
  ["status", "--url", "http://u:s3cret@127.0.0.1:1"],
];

for (const given of MISPLACED) {
  test(`taskexe ${given.join(" ")} is refused without the password`, async () => {
    const { stdout, stderr, code } = await stage.run(given, { env: { TASKEXE_DEBUG: "1" } });
    assert.doesNotMatch(stdout + stderr, /s3 ?cret/);
    assert.match(stderr, /^taskexe: /);
    assert.notEqual(code, 0);
  });
}

test("the address of the broker can come from a file", async () => {
  writeFileSync(join(stage.folder, "address"), "redis://user:s3cret@127.0.0.1:1/1", { mode: 0o600 });
  for (const given of [["--broker-file", "address"], []]) {
    const { stderr } = await stage.run(["task", "x", ...given], { env: { TASKEXE_BROKER_FILE: "address" } });
    assert.match(stderr, /^taskexe: the broker redis:\/\/127\.0\.0\.1:1\/1 cannot be reached/);
    assert.doesNotMatch(stderr, /s3cret/);
  }
});

test("an executor with a password in --broker says who can read it, once, and not which it is", async () => {
  const { stderr } = await stage.run(["run", "--broker", "rediss://user:s3cret@127.0.0.1:1/1?ca=/nowhere"]);
  assert.equal(stderr.match(/the password in --broker can be read by every user/g)?.length, 1);
  assert.doesNotMatch(stderr, /s3cret/);
});

test("a variable that is mistyped is told by every command, since its broker would be another one", async () => {
  const { stderr } = await stage.run(["list"], { env: { TASKEXE_BROKR: "redis://host" } });
  assert.equal(
    stderr,
    "taskexe: environment TASKEXE_BROKR is not known and does nothing; did you mean TASKEXE_BROKER?\n",
  );
});
