/**
 * A fleet of both kinds: two executors as RagFlow's (foreign_executor.py) and two of ours over one Redis, with deaths
 * of both, a drain and cancels. Each message runs to its end, none twice but by a death; the lag is a number at every
 * look; no living executor is expelled, and no heartbeat of the foreign ones ends.
 * @long about 60 s
 */
import assert from "node:assert/strict";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { Redis } from "ioredis";
import { readGroup } from "../../src/broker/redis/connection/replies.ts";
import { openRoot, sleep, withNursery } from "../../src/concurrency/index.ts";
import { Command } from "../stage/command.ts";
import { drained } from "../stage/executor.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const GROUP = "rag_flow_svr_task_broker";
const STREAMS = ["te.1.common", "te.0.common"];
/** Documents, which both kinds run; and what only the foreign ones run. */
const DOCUMENTS = 240;
const THEIRS = 12;
const CANCELLED = 20;
/** How long all of it may take on a busy machine, in ms. */
const LIMIT_MS = 400_000;
const TIMEOUT_S = "90";

interface Line {
  readonly what: string;
  readonly id: string;
  readonly who: string;
}

async function linesOf(ledger: string): Promise<Line[]> {
  const text = await readFile(ledger, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [what = "", id = "", who = ""] = line.split(" ");
      return { what, id, who };
    });
}

test("a fleet of RagFlow's executors and ours, with deaths, a drain and cancels", { timeout: LIMIT_MS }, async () => {
  await Stage.with(async (stage) => {
    const server = await stage.redis();
    const redis = new Redis(server.url);
    stage.atEnd(async () => redis.disconnect());
    const ledger = stage.path("ledger");
    await writeFile(ledger, "");
    const tasks = await stage.write({
      "tasks/default.ts": `import { appendFile } from "node:fs/promises";
        import { defineTask, sleep } from "taskexe";
        export default defineTask({ type: "default", async run({ task, signal }) {
          const note = (what) => appendFile(${JSON.stringify(ledger)}, what + " " + task.id + " ours\\n");
          await note("began");
          await sleep(40, signal);
          await note("ended");
        } });`,
    });
    const foreign = (at: number): Command => {
      const given = [String(server.port), `task_executor_common_f_${at}`, ledger, "1", TIMEOUT_S, "5", "0.04"];
      const program = new URL("foreign_executor.py", import.meta.url).pathname;
      const started = new Command(["python3", program, ...given], { cwd: stage.folder });
      stage.atEnd(() => started.end());
      return started;
    };
    const env = { WORKER_HEARTBEAT_TIMEOUT: TIMEOUT_S };
    const ours = (at: number) =>
      stage.executor({
        ...{ broker: server.url, tasks, env, lease: "5s", concurrency: 3, grace: "1s" },
        ...{ name: `task_executor_common_o_${at}`, folder: stage.path(`state-${at}`), cwd: stage.folder },
      });
    const foreigners = [foreign(0), foreign(1)];
    const [one, two] = [await ours(0), await ours(1)];
    const [zero] = foreigners;
    assert.ok(zero);
    const lags: (number | null)[] = [];
    await withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(
        async ({ signal }) => {
          for (;;) {
            for (const stream of STREAMS) lags.push(readGroup(await redis.xinfo("GROUPS", stream), GROUP)?.lag ?? null);
            await sleep(15, signal);
          }
        },
        { name: "lag" },
      );
      const ids = Array.from({ length: DOCUMENTS }, (_, at) => `doc${at}`);
      const cancelled = new Set(ids.slice(-CANCELLED));
      for (const id of cancelled) await redis.set(`${id}-cancel`, "x", "EX", 3_600);
      const theirs = Array.from({ length: THEIRS }, (_, at) => `graph${at}`);
      for (const [at, id] of ids.entries()) {
        const message = { id, doc_id: "d", from_page: 0, to_page: 12, priority: 0 };
        await redis.xadd(STREAMS[at % 7 === 0 ? 0 : 1] ?? "", "*", "message", JSON.stringify(message));
        const id2 = at % (DOCUMENTS / THEIRS) === 0 ? theirs[at / (DOCUMENTS / THEIRS)] : undefined;
        if (id2 === undefined) continue;
        const graph = { id: id2, doc_id: "graph_raptor_x", task_type: "graphrag" };
        await redis.xadd(STREAMS[1] ?? "", "*", "message", JSON.stringify(graph));
      }
      const ended = async (count: number): Promise<boolean> =>
        (await linesOf(ledger)).filter(({ what }) => what === "ended").length >= count;
      await until("some have ended", LIMIT_MS, () => ended(20));
      zero.kill("SIGKILL");
      one.kill("SIGKILL");
      await Promise.all([zero.ended, one.ended]);
      await appendFile(ledger, "deaths - -\n");
      // The foreign one is started again under its name, and takes up what it held; of ours the lease ends.
      foreign(0);
      const three = await ours(2);
      await until("more have ended", LIMIT_MS, () => ended(90));
      assert.equal(await drained(two), 0);
      const wanted = [...ids.filter((id) => !cancelled.has(id)), ...theirs];
      await until("all have ended", LIMIT_MS, async () => {
        const done = new Set((await linesOf(ledger)).filter(({ what }) => what === "ended").map(({ id }) => id));
        return wanted.every((id) => done.has(id));
      });
      await until("nothing waits, and nothing runs", LIMIT_MS, async () => {
        const groups = await Promise.all(
          STREAMS.map(async (stream) => readGroup(await redis.xinfo("GROUPS", stream), GROUP)),
        );
        return groups.every((group) => group?.pending === 0 && group.lag === 0);
      });
      assert.deepEqual((await three.status()).dead, 0);
      nursery.scope.cancel("all is over");

      const lines = await linesOf(ledger);
      const deaths = lines.findIndex(({ what }) => what === "deaths");
      for (const id of wanted) {
        const own = lines.filter((line) => line.id === id);
        const count = (what: string): number => own.filter((line) => line.what === what).length;
        const began = lines.findIndex((line) => line.id === id && line.what === "began");
        assert.ok(count("ended") === 1 || began < deaths, `${id} ended ${count("ended")} times, with no death over it`);
        assert.ok(count("began") <= 2, `${id} began ${count("began")} times`);
        if (id.startsWith("graph"))
          assert.ok(
            own.every(({ who }) => who !== "ours"),
            `${id} is not ours to run`,
          );
      }
      for (const id of cancelled) assert.ok(!lines.some((line) => line.id === id && line.what === "ended"), id);
      assert.deepEqual(
        lines.filter(({ what }) => what === "expelled" || what === "heartbeats-ended"),
        [],
        "nobody was expelled, and the foreign heartbeats go on",
      );
    });
    assert.ok(lags.length > 100, `only ${lags.length} looks at the lag`);
    assert.deepEqual(
      [...new Set(lags)].filter((lag) => lag === null),
      [],
      "the lag is a number at every look",
    );
    const names = (await redis.smembers("TASKEXE")).sort();
    for (const at of [0, 1]) assert.ok(names.includes(`task_executor_common_f_${at}`), names.join(" "));
  });
});
