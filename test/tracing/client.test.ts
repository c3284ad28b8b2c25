/** A client tells how its tasks were sent, on every runtime, before its process ends; the trace is its program's. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseMessage } from "../../src/task/message/message.ts";
import { Collector } from "../stage/collector.ts";
import { ROOT } from "../stage/command.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const program = fileURLToPath(new URL("fixtures/program.ts", import.meta.url));
const bin = (name: string) => join(ROOT, "node_modules/.bin", name);

const COMMANDS: Readonly<Record<string, [string, ...string[]]>> = {
  bun: [bin("bun"), program],
  node: [bin("node"), "--disable-warning=ExperimentalWarning", program],
  deno: [bin("deno"), "run", "--allow-all", "--no-check", program],
};

for (const [runtime, command] of Object.entries(COMMANDS)) {
  test(`${runtime}: a client's task is in the trace of its program, with spans or without`, SLOW, () =>
    Stage.with(async (stage) => {
      const collector = await Collector.listening();
      stage.atEnd(() => collector.close());
      const url = `sqlite:${stage.path("queue.db")}`;
      const run = async (id: string, env: Record<string, string>) => {
        const { code, stderr } = await stage.run([url, id], { program: command, cwd: ROOT, env });
        assert.equal(code, 0, stderr);
      };
      await run("told", collector.environment);
      await run("untold", {});

      const sent = await collector.span("told");
      assert.deepEqual([sent.name, sent.kind, sent.status], ["send common", 4, 0]);
      assert.deepEqual([sent.traceId, sent.parentSpanId], ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]);
      assert.equal(collector.spans.length, 1);

      const broker = await stage.client(url);
      const traceOf = async (id: string) => {
        const read = parseMessage((await broker.record(id))?.message ?? "");
        return read.ok ? read.message.trace?.traceparent : undefined;
      };
      assert.equal(await traceOf("told"), `00-${sent.traceId}-${sent.spanId}-01`);
      assert.equal(await traceOf("untold"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }),
  );
}
