/**
 * Spans of tasks on the executable, with each broker, told to a collector over HTTP: how a task was sent and how each
 * attempt went, with parents and links right, whatever runs it.
 */
import assert from "node:assert/strict";
import { copyFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Collector, type Span } from "../stage/collector.ts";
import { ROOT } from "../stage/command.ts";
import { answerWith, closeEndpoints, type Endpoint, endpointThat } from "../stage/endpoint.ts";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { builtOnce, type Program } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";
const HEADERS = { traceparent: `00-${TRACE}-${CALLER}-01`, tracestate: "vendor=1" };
const SECRET = "s3cret-of-the-collector";

const PYTHON = `
import os
from taskexe_worker import *
@task("snake")
def snake(payload, attempt):
    log.info("in python")
    enqueue("script", None, id=attempt.id + "-child")
    return [attempt.traceparent, sorted(name for name in os.environ if "HEADERS" in name)]
serve()
`;
const HANDLERS = `
import { defineTask } from "taskexe";
export const script = defineTask({ type: "script", run: ({ traceparent }) => traceparent });
export const failing = defineTask({ type: "failing", attempts: 2, backoff: () => 1, run({ attempt, traceparent }) {
  if (attempt === 1) throw new RangeError("not yet");
  return traceparent;
} });
export const dying = defineTask({ type: "dying", attempts: 1, run() { throw new TypeError("never"); } });
`;
/** As a handler's own tracing registers itself. */
const OWN_TRACING = `
import { AsyncLocalStorage } from "node:async_hooks";
import { context, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { defineTask } from "taskexe";
const store = new AsyncLocalStorage();
context.setGlobalContextManager({
  active: () => store.getStore() ?? ROOT_CONTEXT,
  with: (kept, run, self, ...args) => store.run(kept, () => run.apply(self, args)),
  bind: (kept, run) => run,
  enable() { return this; },
  disable() { return this; },
});
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
export const own = defineTask({ type: "own", async run({ task, enqueue }) {
  await new Promise((resolve) => setTimeout(resolve, 1));
  const { traceId, spanId } = trace.getActiveSpan().spanContext();
  const inner = { traceId, spanId: "00f067aa0ba902b7", traceFlags: 1 };
  const within = trace.setSpanContext(context.active(), inner);
  await context.with(within, () => enqueue("script", null, { id: task.id + "-child" }));
  return traceId + "-" + spanId;
} });
`;

const idOf = ({ traceId, spanId }: Span): string => `${traceId}-${spanId}`;
const parentOf = ({ traceId, spanId }: Span): string => `00-${traceId}-${spanId}-01`;

