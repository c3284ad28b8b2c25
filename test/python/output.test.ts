/** What Python handlers print and log goes to the log of their task; progress is told as it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "./worker.ts";

const SLOW = { timeout: 60_000 };

test("each line that is printed is a line of the run's log, the last one without its end, too", SLOW, async () => {
  await using worker = new Worker(`
import sys, os, threading
print("while it loads")
@task("print")
def printing(payload):
    print("one", 1)
    print("half", end="")
    print(" and half")
    print("to stderr", file=sys.stderr)
    for n in range(3): sys.stderr.write(f"\\r{n} of 3")
    thread = threading.Thread(target=lambda: print("from a thread"))
    thread.start(); thread.join()
    print("a\\n\\nb", end="")
    os.write(1, b"past Python\\n")
`);
  const [run, second] = [worker.run("print"), worker.run("print")];
  await worker.ending(second);
  const lines = [
    ["info", "one 1"],
    ["info", "half and half"],
    ["warn", "to stderr"],
    ["info", "from a thread"],
    ["info", "a"],
    ["info", ""],
    ["warn", "2 of 3"],
    ["info", "b"],
  ];
  for (const number of [run, second]) {
    const told = worker.logs(number).map(({ level, text }) => [level, text]);
    assert.deepEqual(told.slice(0, 6), lines.slice(0, 6));
    assert.deepEqual(told.slice(6).sort(), lines.slice(6).sort());
  }
  worker.send({ kind: "stop" });
  await worker.exit();
  assert.equal(worker.output, "while it loads\npast Python\npast Python\n");
});

test("log lines have levels and fields, whatever stands in them", SLOW, async () => {
  await using worker = new Worker(`
@task("log")
def logging_(payload):
    log.debug("d"); log.warn("w"); log.warning("w2"); log.error("e")
    log.info("resized", width=40, odd={1}, nan=float("nan"), deep={"a": [None]})
    log.info("x" * 100_000)
    log.info("half \\ud800 é")
`);
  const run = worker.run("log");
  await worker.ending(run);
  const logs = worker.logs(run);
  assert.deepEqual(
    logs.slice(0, 5).map(({ level, text }) => [level, text]),
    [
      ["debug", "d"],
      ["warn", "w"],
      ["warn", "w2"],
      ["error", "e"],
      ["info", "resized"],
    ],
  );
  assert.deepEqual(logs[4]?.fields, { width: 40, odd: "{1}", nan: "nan", deep: { a: [null] } });
  assert.match(logs[5]?.text ?? "", /^x{10000,}\.\.\. \(100000 long\)$/);
  assert.equal(logs[6]?.text, "half \ud800 é");
});

test("the logging module's lines arrive, with their extras, also where the program has set it up", SLOW, async () => {
  const handler = `
@task("log")
def handler(payload):
    logging.getLogger("lib").info("got %d", 3, extra={"page": 4})
    try: 1 / 0
    except ZeroDivisionError: logging.exception("it failed")
`;
  await using plain = new Worker(`import logging\n${handler}`);
  const run = plain.run("log");
  await plain.ending(run);
  const [info, error] = plain.logs(run);
  assert.deepEqual([info?.level, info?.text, info?.fields], ["info", "got 3", { page: 4, logger: "lib" }]);
  assert.deepEqual([error?.level, error?.fields], ["error", { logger: "root" }]);
  assert.match(error?.text ?? "", /^it failed\nTraceback .*ZeroDivisionError: division by zero$/s);
  await using own = new Worker(
    `import logging\nlogging.basicConfig(level="DEBUG", format="(%(message)s)")\n${handler}`,
  );
  await own.ending(own.run("log"));
  assert.equal(own.logs(1)[0]?.text, "(got 3)");
});

test("progress is told at once, and what is none is refused", SLOW, async () => {
  await using worker = new Worker(`
@task("progress")
def telling(payload):
    progress(0); progress(0.5, "half"); progress(-1); progress(1)
    refused = []
    for value in (2, -0.5, float("nan"), "1"):
        try: progress(value)
        except ValueError as error: refused.append(str(error))
    return refused
`);
  const run = worker.run("progress");
  const refused = (await worker.result(run)) as string[];
  assert.equal(refused.length, 4);
  assert.equal(refused[0], "progress takes a number from 0 to 1, or -1 for failed; got 2");
  const told = worker.messages.filter((message) => message.kind === "progress");
  assert.deepEqual(
    told.map(({ value, message }) => [value, message]),
    [
      [0, ""],
      [0.5, "half"],
      [-1, ""],
      [1, ""],
    ],
  );
});

test("without a run, a line is the executor's; without a worker, progress is an error", SLOW, async () => {
  await using worker = new Worker(`
import threading, time
@task("start")
def start(payload):
    threading.Thread(target=later, daemon=True).start()
def later():
    time.sleep(0.05)
    while True:
        try: current()
        except RuntimeError as error:
            print("nobody's line"); log.warn(str(error))
            return
        time.sleep(0.01)
`);
  await worker.ending(worker.run("start"));
  await worker.said("log", ({ text }) => text.startsWith("no attempt runs here"));
  assert.deepEqual(
    worker.logs().map(({ level, text }) => [level, text.slice(0, 13)]),
    [
      ["info", "nobody's line"],
      ["warn", "no attempt ru"],
    ],
  );
});

for (const serve of ["", "concurrency=4"]) {
  test(`a thread that a handler left behind says nothing of its run any more (${serve || "alone"})`, SLOW, async () => {
    await using worker = new Worker(
      `
import threading
refused = []
@task("leave")
def leave(payload, attempt):
    def chat():
        while True:
            attempt._host.say_log("info", "chat", None, attempt)
            try: attempt.progress(0.5)
            except RuntimeError as error: return refused.append(str(error))
    threading.Thread(target=chat).start()
@task("refused")
def told(payload): return refused
`,
      { serve },
    );
    // Any line of a run that has ended fails the test.
    for (let round = 0; round < 300; round++) await worker.ending(worker.run("leave"));
    const refused = (await worker.result(worker.run("refused"))) as string[];
    assert.ok(refused.includes("the attempt has ended: it has no progress any more"));
  });
}
