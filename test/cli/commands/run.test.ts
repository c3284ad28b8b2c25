/** An executor as a process: its start, its signals, its end. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { VERSION } from "../../../src/version.ts";
import type { Command } from "../../stage/command.ts";
import { LEDGER_TASKS } from "../../stage/ledger/ledger.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

let stage: Stage;
beforeEach(() => {
  stage = Stage.make();
});
afterEach(() => stage.end());

async function stop(executor: Command): Promise<string> {
  executor.kill("SIGTERM");
  const { code, stderr } = await executor.ended;
  assert.equal(code, 0, stderr);
  return stderr;
}

/** Enqueues a task that runs until its gate is opened, and waits until it runs. Gives what opens the gate. */
async function gated(id: string): Promise<() => void> {
  const gate = join(stage.folder, `gate-${id}`);
  await stage.run(["enqueue", "ledger", JSON.stringify({ gate }), "--id", id]);
  await until(async () => (await stage.run(["task", id])).stdout.includes("running"));
  return () => writeFileSync(gate, "");
}

async function untilDraining({ url }: { readonly url: string }): Promise<void> {
  await until(async () => ((await (await fetch(`${url}/status`)).json()) as { state: string }).state === "draining");
}

test("the first line says version, name, broker and why, queues, concurrency, handlers and address", async () => {
  const executor = await stage.executor({ args: ["--concurrency", "3", "--queues", "a,b"] });
  const log = await stop(executor);
  const [first = ""] = log.split("\n");
  assert.match(first, new RegExp(`taskexe ${VERSION} as task_executor_common_.*_0: `));
  assert.match(first, /broker sqlite:.*queue\.db \(no broker was given; \$STATE_DIRECTORY\)/);
  assert.match(first, /queues a,b, 3 at once, handlers echo,fail,noop,sleep, HTTP on http:\/\/127\.0\.0\.1:\d+/);
  assert.match(log, /drained/);
  assert.ok(!log.includes("\u001b["));
});

test("--log json writes one document a line", async () => {
  const log = await stop(await stage.executor({ args: ["--log", "json"] }));
  const lines = log
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.ok(lines.length >= 2);
  for (const line of lines) {
    assert.equal(new Date(line.time).toISOString(), line.time);
    assert.match(line.logger, /^taskexe/);
  }
  assert.equal(lines[0].version, VERSION);
});

test("--listen off opens no port", async () => {
  const executor = stage.start(["run", "--listen", "off"]);
  await executor.says(/no HTTP/);
  const done = await stage.run(["enqueue", "echo", "1", "--wait"]);
  assert.equal(done.stdout, "1\n");
  await stop(executor);
});

test("HTTP answers while the broker cannot be reached, and a signal ends the start", async () => {
  const executor = stage.start(["run", "--broker", "redis://:s3cret@127.0.0.1:1/1", "--listen", "127.0.0.1:0"]);
  const [, url = ""] = await executor.says(/HTTP on (http:\/\/[\d.:]+)[^\d.:]/);
  const response = await fetch(`${url}/status`);
  assert.equal(response.status, 200);
  const status = (await response.json()) as { state: string };
  assert.equal(status.state, "starting");
  assert.equal((await fetch(`${url}/readyz`)).status, 503);
  assert.doesNotMatch(await stop(executor), /s3cret/);
});

