/** TRACE_MALLOC_ENABLED=1 and the growth that SIGUSR2 tells: on the executable, on Node.js and on Deno. */
import assert from "node:assert/strict";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { buildExecutable } from "../stage/executable.ts";
import { drained } from "../stage/executor.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { said } from "../stage/until.ts";

const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);
const MAIN = join(ROOT, "src/main.ts");
const LEAK = `import { defineTask } from "taskexe";
class Chunk {
  readonly parts: number[];
  constructor(at: number) {
    this.parts = [at, at + 1, at + 2];
  }
}
const kept: Chunk[] = [];
export default defineTask({ type: "leak", run: ({ payload }) => {
  for (let at = 0; at < (payload as number); at++) kept.push(new Chunk(at));
} });
`;

describe("with TRACE_MALLOC_ENABLED=1", () => {
  let stage: Stage;
  let executable: Promise<string> | null = null;
  before(async () => {
    stage = Stage.make();
    await stage.write({ "tasks/leak.ts": LEAK });
  });
  after(() => stage.end());

  async function theExecutable(): Promise<[string]> {
    executable ??= buildExecutable(join(stage.folder, "bin/taskexe"));
    return [await executable];
  }

  const PROGRAMS: Readonly<
    Record<string, { readonly of: () => Promise<[string, ...string[]]>; readonly grown: RegExp }>
  > = {
    "the executable": { of: theExecutable, grown: /grown: Chunk: 6\d{4} more/ },
    "Node.js": { of: async () => [bin("node"), MAIN], grown: /grown: Chunk .*leak\.ts:\d+: [\d.]+ MB/ },
    Deno: { of: async () => [bin("deno"), "run", "-A", MAIN], grown: /grown: Chunk .*leak\.ts:\d+: [\d.]+ MB/ },
  };

  for (const [name, { of: programOf, grown }] of Object.entries(PROGRAMS)) {
    test(`a snapshot is written at the start, and SIGUSR2 names the class that grew: ${name}`, SLOW, async () => {
      const program = await programOf();
      const cwd = join(stage.folder, name);
      await mkdir(cwd);
      const broker = `sqlite:${join(cwd, "queue.db")}`;
      const env = { TRACE_MALLOC_ENABLED: "1" };
      const args = ["--isolation", "inline"];
      const executor = await stage.executor({ broker, program, cwd, tasks: join(stage.folder, "tasks"), args, env });
      const [, file = ""] = await said(
        executor,
        /heap snapshot in (logs\/\S+); max RSS [\d.]+ MB, current [\d.]+ MB, peak/,
      );
      assert.match(file, new RegExp(`^logs/${executor.pid}_snapshot_\\d{8}_\\d{6}\\.heapsnapshot$`));
      const { mode, size } = await stat(join(cwd, file));
      assert.equal(mode & 0o777, 0o600);
      assert.ok(size > 100_000, `${size} bytes`);
      assert.equal((await readdir(join(cwd, "logs"))).length, 1);
      const { code, stderr } = await stage.run(["enqueue", "leak", "60000", "--wait", "--broker", broker]);
      assert.equal(code, 0, stderr);
      executor.kill("SIGUSR2");
      await said(executor, /allocation tracking stopped/);
      await said(executor, grown);
      assert.equal(await drained(executor), 0);
    });
  }

  test("an executor that cannot write the snapshot says so and works", SLOW, async () => {
    const program = await theExecutable();
    const cwd = await stage.write({ "taken/logs": "a file where the folder would be" });
    const broker = `sqlite:${join(cwd, "queue.db")}`;
    const executor = await stage.executor({ broker, program, cwd, env: { TRACE_MALLOC_ENABLED: "1" } });
    assert.match(executor.output(), /ERR signals: heap snapshot failed: The heap snapshot cannot be written to logs\//);
    const { stdout } = await stage.run(["enqueue", "echo", "1", "--wait", "--broker", broker], { program });
    assert.equal(stdout, "1\n");
    executor.kill("SIGUSR2");
    await said(executor, /allocation tracking stopped/);
    assert.equal(await drained(executor), 0);
  });
});
