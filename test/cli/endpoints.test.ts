/** Tasks of `[http.TYPE]` through the executable, from the configuration file to the record, on both brokers. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Answering, answerWith, closeEndpoints, type Endpoint, endpointThat } from "../stage/endpoint.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { builtOnce } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const SECRET = "the-secret-between-us";
const METADATA = "http://169.254.169.254/latest/meta-data/";

interface Shown {
  readonly state: string;
  readonly attempt: number;
  readonly result: unknown;
  readonly reason: string | null;
}

describe("an endpoint of the configuration file", () => {
  let stage: Stage;
  let endpoint: Endpoint;
  before(async () => {
    stage = Stage.make();
    endpoint = await endpointThat(answerWith("404 Not Found"));
  });
  after(async () => {
    await stage.end();
    await closeEndpoints();
  });
  const theExecutable = builtOnce(() => join(stage.folder, "bin/taskexe"));

  /** An executor whose types go to the paths of the endpoint that are called like them. */
  async function start(types: readonly string[], more: string, broker: string): Promise<ExecutorProcess> {
    const tables = types.map(
      (type) => `[http.${type}]\nurl = "${endpoint.url(`/${type}`)}"\nsecret_file = "hook.secret"\n${more}\n`,
    );
    await stage.write({ "taskexe.toml": `grace = "5s"\n${tables.join("")}`, "hook.secret": `${SECRET}\n` });
    const program = await theExecutable();
    return stage.executor({
      broker,
      program,
      args: ["--config", stage.path("taskexe.toml")],
    });
  }

  async function enqueue(executor: ExecutorProcess, broker: string, ...args: readonly string[]): Promise<string> {
    const finished = await stage.run(["enqueue", ...args, "--broker", broker], { program: await theExecutable() });
    assert.equal(finished.code, 0, `${finished.stderr}\n${executor.output()}`);
    return finished.stdout.trim();
  }

  async function ended(executor: ExecutorProcess, id: string): Promise<Shown> {
    return until(async () => {
      const { code, body } = await executor.get(`/api/v1/tasks/${encodeURIComponent(id)}`);
      assert.equal(code, 200, body);
      const task = JSON.parse(body) as Shown;
      return ["done", "dead", "cancelled"].includes(task.state) ? task : null;
    });
  }

  const answers: Readonly<Record<string, Answering>> = {
    good: answerWith("200 OK", '{"pages": 12}', { "Content-Type": "application/json" }),
    gone: answerWith("410 Gone", "it moved"),
    metadata: answerWith("302 Found", "", { Location: METADATA }),
    reset: (socket) => socket.resetAndDestroy(),
    never() {},
    slow() {},
  };
  const busy = new Map<string, number>();

  async function scene(broker: string): Promise<void> {
    endpoint.received.length = 0;
    busy.clear();
    endpoint.answer = (socket, received) => {
      const type = received.path.slice(1);
      if (type !== "busy") return answers[type]?.(socket, received);
      const id = received.headers["taskexe-task-id"] ?? "";
      const times = (busy.get(id) ?? 0) + 1;
      busy.set(id, times);
      answerWith(times < 3 ? "503 Busy" : "200 OK", "", { "Retry-After": "0" })(socket, received);
    };
    const types = ["good", "gone", "metadata", "reset", "never", "slow", "busy"];
    const executor = await start(types, 'attempts = 2\nbackoff = "fixed:0s"', broker);
    const payload = '{"n": 9007199254740993}';
    const good = await enqueue(executor, broker, "good", payload);
    const [gone, metadata, reset, never, slow, later] = await Promise.all([
      enqueue(executor, broker, "gone", "1"),
      enqueue(executor, broker, "metadata", "1"),
      enqueue(executor, broker, "reset", "1"),
      enqueue(executor, broker, "never", "1", "--timeout", "100ms", "--attempts", "1"),
      enqueue(executor, broker, "slow", "1"),
      enqueue(executor, broker, "busy", "1"),
    ]);

    const record = await ended(executor, good);
    assert.equal(record.state, "done");
    const { headers, body } = endpoint.received.find(({ path }) => path === "/good") ?? assert.fail();
    assert.equal(body, payload);
    const digest = createHmac("sha256", SECRET).update(`${good}.${headers["webhook-timestamp"]}.${body}`);
    assert.equal(headers["webhook-signature"], `v1,${digest.digest("base64")}`);
    assert.deepEqual(record.result, { pages: 12 });

    const said = async (id: string) => {
      const { state, attempt, reason } = await ended(executor, id);
      return `${state} ${attempt} ${reason}`;
    };
    assert.match(await said(gone), /^dead 1 .*answered 410 Gone: it moved$/);
    assert.match(
      await said(metadata),
      /^dead 1 .*a redirect to http:\/\/169\.254\.169\.254, which is refused: .*link-local/,
    );
    assert.match(await said(reset), /^dead 2 HttpError: POST http:\/\/127\.0\.0\.1:\d+: .*(ECONNRESET|hang up)/);
    assert.match(await said(never), /^dead 1 .*100 ?ms/);
    assert.deepEqual([await said(later), busy.get(later)], ["done 1 null", 3], "to come later costs no attempt");

    await until(() => endpoint.received.some(({ path }) => path === "/slow"));
    const cancelled = await stage.run(["cancel", slow, "--broker", broker], { program: await theExecutable() });
    assert.equal(cancelled.code, 0, cancelled.stderr);
    assert.match(await said(slow), /^cancelled/);

    executor.kill("SIGTERM");
    const left = await executor.ended;
    assert.equal(left.code, 0, executor.output());
    assert.doesNotMatch(executor.output(), new RegExp(SECRET));
    await endpoint.untilClosed();
  }

  test("is called, and how it answers is how the task ends: Redis", SLOW, async () => {
    const redis = await stage.redis();
    await scene(redis.url);
  });

  test("is called, and how it answers is how the task ends: SQLite", SLOW, async () => {
    await scene(`sqlite:${stage.path("queue.db")}`);
  });

  test("of a type that a file defines, too, is refused with both places", SLOW, async () => {
    await stage.write({
      "tasks/good.ts":
        'import { defineTask } from "taskexe";\nexport default defineTask({ type: "good", run() {} });\n',
      "twice.toml": 'tasks = "tasks"\nlisten = "off"\n[http.good]\nurl = "http://127.0.0.1:9/"\n',
    });
    const { code, stderr } = await stage.run(["run", "--config", stage.path("twice.toml")], {
      program: await theExecutable(),
    });
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      /two handlers for the type "good": .*twice\.toml:\[http\.good\] and .*tasks\/good\.ts; remove/,
    );
  });

  test("whose secret cannot be read is refused before anything is claimed", SLOW, async () => {
    await stage.write({
      "none.toml": 'listen = "off"\n[http.good]\nurl = "http://127.0.0.1:9/"\nsecret_file = "nowhere"\n',
    });
    const { code, stderr } = await stage.run(["run", "--config", stage.path("none.toml")], {
      program: await theExecutable(),
    });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /none\.toml:\[http\.good\] secret_file: the file .*nowhere cannot be read: no such file/);
  });
});