describe("spans of tasks", () => {
  const stage = Stage.make();
  const executable = builtOnce(() => stage.path("taskexe"));
  let program: Program;
  let endpoint: Endpoint;
  let collector: Collector;

  before(async () => {
    program = await executable();
    collector = await Collector.listening();
    endpoint = await endpointThat(answerWith("200 OK"));
    await copyFile(join(ROOT, "python/taskexe_worker.py"), stage.path("taskexe_worker.py"));
    await symlink(join(ROOT, "node_modules"), stage.path("node_modules"));
    await stage.write({
      "snake.py": PYTHON,
      "tasks.mjs": HANDLERS,
      "own.mjs": OWN_TRACING,
      "taskexe.toml": `
tasks = ["tasks.mjs", "own.mjs"]
[worker.snake]
command = ["python3", "snake.py"]
[exec.command]
command = ["sh", "-c", 'env | grep -c HEADERS >&2; printf "\\"%s\\"" "$TRACEPARENT"']
[http.endpoint]
url = "${endpoint.url()}"
allow = ["127.0.0.1"]
`,
    });
  }, SLOW);
  after(async () => {
    await closeEndpoints();
    await collector.close();
    await stage.end();
  });

  function start(
    broker: string,
    name: string,
    env: Record<string, string> = {},
    concurrency = 5,
  ): Promise<ExecutorProcess> {
    const own = { ...collector.environment, OTEL_EXPORTER_OTLP_HEADERS: `authorization=${SECRET}`, ...env };
    const args = ["--config", stage.path("taskexe.toml"), "--log", "json", "--name", name];
    return stage.executor({ program, broker, folder: stage.path(name), args, concurrency, env: own });
  }

  async function post(executor: ExecutorProcess, task: object, headers: Record<string, string> = {}): Promise<void> {
    const answer = await fetch(`${executor.url}/api/v1/tasks`, {
      ...{ method: "POST", body: JSON.stringify(task) },
      headers: { "Content-Type": "application/json", ...headers },
    });
    assert.equal(answer.status, 201, await answer.text());
  }

  async function ended(executor: ExecutorProcess, id: string, state = "done") {
    return until(`${id} is ${state}`, 110_000, async () => {
      const { code, body } = await executor.get(`/api/v1/tasks/${id}`);
      const task = JSON.parse(body);
      return code === 200 && task.state === state ? task : null;
    });
  }

  for (const kind of ["sqlite", "redis"]) {
    test(`of what is sent and what runs it, with ${kind}`, SLOW, async () => {
      const broker = kind === "redis" ? (await stage.redis()).url : `sqlite:${stage.path("queue.db")}`;
      const name = `executor-${kind}`;
      const executor = await start(broker, name, {
        ...{ OTEL_SERVICE_NAME: "documents", OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test%20one" },
      });
      const id = (type: string) => `${kind}-${type}`;
      const types = ["snake", "command", "endpoint", "failing", "own"];
      for (const type of types) await post(executor, { id: id(type), type }, HEADERS);
      for (const type of types) await ended(executor, id(type));

      for (const type of types) {
        const sent = await collector.span(id(type));
        assert.deepEqual([sent.name, sent.kind, sent.traceId], ["send common", 4, TRACE]);
        assert.deepEqual([sent.parentSpanId, sent.links, sent.status], [CALLER, [], 0]);
        assert.deepEqual(sent.attributes, {
          "messaging.system": "taskexe",
          "messaging.operation.name": "send",
          "messaging.operation.type": "send",
          "messaging.destination.name": "common",
          "messaging.client.id": name,
          "messaging.message.id": id(type),
          "taskexe.task.type": type,
        });
        const ran = await collector.span(id(type), 1);
        assert.deepEqual([ran.name, ran.kind, ran.parentSpanId], ["process common", 5, ""]);
        assert.deepEqual(ran.links, [idOf(sent)], "linked to whoever has sent it");
        assert.notEqual(ran.traceId, TRACE);
        assert.equal(ran.resource["service.name"], "documents");
        assert.equal(ran.resource["deployment.environment.name"], "test one");
      }

      const snake = await collector.span(id("snake"), 1);
      assert.deepEqual(snake.attributes, {
        "messaging.system": "taskexe",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "common",
        "messaging.client.id": name,
        "messaging.consumer.group.name": "rag_flow_svr_task_broker",
        "messaging.message.id": id("snake"),
        "taskexe.task.type": "snake",
        "taskexe.task.attempt": 1,
        "taskexe.task.outcome": "done",
      });
      assert.deepEqual((await ended(executor, id("snake"))).result, [parentOf(snake), []], "no secret is there");
      const command = await collector.span(id("command"), 1);
      assert.equal((await ended(executor, id("command"))).result, parentOf(command));
      const { headers } = endpoint.received.at(-1) ?? assert.fail();
      assert.equal(headers.traceparent, parentOf(await collector.span(id("endpoint"), 1)));

      const [first, second] = [await collector.span(id("failing"), 1), await collector.span(id("failing"), 2)];
      assert.deepEqual(first.links, second.links, "each attempt has a span, and both the same link");
      assert.deepEqual([first.status, first.attributes["error.type"]], [2, "RangeError"]);
      assert.deepEqual([second.status, second.attributes["error.type"]], [0, undefined]);
      assert.deepEqual(
        [first, second].map(({ attributes }) => attributes["taskexe.task.outcome"]),
        ["retry", "done"],
      );
      assert.equal((await ended(executor, id("failing"))).result, parentOf(second));

      const child = await collector.span(id("snake-child"));
      assert.deepEqual([child.traceId, child.parentSpanId], [snake.traceId, snake.spanId], "a child of the attempt");
      assert.deepEqual((await collector.span(id("snake-child"), 1)).links, [idOf(child)]);

      const own = await collector.span(id("own"), 1);
      assert.equal((await ended(executor, id("own"))).result, idOf(own), "active for a handler's own tracing");
      const ofOwn = await collector.span(id("own-child"));
      assert.deepEqual([ofOwn.traceId, ofOwn.parentSpanId], [own.traceId, "00f067aa0ba902b7"]);

      await post(executor, { id: id("dying"), type: "dying" });
      await ended(executor, id("dying"), "dead");
      const dead = await collector.span(id("dying"), 1);
      assert.deepEqual([dead.status, dead.attributes["error.type"]], [2, "TypeError"]);
      assert.equal((await collector.span(id("dying"))).parentSpanId, "", "nobody's trace: one of its own");

      const lines = executor
        .output()
        .split("\n")
        .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
      const said = lines.find(({ message }) => message === "in python");
      assert.equal(said?.trace_id, snake.traceId);
      assert.ok(collector.headers.every(({ authorization }) => authorization === SECRET));
      assert.ok(!executor.output().includes(SECRET));
      const { spans } = await executor.status();
      assert.ok(spans !== undefined && spans.exported >= 12 && spans.dropped === 0, JSON.stringify(spans));
    });
  }

  test(
    "are sent before an executor leaves; as children, and with calls of the broker, where that is set",
    SLOW,
    async () => {
      const executor = await start(`sqlite:${stage.path("calls.db")}`, "calls", {
        ...{ TASKEXE_TRACE_ATTEMPTS: "child", TASKEXE_TRACE_CALLS: "1", OTEL_BSP_SCHEDULE_DELAY: "600000" },
      });
      await post(executor, { id: "calls", type: "script" }, HEADERS);
      await ended(executor, "calls");
      assert.equal(await drained(executor), 0);
      const [sent, ran] = [await collector.span("calls"), await collector.span("calls", 1)];
      assert.deepEqual([ran.traceId, ran.parentSpanId, ran.links], [TRACE, sent.spanId, []]);
      for (const operation of ["receive", "settle"]) {
        const call = collector.spans.find(
          ({ name, links }) => name === `${operation} common` && links.includes(idOf(sent)),
        );
        assert.deepEqual([call?.kind, call?.attributes["messaging.batch.message_count"]], [3, 1], operation);
      }
    },
  );

  test("of the command line and of schedules", SLOW, async () => {
    const broker = `sqlite:${stage.path("ways.db")}`;
    const executor = await start(broker, "ways");
    const told = { ...collector.environment, OTEL_EXPORTER_OTLP_HEADERS: `authorization=${SECRET}` };
    const env = { ...told, TRACEPARENT: HEADERS.traceparent };
    const run = async (...args: string[]) => {
      const { code, stderr } = await stage.run([...args, "--broker", broker], { program, env });
      assert.equal(code, 0, stderr);
    };
    await run("enqueue", "script", "--id", "one");
    const one = await collector.span("one");
    assert.deepEqual([one.traceId, one.parentSpanId], [TRACE, CALLER]);
    assert.deepEqual((await collector.span("one", 1)).links, [idOf(one)]);

    await run("cron", "add", "often", "* * * * * *", "script");
    const fired = await until("a run of the schedule was sent", 60_000, () =>
      collector.spans.find(({ name, attributes }) => {
        return name === "send common" && String(attributes["messaging.message.id"]).startsWith("cron-often-");
      }),
    );
    assert.deepEqual([fired.parentSpanId, fired.attributes["messaging.client.id"]], ["", "ways"]);
    const id = String(fired.attributes["messaging.message.id"]);
    assert.deepEqual((await collector.span(id, 1)).links, [idOf(fired)]);
    await run("cron", "remove", "often");
    await ended(executor, id);
  });

  test("where nobody is asked for them are a hundredth, and what a caller has sampled", SLOW, async () => {
    const executor = await start(`sqlite:${stage.path("sampled.db")}`, "sampled", { OTEL_TRACES_SAMPLER: "" }, 100);
    const tasks = Array.from({ length: 1_000 }, (_, n) => ({ id: `rare-${n}`, type: "noop" }));
    const answer = await fetch(`${executor.url}/api/v1/tasks`, {
      ...{ method: "POST", body: JSON.stringify({ tasks }), headers: { "Content-Type": "application/json" } },
    });
    assert.equal(answer.status, 200, await answer.text());
    await post(executor, { id: "wanted", type: "script" }, HEADERS);
    const unwanted = HEADERS.traceparent.replace(/01$/, "00");
    await post(executor, { id: "unwanted", type: "script" }, { traceparent: unwanted });
    assert.match((await ended(executor, "unwanted")).result, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    for (const { id } of tasks.slice(-3)) await ended(executor, id);
    await collector.span("wanted", 1);
    assert.equal(await drained(executor), 0);
    const ids = collector.spans.map(({ attributes }) => String(attributes["messaging.message.id"]));
    assert.ok(!ids.includes("unwanted"));
    const rare = new Set(ids.filter((id) => id.startsWith("rare-")));
    assert.ok(rare.size < 60, `${rare.size} of 1 000`);
    for (const id of rare) assert.equal(ids.filter((each) => each === id).length, 2, "sent and ran, or neither");
  });

  test("that nobody takes hold no task up: they are dropped and counted", { timeout: 600_000 }, async () => {
    for (const status of [503, null]) {
      collector.status = status;
      const name = `away-${status}`;
      const executor = await start(
        `sqlite:${stage.path(`${name}.db`)}`,
        name,
        { OTEL_EXPORTER_OTLP_TIMEOUT: "500" },
        100,
      );
      const tasks = Array.from({ length: 1_000 }, (_, n) => ({ id: `n-${n}`, type: "noop" }));
      for (let round = 0; round < 2; round++) {
        const body = JSON.stringify({ tasks: tasks.map((task) => ({ ...task, id: `${round}-${task.id}` })) });
        const headers = { "Content-Type": "application/json" };
        assert.equal((await fetch(`${executor.url}/api/v1/tasks`, { method: "POST", body, headers })).status, 200);
      }
      await until("all are done", 240_000, async () => (await executor.status()).done === 2_000);
      await until("spans are dropped", 60_000, async () => ((await executor.status()).spans?.dropped ?? 0) > 1_500);
      await until("the log says why", 60_000, () => executor.output().includes("Spans are dropped and counted"));
      assert.equal(await drained(executor), 0);
      collector.status = 200;
    }
  });
});