test("a port in use is a clear error", async () => {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { code, stderr } = await stage.run(["run", "--listen", `127.0.0.1:${port}`]);
  const json = await stage.run(["run", "--listen", `127.0.0.1:${port}`, "--log", "json"]);
  server.close();
  assert.equal(code, 1);
  const last = JSON.parse(json.stderr.trimEnd().split("\n").at(-1) ?? "");
  assert.deepEqual([json.code, last.level], [1, "fatal"]);
  assert.match(last.message, new RegExp(String(port)));
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}|port ${port}`));
  assert.doesNotMatch(stderr, /^\s+at /m);
});

test("handlers that do not load are told, and the exit code is 2", async () => {
  writeFileSync(join(stage.folder, "broken.ts"), 'import { defineTask } from "taskexe";\nexport default 1;\n');
  const { code, stderr } = await stage.run(["run", "--listen", "off", "--tasks", "broken.ts", "--tasks", "nowhere"]);
  assert.equal(code, 2);
  assert.match(stderr, /broken\.ts/);
  assert.match(stderr, /nowhere/);
  assert.doesNotMatch(stderr, /^\s+at /m);
});

test("a handler file beside the executor runs", async () => {
  writeFileSync(
    join(stage.folder, "hello.ts"),
    'import { defineTask } from "taskexe";\nexport default defineTask({ type: "hello", run: ({ payload }) => ' +
      '"Hello, " + payload + "!" });\n',
  );
  const executor = await stage.executor({ args: ["--tasks", "hello.ts"] });
  const { stdout } = await stage.run(["enqueue", "hello", '"world"', "--wait"]);
  assert.equal(stdout, '"Hello, world!"\n');
  await stop(executor);
});

test("SIGTERM waits for what runs, within the grace", async () => {
  const executor = await stage.executor({ args: ["--grace", "20s", "--tasks", LEDGER_TASKS] });
  const open = await gated("short");
  executor.kill("SIGTERM");
  await untilDraining(executor);
  open();
  const { code, stderr } = await executor.ended;
  assert.equal(code, 0, stderr);
  assert.match((await stage.run(["task", "short"])).stdout, /state +done/);
});

for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const) {
  test(`a second ${signal} ends at once with ${code}`, async () => {
    const executor = await stage.executor({ args: ["--grace", "60s"] });
    await stage.run(["enqueue", "sleep", '{"ms":600000}', "--id", "long"]);
    await until(async () => (await stage.run(["task", "long"])).stdout.includes("running"));
    executor.kill(signal);
    await untilDraining(executor);
    executor.kill(signal);
    assert.equal((await executor.ended).code, code);
  });
}

test("after kill -9 the next start has the same name and finishes the task", async () => {
  const given = ["--lease", "1s", "--tasks", LEDGER_TASKS];
  const first = await stage.executor({ args: given });
  const { name } = (await (await fetch(`${first.url}/status`)).json()) as { name: string };
  const open = await gated("survivor");
  first.kill("SIGKILL");
  await first.ended;
  open();
  const second = await stage.executor({ args: given });
  assert.equal(((await (await fetch(`${second.url}/status`)).json()) as { name: string }).name, name);
  await until(async () => /state +done/.test((await stage.run(["task", "survivor"])).stdout));
  await stop(second);
});

test("SIGUSR1 writes a snapshot for this user alone and logs the figures, SIGUSR2 reports what grew", async () => {
  const executor = await stage.executor();
  executor.kill("SIGUSR1");
  const [, path = ""] = await executor.says(
    /in (logs\/\d+_snapshot_\d{8}_\d{6}\.heapsnapshot); max RSS [\d.]+ MB, current [\d.]+ MB, peak [\d.]+ MB/,
  );
  assert.match(path, new RegExp(`^logs/${executor.pid}_`));
  assert.deepEqual(readdirSync(join(stage.folder, "logs")).length, 1);
  assert.equal(statSync(join(stage.folder, path)).mode & 0o777, 0o600);
  executor.kill("SIGUSR2");
  await executor.says(/allocation tracking stopped: current [\d.]+ MB, peak [\d.]+ MB/);
  executor.kill("SIGUSR2");
  await executor.says(/allocation tracking was not active/);
  await stop(executor);
});

test("SIGUSR1 logs the tree of nurseries and tasks in a debug log, and in no other", async () => {
  for (const debug of ["1", "0"]) {
    const executor = await stage.executor({ args: ["--listen", "127.0.0.1:0"], env: { TASKEXE_DEBUG: debug } });
    await stage.run(["enqueue", "sleep", '{"ms":600000}', "--id", `seen-${debug}`]);
    await until(async () => (await stage.run(["task", `seen-${debug}`])).stdout.includes("running"));
    executor.kill("SIGUSR1");
    await executor.says(/heap snapshot in/);
    const tree = /DBG signals: tree: root {2}0 ms {2}running\n(?:.*\n)*?.*tree: +executor {2}.*running\n/;
    assert.equal(tree.test(executor.output()), debug === "1", executor.output());
    assert.equal(/tree: +attempt .* running\n.*tree: +sleep .* running\n/.test(executor.output()), debug === "1");
    await stage.run(["cancel", `seen-${debug}`]);
    await stop(executor);
  }
});

test("TRACE_MALLOC_ENABLED=1 tracks from the start", async () => {
  const executor = await stage.executor({ env: { TRACE_MALLOC_ENABLED: "1" } });
  executor.kill("SIGUSR2");
  await executor.says(/allocation tracking stopped/);
  await stop(executor);
});

test("an error outside of every task drains an executor that runs handlers itself, and ends it with 1", async () => {
  writeFileSync(
    join(stage.folder, "stray.ts"),
    'import { defineTask } from "taskexe";\nexport default defineTask({ type: "stray", run: () => { ' +
      'Promise.reject(new Error("nobody waits")); return 1; } });\n',
  );
  const executor = await stage.executor({ args: ["--tasks", "stray.ts", "--isolation", "inline"] });
  await stage.run(["enqueue", "stray"]);
  const { code, stderr } = await executor.ended;
  assert.equal(code, 1);
  assert.match(stderr, /an error outside of every task: nobody waits/);
});

test("a variable that is not known is warned of, and nothing is made outside of the state directory", async () => {
  const executor = await stage.executor({ env: { TASKEXE_CONCURENCY: "9" } });
  assert.match(await stop(executor), /TASKEXE_CONCURENCY is not known .* did you mean TASKEXE_CONCURRENCY\?/);
  assert.deepEqual(
    readdirSync(stage.folder).filter((name) => name !== "home"),
    ["state"],
  );
  assert.ok(existsSync(join(stage.folder, "state/queue.db")));
});
