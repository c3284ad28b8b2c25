/**
 * A trace that a task was enqueued in reaches whatever runs it, by each way in, on the executable with each broker,
 * while nobody here exports anything.
 */
import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { answerWith, closeEndpoints, type Endpoint, endpointThat } from "../stage/endpoint.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { builtOnce, type Program } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const TRACESTATE = "vendor=1,other=x";

const PYTHON = `
from taskexe_worker import *
@task("snake")
def snake(payload, attempt):
    log.info("in python")
    return [attempt.traceparent, attempt.tracestate]
serve()
`;
const HANDLERS = `
import { defineTask } from "taskexe";
export const child = defineTask({ type: "child", run: ({ traceparent, tracestate }) => [traceparent, tracestate] });
export const script = defineTask({ type: "script", attempts: 2, backoff: () => 1, async run(context) {
  const { traceparent, tracestate, attempt, enqueue, log } = context;
  log.info("in a runner");
  if (attempt === 1) throw new Error("once more");
  await enqueue(child, null, { id: context.task.id + "-child" });
  return [traceparent, tracestate];
} });
`;

describe("the trace of a task", () => {
  const stage = Stage.make();
  const executable = builtOnce(() => stage.path("taskexe"));
  let program: Program;
  let endpoint: Endpoint;

  before(async () => {
    program = await executable();
    endpoint = await endpointThat(answerWith("200 OK"));
    await copyFile(join(ROOT, "python/taskexe_worker.py"), stage.path("taskexe_worker.py"));
    await stage.write({
      "snake.py": PYTHON,
      "tasks.mjs": HANDLERS,
      "taskexe.toml": `
tasks = ["tasks.mjs"]
[worker.snake]
command = ["python3", "snake.py"]
[exec.command]
command = ["sh", "-c", 'printf "[\\"%s\\",\\"%s\\"]" "$TRACEPARENT" "$TRACESTATE"']
[http.endpoint]
url = "${endpoint.url()}"
allow = ["127.0.0.1"]
`,
    });
  }, SLOW);
  after(async () => {
    await closeEndpoints();
    await stage.end();
  });

  /** Enqueues it over HTTP in that trace. */
  async function post(executor: ExecutorProcess, task: object, headers: Record<string, string>): Promise<void> {
    const body = JSON.stringify(task);
    const answer = await fetch(`${executor.url}/api/v1/tasks`, {
      ...{ method: "POST", body },
      headers: { "Content-Type": "application/json", ...headers },
    });
    assert.equal(answer.status, 201, await answer.text());
  }

  async function done(executor: ExecutorProcess, id: string): Promise<unknown> {
    return until(`${id} is done`, 60_000, async () => {
      const { code, body } = await executor.get(`/api/v1/tasks/${id}`);
      const { state, result } = JSON.parse(body);
      return code === 200 && state === "done" ? { result } : null;
    });
  }

  for (const broker of ["sqlite", "redis"]) {
    test(`goes from a header, a message and the environment to every handler, with ${broker}`, SLOW, async () => {
      const url = broker === "redis" ? (await stage.redis()).url : `sqlite:${stage.path("queue.db")}`;
      const args = ["--config", stage.path("taskexe.toml"), "--log", "json"];
      const executor = await stage.executor({ program, broker: url, folder: stage.path(broker), args });
      const traced = { traceparent: TRACEPARENT, tracestate: TRACESTATE };
      const both = { result: [TRACEPARENT, TRACESTATE] };

      for (const type of ["snake", "command", "script", "endpoint"]) await post(executor, { id: type, type }, traced);
      assert.deepEqual(await done(executor, "snake"), both);
      assert.deepEqual(await done(executor, "command"), both);
      assert.deepEqual(await done(executor, "script"), both);
      assert.deepEqual(await done(executor, "script-child"), both);
      await done(executor, "endpoint");
      const { headers } = endpoint.received.at(-1) ?? assert.fail();
      assert.deepEqual([headers.traceparent, headers.tracestate], [TRACEPARENT, TRACESTATE]);

      await post(executor, { id: "bad", type: "snake" }, { traceparent: TRACEPARENT.replace("00-", "ff-") });
      assert.deepEqual(await done(executor, "bad"), { result: [null, null] });

      const env = { TRACEPARENT, TRACESTATE };
      const enqueued = await stage.run(["enqueue", "snake", "--id", "cli", "--broker", url], { program, env });
      assert.equal(enqueued.code, 0, enqueued.stderr);
      assert.deepEqual(await done(executor, "cli"), both);

      const lines = executor
        .output()
        .split("\n")
        .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
      const ofTrace = lines.filter(({ trace_id }) => trace_id === TRACE).map(({ message }) => message);
      for (const said of ["in python", "in a runner", "Attempt 1 of script (script) failed: once more"]) {
        assert.ok(ofTrace.includes(said), `${said} in ${JSON.stringify(ofTrace)}`);
      }
      const ofBad = lines.filter(({ id }) => id === "bad");
      assert.ok(ofBad.length > 0 && ofBad.every((line) => !("trace_id" in line)), JSON.stringify(ofBad));
    });
  }

  test("of a foreign message stands at its top, and the message comes as it was written", SLOW, async () => {
    const redis = await stage.redis();
    const message = JSON.stringify({ id: "foreign", task_type: "snake", doc: 1, traceparent: TRACEPARENT });
    const args = ["--config", stage.path("taskexe.toml")];
    const executor = await stage.executor({ program, broker: redis.url, folder: stage.path("foreign"), args });
    await redis.cli(["XADD", "te.0.common", "*", "message"], message);
    assert.deepEqual(await done(executor, "foreign"), { result: [TRACEPARENT, null] });
  });
});
