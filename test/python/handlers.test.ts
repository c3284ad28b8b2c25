/** What Python handlers are given, what becomes of what they return and raise, and what they say of their types. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { optionsOfType } from "../../src/runner-protocol/manifest-of-type.ts";
import { recordOfWire } from "../../src/runner-protocol/wire-error.ts";
import { type Said, Worker } from "./worker.ts";

const SLOW = { timeout: 60_000 };

test("a worker says what it is and has, and what each of its types wants", SLOW, async () => {
  await using worker = new Worker(`
from datetime import timedelta
@task("plain")
def plain(): ...
@task("full", attempts=5, backoff="exponential:1s:10m", crash_budget=2, timeout=1.5, retention="1d", queue="slow",
      priority=1, delay="500ms", deadline=timedelta(hours=1), unique={"for": "until-done"}, isolation="own",
      payload_schema={"type": "object"})
def full(payload): ...
@task("asked", backoff=lambda attempt, error: attempt, unique="one")
def asked(payload, attempt): ...
`);
  const { language, pid, concurrency, types, files } = await worker.said("hello");
  assert.deepEqual([language, pid, concurrency], ["python", worker.child.pid, 1]);
  assert.match(files?.join() ?? "", /^\S+handlers\.py$/);
  assert.deepEqual(types[0], { type: "plain" });
  assert.deepEqual(types[2], { type: "asked", unique: { key: "one" } });
  assert.deepEqual([types[1]?.isolation, types[1]?.payload_schema], ["own", { type: "object" }]);
  assert.deepEqual(types[1] && optionsOfType(types[1]), {
    attempts: 5,
    backoff: { kind: "exponential", delay_ms: 1_000, max_ms: 600_000 },
    crashBudget: 2,
    timeoutMs: 1_500,
    retentionMs: 86_400_000,
    queue: "slow",
    priority: 1,
    delayMs: 500,
    deadlineMs: 3_600_000,
    unique: { key: undefined, forMs: "until-done" },
    isolation: "own",
  });
});

test("payloads and results are exact, also beyond what JavaScript can count", SLOW, async () => {
  await using worker = new Worker(`
@task("echo")
def echo(payload): return payload
@task("text")
def text(payload): return repr(payload)
@task("none")
def none(): return None
`);
  const payload = { a: [1, 2.5, null, true, "é \u2028 \ud83d\ude00"], b: { "": -0.1 } };
  assert.deepEqual(await worker.result(worker.run("echo", payload)), payload);
  assert.equal(await worker.result(worker.runText("text", "123456789012345678901")), "123456789012345678901");
  assert.equal(await worker.result(worker.runText("text", '{"a":\n\t1}')), "{'a': 1}");
  assert.deepEqual(await worker.result(worker.runText("echo", '"\\ud800"')), "\ud800");
  assert.deepEqual(await worker.ending(worker.run("none")), { kind: "done", run: 5 });
  assert.deepEqual(await worker.result(worker.runMessage("echo", '{"id":"x","other":[1]}')), { id: "x", other: [1] });
});

test("a payload of 15 MiB arrives in many pieces, and its neighbours are not disturbed", SLOW, async () => {
  await using worker = new Worker(`
@task("length")
def length(payload): return len(payload)
`);
  const runs = [3, 15 * 1024 * 1024, 5].map((length) => worker.run("length", "x".repeat(length)));
  assert.deepEqual(await Promise.all(runs.map((run) => worker.result(run))), [3, 15 * 1024 * 1024, 5]);
});

test("what Python cannot read fails for good, and the next run is fine", SLOW, async () => {
  await using worker = new Worker(`
@task("echo")
def echo(payload): return payload
`);
  const deep = await worker.failure(worker.runText("echo", "[".repeat(200_000) + "]".repeat(200_000)));
  assert.deepEqual([deep.retry, deep.error.name], [false, "PayloadError"]);
  assert.equal(await worker.result(worker.run("echo", 1)), 1);
});

test("a result that is no JSON, or too large, is left out, and the end says why", SLOW, async () => {
  await using worker = new Worker(`
@task("odd")
def odd(payload): return {"set": {1}, "nan": float("nan"), "long": "x" * 9_000_000}[payload]
@task("lazy")
def lazy(): return sub()
async def sub(): ...
`);
  for (const [payload, why] of [
    ["set", /Object of type set is not JSON serializable/],
    ["nan", /Out of range float values are not JSON compliant/],
    ["long", /longer than 8388608 bytes/],
  ] as const) {
    const run = worker.run("odd", payload);
    const { omitted, ...ending } = (await worker.ending(run)) as Said<"done">;
    assert.deepEqual(ending, { kind: "done", run });
    assert.match(omitted ?? "", why);
  }
  assert.match((await worker.failure(worker.run("lazy"))).error.message, /define it with `async def`/);
});

test(
  "an error tells its name, its text, its stack without this worker's own lines, its cause and parts",
  SLOW,
  async () => {
    await using worker = new Worker(`
class Odd(Exception):
    pass
@task("fail")
def fail(payload):
    try:
        {}["key"]
    except KeyError as error:
        raise Odd("it broke") from error
class Group(Exception):
    def __init__(self): self.exceptions = (ValueError("one"), OSError(2, "two"))
@task("group")
def group(): raise Group()
@task("exit")
def leave(): import sys; sys.exit(3)
@task("deep")
def deep():
    error = None
    for n in range(100):
        new = ValueError(f"{n} " + "x" * 10_000); new.__cause__ = error; error = new
    raise error
@task("endless")
def endless(): endless()
`);
    const { error, retry, later } = await worker.failure(worker.run("fail"));
    assert.deepEqual([error.name, error.message, retry, later], ["Odd", "it broke", true, false]);
    assert.match(
      error.stack ?? "",
      /handlers\.py", line \d+, in fail\n.*raise Odd\("it broke"\) from error\n.*Odd: it broke$/s,
    );
    assert.doesNotMatch(error.stack ?? "", /taskexe_worker\.py/);
    assert.deepEqual(
      error.errors?.map(({ name, message }) => [name, message]),
      [["KeyError", "'key'"]],
    );
    const group = (await worker.failure(worker.run("group"))).error;
    assert.deepEqual(
      group.errors?.map(({ name, message }) => [name, message]),
      [
        ["ValueError", "one"],
        ["FileNotFoundError", "[Errno 2] two"],
      ],
    );
    const exit = (await worker.failure(worker.run("exit"))).error;
    assert.deepEqual([exit.name, exit.message], ["SystemExit", "the handler called sys.exit(3)"]);
    const deep = (await worker.failure(worker.run("deep"))).error;
    assert.ok(JSON.stringify(deep).length < 100_000, "bounded");
    assert.ok(recordOfWire(deep).parts !== undefined);
    assert.equal((await worker.failure(worker.run("endless"))).error.name, "RecursionError");
  },
);

test("a group of Python's own tells its parts", SLOW, async (context) => {
  await using worker = new Worker(`
import sys
@task("version")
def version(): return sys.version_info[:2] >= (3, 11)
@task("group")
def group(): raise ExceptionGroup("both", [ValueError("one"), ExceptionGroup("in", [TypeError("two")])])
`);
  if ((await worker.result(worker.run("version"))) !== true) return context.skip("Python 3.11 has groups");
  const { error } = await worker.failure(worker.run("group"));
  assert.deepEqual([error.name, error.message], ["ExceptionGroup", "both (2 sub-exceptions)"]);
  assert.deepEqual(
    error.errors?.map(({ name }) => name),
    ["ValueError", "ExceptionGroup"],
  );
  assert.equal(error.errors?.[1]?.errors?.[0]?.message, "two");
});

test("a handler says that no attempt can help, or asks for a later one, or when the next is due", SLOW, async () => {
  await using worker = new Worker(`
@task("never")
def never(): raise DoNotRetry("the file is gone")
@task("later")
def later(): raise RetryLater("2m", "the service is busy")
@task("asked", backoff=lambda attempt, error: attempt * (10 if isinstance(error, OSError) else 1))
def asked(payload): raise {"os": OSError, "value": ValueError}[payload]()
@task("wrong", backoff=lambda attempt, error: "soon")
def wrong(): raise ValueError()
@task("slow", backoff=lambda attempt, error: 0.1 * attempt if isinstance(error, TimeoutError) else 7)
def slow(): sleep(1_000)
`);
  const never = await worker.failure(worker.run("never"));
  assert.deepEqual([never.retry, never.error.name, never.error.message], [false, "DoNotRetry", "the file is gone"]);
  const later = await worker.failure(worker.run("later"));
  assert.deepEqual([later.later, later.retry_in_ms, later.error.message], [true, 120_000, "the service is busy"]);
  const asks = { attempt: 3, asks_for_delay: true };
  assert.equal((await worker.failure(worker.run("asked", "os", asks))).retry_in_ms, 30_000);
  assert.equal((await worker.failure(worker.run("asked", "value", asks))).retry_in_ms, 3_000);
  assert.equal((await worker.failure(worker.run("asked", "os"))).retry_in_ms, undefined, "it is not asked for");
  const wrong = worker.run("wrong", null, asks);
  assert.equal((await worker.failure(wrong)).retry_in_ms, undefined);
  assert.match(worker.logs(wrong)[0]?.text ?? "", /the backoff function failed/);
  const late = worker.run("slow", null, asks);
  await worker.begun(late);
  worker.send({ kind: "cancel", run: late, reason: "timeout", grace_ms: 1_000 });
  assert.deepEqual(await worker.ending(late), { kind: "stopped", run: late, begun: true, retry_in_ms: 300 });
});

test(
  "a payload passes the handler's check, which may make something of it; a refused one is not tried again",
  SLOW,
  async () => {
    await using worker = new Worker(`
import dataclasses
@dataclasses.dataclass
class Point:
    x: int
    def __post_init__(self):
        if not isinstance(self.x, int): raise ValueError("x: expected a whole number")
@task("point", payload=lambda payload: Point(**payload))
def point(payload): return payload.x + 1
class Model:  # as pydantic's
    @classmethod
    def model_validate(cls, payload): return ("model", payload)
    @classmethod
    def model_json_schema(cls): return {"title": "Model"}
@task("model", payload=Model)
def model(payload, attempt): return [payload, attempt.payload]
`);
    assert.deepEqual((await worker.said("hello")).types[1]?.payload_schema, { title: "Model" });
    assert.equal(await worker.result(worker.run("point", { x: 1 })), 2);
    assert.deepEqual(await worker.result(worker.run("model", 7)), [["model", 7], 7]);
    const refused = await worker.failure(worker.run("point", { x: "1" }));
    assert.deepEqual([refused.retry, refused.error.name, refused.error.stack], [false, "PayloadError", undefined]);
    assert.match(refused.error.message, /refused by the handler of "point": ValueError: x: expected a whole number/);
  },
);

test("an attempt knows its task, its number, its deadline and its trace", SLOW, async () => {
  await using worker = new Worker(`
@task("tell")
def tell(payload, attempt):
    assert attempt is current()
    left = attempt.remaining()
    return [attempt.id, attempt.type, attempt.task["queue"], attempt.attempt, attempt.crashes, attempt.trace,
            left is not None and 50 < left <= 60, attempt.cancel_reason, attempt.cancelled.is_set(),
            attempt.traceparent, attempt.tracestate]
`);
  const run = worker.run("tell", null, {
    ...{ attempt: 2, crashes: 1, trace: "00-aa-bb-01", tracestate: "a=1", deadline_in_ms: 60_000 },
  });
  const told = ["task-1", "tell", "common", 2, 1, "00-aa-bb-01", true, null, false, "00-aa-bb-01", "a=1"];
  assert.deepEqual(await worker.result(run), told);
});

test("a type that it has no handler of fails, and may be tried elsewhere", SLOW, async () => {
  await using worker = new Worker(`
@task("known")
def known(): ...
`);
  const { error, retry } = await worker.failure(worker.run("other"));
  assert.deepEqual([error.name, retry], ["UnknownTypeError", true]);
  assert.equal(error.message, 'this worker has no handler of "other"; it has known');
});
