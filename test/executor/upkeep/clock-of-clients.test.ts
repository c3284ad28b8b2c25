/**
 * Whoever enqueues, and however wrong the clock of that machine is: what is due when, and what must have ended when,
 * goes by the broker's clock alone.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseMessage } from "../../../src/task/message/message.ts";
import { SLOW, Stage } from "../../stage/stage.ts";

const HOUR_MS = 3_600_000;
/** What is off by a clock is off by an hour; a busy machine is late by seconds, in ms. */
const TRUE_MS = 60_000;
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SHIFTED = [at("../../../node_modules/.bin/bun"), "--preload", at("shifted-clock.ts")] as const;
const PROGRAM: readonly [string, ...string[]] = [...SHIFTED, at("../../../src/main.ts")];

const CLIENT = `import { connect } from "${at("../../../src/index.ts")}";
  await using client = await connect();
  const task = { type: "idle", delayMs: 600_000, deadlineMs: 1_200_000 };
  await client.enqueue(task, null, { id: "client" });
  await client.enqueue("idle", null, { id: "client-at", at: Number(process.env.AT) });`;

for (const shift of [HOUR_MS, -HOUR_MS]) {
  const words = shift > 0 ? "an hour fast" : "an hour slow";
  test(`times of tasks go by the broker's clock where that of who enqueues is ${words}`, SLOW, async () => {
    await Stage.with(async (stage) => {
      const { url } = await stage.redis();
      const tasks = await stage.write({
        "tasks/idle.ts": `import { defineTask } from "taskexe";
          export default defineTask({ type: "idle", delayMs: 600_000, deadlineMs: 1_200_000, run: () => 1 });`,
        "client.ts": CLIENT,
      });
      const due = Date.now() + 600_000;
      const line = { type: "idle", at: new Date(due).toISOString(), deadline_at: due + 600_000 };
      await stage.write({
        "lines.jsonl": `${JSON.stringify({ ...line, id: "line-at" })}\n{"type":"idle","id":"line","delay_ms":600000}\n`,
      });
      const env = { SHIFT_MS: String(shift), TASKEXE_BROKER: url, AT: String(due) };
      const run = async (args: readonly string[], program = PROGRAM): Promise<void> => {
        const { code, stderr } = await stage.run(args, { program, env });
        assert.equal(code, 0, stderr);
      };
      await run(["enqueue", "idle", "--id", "flags", "--delay", "10m", "--deadline", "20m"]);
      await run(["enqueue", "idle", "--id", "flags-at", "--at", String(due)]);
      await run(["enqueue", "--jsonl", "lines.jsonl"]);
      await run([], [...SHIFTED, `${stage.folder}/client.ts`]);
      const executor = await stage.executor({ broker: url, tasks, program: [...PROGRAM], env });
      for (const body of [{ id: "http" }, { id: "http-at", at: due }]) {
        const answer = await fetch(`http://127.0.0.1:${executor.port}/api/v1/tasks`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ type: "idle", ...body }),
        });
        assert.equal(answer.status, 201, await answer.text());
      }
      const broker = await stage.client(url);
      const ids = ["flags", "flags-at", "line-at", "line", "client", "client-at", "http", "http-at"];
      for (const id of ids) {
        const record = await broker.record(id);
        assert.equal(record?.state, "scheduled", id);
        assert.ok(
          Math.abs((record?.due_at ?? 0) - due) < TRUE_MS,
          `${id} is due ${(record?.due_at ?? 0) - due} ms late`,
        );
        const parsed = parseMessage(record?.message ?? "");
        const deadline = parsed.ok ? parsed.message.options.deadline_at : 0;
        if (["flags", "line-at", "client", "http", "http-at"].includes(id)) {
          const late = (deadline ?? 0) - due - 600_000;
          assert.ok(Math.abs(late) < TRUE_MS, `the deadline of ${id} is ${late} ms late`);
        }
      }
    });
  });
}
