/** Tasks of `[exec.TYPE]` through the executable: what a command may do, and what it may try. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { OTHER_ENVIRONMENT, SETTING_KEYS, SETTING_NAMES } from "../../src/config/sources.ts";
import type { TaskRecord } from "../../src/task/record/record.ts";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { builtOnce } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until, untilBy } from "../stage/until.ts";

/** By it the processes of these tests are known in /proc. */
const MARK = String(70_000 + process.pid);
const SLEEP = `/bin/sleep ${MARK}`;
const AWAY = `(setsid -f env -i ${SLEEP} </dev/null >/dev/null 2>&1 &)`;

const sh = (script: string, more = ""): string => `command = ["sh", "-c", ${JSON.stringify(script)}]\n${more}`;

const TABLES: Readonly<Record<string, string>> = {
  good: sh(
    'cat >in; echo "progress 0.5 half"; echo "to the log"; ls -d "$TASKEXE_DIR" "$PWD"; echo "{\\"got\\": $(cat in)}"',
  ),
  field: 'command = ["/usr/bin/printf", "%s|", "--", "{input}"]',
  option: 'command = ["printf", "{input}"]',
  later: sh('[ "$(cat)" = 1 ] || exit 0; test -e "$0" && exit 0; touch "$0"; echo wait >&2; exit 75'),
  fails: sh("echo the true reason >&2; exit 7", "attempts = 1"),
  signal: sh("kill -SEGV $$", "attempts = 1"),
  missing: 'command = ["no-such-command"]\nattempts = 1',
  closed: 'command = ["./not-executable"]\nattempts = 1',
  never: sh(SLEEP, 'timeout = "300ms"\nattempts = 1'),
  deaf: sh(`trap '' TERM; echo up; while :; do ${SLEEP}; done`, 'timeout = "300ms"\nattempts = 1'),
  leaves: sh(`${SLEEP} & ${AWAY}; sleep 0.2; exit 0`),
  shuts: sh("exec <&- >&- 2>&-; sleep 0.2; exit 3", "attempts = 1"),
  flood: sh('head -c 1000000000 /dev/zero; echo; echo \'{"after":"all"}\''),
  lines: sh("yes line | head -c 300000000; echo; echo 42"),
  binary: sh("head -c 3000000 /dev/urandom; exit 0"),
  litter: sh("mkdir -p a/b; touch a/b/c; chmod 0 a/b; chmod 500 a; exit 0"),
  environment: sh("env"),
  reads: sh("sleep 0.1; exit 0"),
  cancelled: sh(`echo up; trap 'exit 0' TERM; ${SLEEP} & wait`),
  eats: sh("head -c 400000000 /dev/zero | tail -c 400000000 | { sleep 20; wc -c; }", "attempts = 1"),
};

function left(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && commandOf(pid).includes(SLEEP.replaceAll(" ", "\0")));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

/** Where the executable lies for all of them. */
const home = Stage.make();
const theExecutable = builtOnce(() => join(home.folder, "bin/taskexe"));
after(() => home.end());

