/** The client is the same on every runtime, over both brokers, and its process ends by itself. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";

const run = promisify(execFile);
const project = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(project, "node_modules/.bin", name);
const program = fileURLToPath(new URL("fixtures/program.ts", import.meta.url));

const COMMANDS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  bun: [bin("bun"), program],
  node: [bin("node"), "--disable-warning=ExperimentalWarning", program],
  deno: [bin("deno"), "run", "--allow-all", "--no-check", program],
};

let redis: RedisServer;
let folder: string;
before(async () => {
  redis = await startRedis();
  folder = await mkdtemp(join(tmpdir(), "taskexe-client-"));
});
after(async () => {
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

for (const [runtime, [command, ...given]] of Object.entries(COMMANDS)) {
  for (const broker of ["sqlite", "redis"]) {
    test(`${runtime}, ${broker}: the client does its work and lets the process end`, { timeout: 60_000 }, async () => {
      const url = broker === "redis" ? redis.url : `sqlite:${join(folder, "queue.db")}`;
      const options = { cwd: project, timeout: 50_000, killSignal: "SIGKILL" } as const;
      const { stdout } = await run(command, [...given, url, runtime], options);
      assert.deepEqual(JSON.parse(stdout), {
        ...{ created: true, many: 1_500, first: "state", page: 10, ended: "end" },
        seen: "state",
      });
    });
  }
}
