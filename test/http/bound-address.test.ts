/** What an executor listens on is judged by the address that it bound, on the executable and on Node. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";
import { ROOT } from "../stage/command.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { PATIENCE_MS, until } from "../stage/until.ts";

const PROGRAMS: Readonly<Record<string, [string, ...string[]]>> = {
  "the executable": [join(ROOT, "dist/taskexe")],
  Node: [join(ROOT, "node_modules/.bin/node"), join(ROOT, "src/main.ts")],
};

/** How it is spelt, where it is reached, and whether it is this machine's alone. */
const SPELT = [
  ["127.1", "127.0.0.1", true],
  ["2130706433", "127.0.0.1", true],
  ["localhost", "localhost", true],
  ["[::1]", "::1", true],
  ["[::ffff:127.0.0.1]", "127.0.0.1", true],
  ["0.0.0.0", "127.0.0.1", false],
  ["0", "127.0.0.1", false],
  ["[::]", "::1", false],
] as const;

for (const [name, program] of Object.entries(PROGRAMS)) {
  describe(`the address that ${name} has bound`, () => {
    for (const [spelt, at, isLocal] of SPELT) {
      test(`${spelt} is ${isLocal ? "this machine's alone" : "a network's"}`, SLOW, async () => {
        await Stage.with(async (stage) => {
          const port = await listening(stage, program, spelt);
          const foreign = await ask(at, port, "GET", { host: "evil.example" });
          assert.equal(foreign, isLocal ? 421 : 200);
          assert.equal(await ask(at, port, "POST", { host: "localhost" }), isLocal ? 201 : 403);
        });
      });
    }
  });
}

async function listening(stage: Stage, [command, ...before]: readonly [string, ...string[]], host: string) {
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, STATE_DIRECTORY: join(stage.folder, "state") };
  const args = [...before, "run", "--config", "off", "--listen", `${host}:0`];
  const child = await runtime.spawn(command, args, { cwd: stage.folder, env });
  let log = "";
  const decoder = new TextDecoder();
  const read = child.stderr.pipeTo(
    new WritableStream<Uint8Array>({
      write: (chunk) => {
        log += decoder.decode(chunk, { stream: true });
      },
    }),
  );
  stage.atEnd(async () => {
    child.killGroup("SIGKILL");
    await child.exited;
    await read;
  });
  return await until("it listens", PATIENCE_MS, () => {
    const port = /HTTP on http:\/\/\S+:(\d+)\s/.exec(log)?.[1];
    return port === undefined ? null : Number(port);
  });
}

function ask(hostname: string, port: number, method: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const all = method === "POST" ? { ...headers, "content-type": "application/json" } : headers;
    const asked = request({ hostname, port, method, path: "/api/v1/tasks", headers: all, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    asked.on("error", reject);
    asked.end(method === "POST" ? '{"type":"noop"}' : undefined);
  });
}