describe("commands of the configuration file", () => {
  let stage: Stage;
  let executor: ExecutorProcess;
  let broker: Broker;
  let number = 0;
  let scratch = "";

  // One for each test: what another one has left would be found.
  beforeEach(async () => {
    stage = Stage.make();
    const tables = Object.entries(TABLES).map(([type, table]) => `[exec.${type}]\n${table}\n`);
    scratch = stage.path("scratch");
    await stage.write({
      "taskexe.toml": `grace = "1s"\nrunner_max_rss = "150MB"\nbackoff_delay = 0\n${tables.join("")}`,
      "not-executable": "text",
      "scratch/keep": "",
    });
    await chmod(stage.path("not-executable"), 0o600);
    // Each setting by its variable, as it would be without it, but for those that the file gives.
    const settings = SETTING_KEYS.flatMap((key): [string, string][] => {
      const { environment, fallback, file } = SETTING_NAMES[key];
      const isGiven = ["listen", "grace", "runner_max_rss", "backoff_delay"].includes(file);
      return typeof fallback === "string" && !isGiven ? environment.map((name) => [name, fallback]) : [];
    });
    const secrets = [
      ...OTHER_ENVIRONMENT,
      "BUN_INSPECT_NOTIFY",
      "NOTIFY_SOCKET",
      "CREDENTIALS_DIRECTORY",
      "TASKEXE_XYZ",
    ].filter((name) => !["TASKEXE_CONFIG", "TASKEXE_DEBUG", "TASKEXE_ROOT"].includes(name));
    const url = `sqlite:${stage.path("queue.db")}`;
    executor = await stage.executor({
      broker: url,
      program: await theExecutable(),
      args: ["--config", stage.path("taskexe.toml")],
      env: {
        TMPDIR: scratch,
        BUN_OPTIONS: "--smol",
        VISIBLE: "seen",
        ...Object.fromEntries(secrets.map((name) => [name, `secret-${name}-0123456789`])),
        ...Object.fromEntries(settings),
      },
    });
    broker = await stage.client(url);
  });
  afterEach(() => stage.end());

  async function enqueued(type: string, payload: unknown): Promise<string> {
    const id = `${type}-${++number}`;
    await broker.enqueue([requestOf(id, type, payload)]);
    return id;
  }

  async function endOf(id: string): Promise<TaskRecord> {
    return untilBy(executor, `${id} has ended`, async () => {
      const record = await broker.record(id);
      return record !== null && ["done", "dead", "cancelled"].includes(record.state) && record;
    });
  }

  async function run(type: string, payload: unknown = 1): Promise<TaskRecord> {
    return endOf(await enqueued(type, payload));
  }

  const errorOf = ({ errors, reason }: TaskRecord) => `${reason} ${JSON.stringify(errors)}`;

  test("it reads the payload as it was given, and its progress, log and result are the task's", SLOW, async () => {
    const id = "exact";
    const request = requestOf(id, "good", null);
    await broker.enqueue([{ ...request, message: request.message.replace('"payload":null', '"payload":{"n": 1.50}') }]);
    const { state, result, progress } = await endOf(id);
    // That of a task that is done; the half is in its log of progress.
    assert.deepEqual([state, result, progress], ["done", { got: { n: 1.5 } }, 1]);
    const lines = (await broker.logs(id)).map(({ text }) => text);
    assert.equal(lines[0], "to the log");
    // Its working folder is the one that is named.
    assert.match(lines[1] ?? "", /^\/.*\/taskexe-\w+\/\d+$/);
    assert.equal(lines[1], lines[2]);
    assert.ok(!existsSync(lines[1] ?? ""));
  });

  test("a field is an argument of its own, and no option", SLOW, async () => {
    const { state, result } = await run("field", { input: "-a 'b' $(c)" });
    assert.deepEqual([state, result], ["done", null]);
    const id = `field-${number}`;
    assert.deepEqual(
      (await broker.logs(id)).map(({ text }) => text),
      ["--|-a 'b' $(c)|"],
    );
    const refused = await run("option", { input: "--help" });
    assert.equal(refused.attempt, 1);
    assert.match(errorOf(refused), /\{input\} in the command: its value begins with/);
    assert.match(errorOf(await run("option", {})), /the payload has no field \\"input\\"/);
  });

  test("exit codes and signals are told, with the end of its errors", SLOW, async () => {
    assert.match(errorOf(await run("fails")), /exit code 7: the true reason/);
    assert.match(errorOf(await run("signal")), /killed by SIGSEGV/);
    assert.match(errorOf(await run("shuts")), /exit code 3/);
    assert.match(
      errorOf(await run("missing")),
      /The command \\"no-such-command\\" cannot be started: it is not in PATH/,
    );
    assert.match(errorOf(await run("closed")), /not-executable\\" cannot be started: it may not be executed/);
    const memory = await run("eats");
    assert.match(errorOf(memory), /out of memory: \d+ MB of 1\d\d MB/);
  });

  test("75 is another try later, which costs no attempt", SLOW, async () => {
    const id = await enqueued("later", 1);
    const record = await untilBy(executor, "it is retrying", async () => {
      const found = await broker.record(id);
      return found?.state === "retrying" && found;
    });
    assert.match(errorOf(record), /exit code 75: wait/);
    assert.equal(record.attempt, 0);
    await broker.cancel([id]);
  });

  test("one that does not end is ended, also where it ignores that", SLOW, async () => {
    for (const type of ["never", "deaf"]) {
      const record = await run(type);
      assert.equal(record.state, "dead");
      assert.match(errorOf(record), /took longer than its 300 ms/);
    }
    await until("nothing is left", 1_000, () => left().length === 0);
  });

  test("a cancel ends it, whatever its exit code says", SLOW, async () => {
    const id = await enqueued("cancelled", 1);
    await untilBy(executor, "it runs", async () => (await broker.logs(id)).length > 0);
    await broker.cancel([id]);
    assert.equal((await endOf(id)).state, "cancelled");
    await until("nothing is left", 1_000, () => left().length === 0);
  });

  test("what it leaves behind is gone when its task has ended", SLOW, async () => {
    assert.equal((await run("leaves")).state, "done");
    assert.deepEqual(left(), []);
    assert.equal((await run("litter")).state, "done");
    const [base = ""] = readdirSync(scratch).filter((name) => name.startsWith("taskexe-"));
    assert.equal(statSync(join(scratch, base)).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(scratch, base)), []);
  });

  test("a gigabyte of output fills nothing, holds nothing up, and its result is found", SLOW, async () => {
    const memory = () => Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${executor.pid}/status`, "utf8"))?.[1]);
    const before = memory();
    const flood = await enqueued("flood", 1);
    const lines = await enqueued("lines", 1);
    let slowest = 0;
    let asked = 0;
    const isOver = async () =>
      (await broker.record(lines))?.state === "done" && (await broker.record(flood))?.state === "done";
    while (!(await isOver())) {
      const begun = performance.now();
      assert.equal((await executor.get("/healthz")).code, 200);
      slowest = Math.max(slowest, performance.now() - begun);
      asked++;
      assert.ok(!executor.hasEnded, executor.output());
    }
    assert.deepEqual((await endOf(flood)).result, { after: "all" });
    assert.equal((await endOf(lines)).result, 42);
    assert.match((await broker.logs(lines)).at(-1)?.text ?? "", /^\d+ more lines of its output were left out/);
    assert.ok(asked > 3);
    // Alone 20 ms; many tests run side by side.
    assert.ok(slowest < 2_000, `${slowest} ms`);
    assert.ok(memory() - before < 150_000, `${before} -> ${memory()} kB`);
    assert.equal((await run("binary")).state, "done");
  });

  test("it finds nothing of the executor's own in its environment", SLOW, async () => {
    const id = await enqueued("environment", 1);
    assert.equal((await endOf(id)).state, "done");
    const lines = (await broker.logs(id)).map(({ text }) => text);
    assert.ok(lines.includes("VISIBLE=seen"));
    assert.ok(lines.includes(`TASKEXE_TASK_ID=${id}`));
    const closed = /^(?:TASKEXE_(?!DIR=|TASK_ID=|ATTEMPT=|RUNNER_OF=)|BUN_|NOTIFY_SOCKET|CREDENTIALS)/;
    assert.deepEqual(
      lines.filter((line) => closed.test(line)),
      [],
    );
    assert.doesNotMatch(lines.join("\n"), /secret-/);
  });

  test("a drain leaves no process and no folder", SLOW, async () => {
    const id = await enqueued("cancelled", 1);
    await untilBy(executor, "it runs", async () => (await broker.logs(id)).length > 0);
    assert.equal(await drained(executor), 0);
    assert.deepEqual(left(), []);
    assert.deepEqual(readdirSync(scratch), ["keep"]);
    assert.equal((await broker.record(id))?.state, "queued");
  });
});
