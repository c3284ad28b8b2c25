/** HTTP on a Unix socket: for its owner alone, on the executable and the other runtimes. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";
import { ROOT } from "../stage/command.ts";
import { ON_DENO, ON_NODE } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { PATIENCE_MS, until } from "../stage/until.ts";

const PROGRAMS: Readonly<Record<string, [string, ...string[]]>> = {
  "the executable": [join(ROOT, "dist/taskexe")],
  Node: ON_NODE,
  Deno: ON_DENO,
};

interface Answer {
  readonly code: number;
  readonly body: string;
}

for (const [name, program] of Object.entries(PROGRAMS)) {
  describe(`a Unix socket on ${name}`, () => {
    test("it takes calls that change, says the status, is its owner's, and goes with its executor", SLOW, async () => {
      await Stage.with(async (stage) => {
        const path = join(stage.folder, "taskexe.sock");
        const executor = await start(stage, path, program);
        assert.equal(statSync(path).mode & 0o777, 0o600);
        const body = '{"type":"echo","payload":1,"id":"one"}';
        assert.equal((await ask(path, "POST", "/api/v1/tasks", body)).code, 201);
        assert.equal((await ask(path, "GET", "/api/v1/tasks/one")).code, 200);
        assert.equal((await ask(path, "GET", "/status")).code, 200);
        for (const given of [
          ["--listen", `unix:${path}`],
          ["--url", `unix:${path}`],
          ["--url", `unix://${path}`],
        ]) {
          const { code, stdout } = await stage.run(["status", "--json", ...given], { program });
          assert.deepEqual([code, JSON.parse(stdout).pid], [0, executor.pid]);
        }
        const second = await stage.run(["run", "--config", "off", "--listen", `unix:${path}`], { program });
        assert.equal(second.code, 1);
        assert.match(second.stderr, /Cannot listen on unix:.*: another process listens there\. Stop it, or choose/);
        assert.equal((await ask(path, "GET", "/healthz")).code, 200);

        process.kill(executor.pid, "SIGKILL");
        await executor.exited;
        assert.ok(existsSync(path), "a killed one leaves it");
        const next = await start(stage, path, program);
        assert.equal((await ask(path, "GET", "/healthz")).code, 200);
        process.kill(next.pid, "SIGTERM");
        await next.exited;
        assert.ok(!existsSync(path));
      });
    });
  });
}

test("what is no socket is left alone", SLOW, async () => {
  await Stage.with(async (stage) => {
    const path = join(stage.folder, "notes.txt");
    writeFileSync(path, "mine");
    chmodSync(path, 0o644);
    const { code, stderr } = await stage.run(["run", "--config", "off", "--listen", `unix:${path}`]);
    assert.equal(code, 1);
    assert.match(stderr, /there is a file that is no socket; choose another path/);
    assert.equal(await stage.read("notes.txt"), "mine");
    const long = join(stage.folder, "x".repeat(120));
    assert.match(
      (await stage.run(["run", "--config", "off", "--listen", `unix:${long}`])).stderr,
      /too long for a socket/,
    );
  });
});

async function start(stage: Stage, path: string, [command, ...before]: readonly [string, ...string[]]) {
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, STATE_DIRECTORY: join(stage.folder, "state") };
  const args = [...before, "run", "--config", "off", "--listen", `unix:${path}`];
  const child = await runtime.spawn(command, args, { cwd: stage.folder, env });
  stage.atEnd(async () => {
    child.killGroup("SIGKILL");
    await child.exited;
  });
  await until(
    "it answers",
    PATIENCE_MS,
    async () => (await ask(path, "GET", "/healthz").catch(() => null))?.code === 200,
  );
  return child;
}

function ask(socketPath: string, method: string, path: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const asked = request({ socketPath, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve({ code: response.statusCode ?? 0, body: text }));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}
