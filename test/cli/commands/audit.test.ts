/** The record of changes of the command line, and the command that tells it. */
import assert from "node:assert/strict";
import { hostname, userInfo } from "node:os";
import { after, test } from "node:test";
import { SLOW, Stage } from "../../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await stage.run(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

test(
  "every command that changes something is recorded: by whom, where, what was meant and how many",
  SLOW,
  async () => {
    assert.match(await ok("audit"), /nothing was changed/);
    await ok("enqueue", "t", '{"password":"not-to-be-seen"}', "--id", "one", "--delay", "1h");
    const lines = '{"type":"t","delay_ms":60000}\n{"type":"t","delay_ms":60000}\n';
    assert.equal((await stage.run(["enqueue", "--jsonl", "-"], { stdin: lines })).code, 0);
    await ok("edit", "one", "--payload", '{"password":"not-to-be-seen"}', "--priority", "1");
    await ok("promote", "--type", "none");
    await ok("cancel", "--type", "t", "--dry-run");
    await ok("cancel", "one", "none");
    await ok("cancel", "--type", "t");
    await ok("retry", "one");
    await ok("retry", "--all", "--state", "cancelled");
    await ok("pause", "queue", "other");
    await ok("resume", "queue", "other");
    await ok("pause", "type", "t");
    await ok("resume", "type", "t");
    await ok("cron", "add", "s", "@daily", "t", '{"password":"not-to-be-seen"}');
    await ok("cron", "pause", "s");
    await ok("cron", "resume", "s");
    await ok("cron", "run", "s");
    await ok("cron", "remove", "s");
    await ok("purge", "--state", "dead");
    // Those that only look.
    await ok("list");
    await ok("pause");
    const { entries } = JSON.parse(await ok("audit", "--json"));
    assert.deepEqual(
      entries.toReversed().map(({ what, of, count }: { what: string; of: object; count: number }) => [what, of, count]),
      [
        ["enqueueTasks", { type: "t", queue: "common" }, 1],
        ["enqueueTasks", {}, 2],
        ["editTask", { id: "one", priority: 1 }, 1],
        ["promoteTasks", { type: "none" }, 0],
        ["cancelTasks", { ids: ["one", "none"] }, 1],
        ["cancelTasks", { type: "t" }, 2],
        ["retryTasks", { ids: ["one"] }, 1],
        ["retryTasks", { state: "cancelled" }, 2],
        ["pauseQueue", { name: "other" }, 1],
        ["resumeQueue", { name: "other" }, 1],
        ["pauseType", { name: "t" }, 1],
        ["resumeType", { name: "t" }, 1],
        ["putSchedule", { name: "s", type: "t", queue: "common", cron: "@daily" }, 1],
        ["pauseSchedule", { name: "s" }, 1],
        ["resumeSchedule", { name: "s" }, 1],
        ["runSchedule", { name: "s" }, 1],
        ["removeSchedule", { name: "s" }, 1],
        ["purgeTasks", { state: "dead" }, 0],
      ],
    );
    for (const { who, via, from, outcome } of entries) {
      assert.deepEqual([who, via, from, outcome], [userInfo().username, "command line", hostname(), "done"]);
    }
    assert.doesNotMatch(JSON.stringify(entries), /not-to-be-seen/);
    const some = JSON.parse(await ok("audit", "--what", "pauseQueue", "--since", "1h", "--json"));
    assert.equal(some.entries.length, 1);
    assert.match(await ok("audit", "--limit", "1"), /purgeTasks +state=dead +0 +done/);
    for (const wrong of [
      ["--since", "yesterday"],
      ["--limit", "0"],
    ]) {
      assert.equal((await stage.run(["audit", ...wrong])).code, 2);
    }
  },
);
