/**
 * Handlers that compute for longer than a lease, for longer than their timeout, and for ever: each runs once, or ends
 * at its time; the executor answers and renews all the while; whoever waited beside it ends as if it had not been
 * there. SCENE_COMPUTE_MS says how long one computes: 45 000 with a lease of 30 s (SCENE_LEASE) is the scene in which
 * one was run four times, in vain.
 * @long about a minute and a half
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TaskOptions } from "../../../src/task/message/message-schema.ts";
import { QUEUES } from "../../stage/broker.ts";
import { drained } from "../../stage/executor.ts";
import { HeldUp } from "../../stage/held-up.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { builtOnce } from "../../stage/programs.ts";
import { Stage } from "../../stage/stage.ts";
import { recordOnce, until, untilBy } from "../../stage/until.ts";

const COMPUTE_MS = Number(process.env.SCENE_COMPUTE_MS ?? 12_000);
const LEASE = process.env.SCENE_LEASE ?? "3s";
const LIMIT = { timeout: 240_000 };
/** So long an answer may take on a machine that has nothing else to do, in ms. */
const ANSWER_MS = 50;

const home = Stage.make();
const theExecutable = builtOnce(() => join(home.folder, "bin/taskexe"));
after(() => home.end());

const TASKS = { "tasks/computing.ts": readFileSync(join(import.meta.dirname, "fixtures/computing.ts"), "utf8") };

function request(id: string, type: string, payload: unknown, options: TaskOptions = {}) {
  const plain = requestOf(id, type, payload);
  return { ...plain, message: JSON.stringify({ ...JSON.parse(plain.message), taskexe: options }) };
}

for (const { kind, open } of QUEUES) {
  test(
    `over ${kind} a handler that computes for four leases, in a fleet of two, is done after one run`,
    LIMIT,
    async () => {
      await Stage.with(async (stage) => {
        const broker = await open(stage);
        const client = await stage.client(broker);
        const tasks = await stage.write(TASKS);
        const program = await theExecutable();
        const ledger = stage.path("ledger");
        const options = { broker, tasks, program, lease: LEASE };
        const fleet = [];
        for (const name of ["one", "two"])
          fleet.push(await stage.executor({ ...options, name, folder: stage.path(name) }));
        const [first] = fleet;
        assert.ok(first);
        const waiting = ["a", "b", "c"].map((id) =>
          request(id, "sleeps", COMPUTE_MS / 2, { crash_budget: 0, attempts: 1 }),
        );
        const computing = request("computes", "computes", { ms: COMPUTE_MS, ledger }, { crash_budget: 0, attempts: 1 });
        await client.enqueue([...waiting, computing]);
        const ended = async () => /done|dead/.test((await client.record("computes"))?.state ?? "");
        await until("it has ended", COMPUTE_MS + 60_000, ended);
        const record = await recordOnce("done", first, client, "computes");
        assert.deepEqual([record.attempt, record.crashes, record.completions], [1, 0, 1]);
        assert.equal(readFileSync(ledger, "utf8"), "computes 1\n");
        for (const id of ["a", "b", "c"]) {
          const { attempt, crashes } = await recordOnce("done", first, client, id);
          assert.deepEqual([attempt, crashes], [1, 0], id);
        }
        for (const executor of fleet) assert.equal(await drained(executor), 0);
      });
    },
  );
}

test(
  "an endless loop ends after its timeout and the grace; all else goes on, HTTP answers, SIGTERM drains",
  LIMIT,
  async () => {
    await Stage.with(async (stage) => {
      const broker = `sqlite:${stage.path("queue.db")}`;
      const client = await stage.client(broker);
      const tasks = await stage.write(TASKS);
      const program = await theExecutable();
      const executor = await stage.executor({ broker, tasks, program, grace: "500ms", concurrency: 10, lease: "3s" });
      const others = Array.from({ length: 30 }, (_, index) =>
        request(`sleeps-${index}`, "sleeps", 300, { attempts: 1 }),
      );
      using heldUp = new HeldUp();
      await client.enqueue([request("loops", "loops", null, { timeout_ms: 2_000 }), ...others]);
      await untilBy(executor, "it runs", async () => (await client.record("loops"))?.state === "running");
      const begun = performance.now();
      const times: number[] = [];
      await until("it is dead", 60_000, async () => {
        const { code, ms } = await executor.get("/healthz");
        assert.equal(code, 200);
        times.push(ms);
        return (await client.record("loops"))?.state === "dead";
      });
      const tookMs = performance.now() - begun;
      const {
        reason,
        started_at: startedAt,
        finished_at: finishedAt,
      } = await recordOnce("dead", executor, client, "loops");
      assert.match(reason ?? "", /took longer than its 2000 ms/);
      // The last second: whether it stands still is seen by then.
      const most = 2_000 + 500 + 1_500;
      const ranMs = (finishedAt ?? 0) - (startedAt ?? 0);
      assert.ok(ranMs >= 2_000 && ranMs < most + heldUp.ms + 3_000, `it ran for ${ranMs} ms`);
      const middle = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
      assert.ok(middle < ANSWER_MS, `/healthz takes ${middle} ms`);
      const longest = Math.round(Math.max(...times));
      process.stderr.write(
        `      it ran for ${ranMs} ms, seen after ${Math.round(tookMs)} ms; ` +
          `/healthz p50 ${Math.round(middle)} ms, most ${longest} ms\n`,
      );
      for (const { id } of others) {
        const { attempt, crashes } = await recordOnce("done", executor, client, id);
        assert.deepEqual([attempt, crashes], [1, 0], id);
      }
      await client.enqueue([request("loops on", "loops", null)]);
      await untilBy(executor, "it runs", async () => (await client.record("loops on"))?.state === "running");
      assert.equal(await drained(executor), 0);
      assert.equal((await client.record("loops on"))?.state, "queued");
    });
  },
);

test("an endless loop without a timeout beside neighbours that time out: everybody ends", LIMIT, async () => {
  await Stage.with(async (stage) => {
    const broker = `sqlite:${stage.path("queue.db")}`;
    const client = await stage.client(broker);
    const tasks = await stage.write(TASKS);
    const program = await theExecutable();
    const executor = await stage.executor({
      ...{ broker, tasks, program, grace: "300ms", concurrency: 20, lease: "3s" },
      args: ["--runners", "1"],
    });
    const hurried = Array.from({ length: 10 }, (_, index) =>
      request(`hurried-${index}`, "sleeps", 400, { timeout_ms: 3_000, attempts: 2 }),
    );
    const late = Array.from({ length: 5 }, (_, index) =>
      request(`late-${index}`, "sleeps", 60_000, { timeout_ms: 1_500, attempts: 2 }),
    );
    await client.enqueue([...hurried.slice(0, 5), request("loops", "loops", null), ...hurried.slice(5), ...late]);
    for (const { id } of hurried) await recordOnce("done", executor, client, id);
    for (const { id } of late) {
      const { reason } = await recordOnce("dead", executor, client, id);
      assert.match(reason ?? "", /took longer than its 1500 ms/, id);
    }
    assert.equal((await client.record("loops"))?.state, "running", "nobody has told it to end");
    await client.cancel(["loops"]);
    const { crashes } = await recordOnce("cancelled", executor, client, "loops");
    assert.equal(crashes, 0);
    assert.equal(await drained(executor), 0);
  });
});

test("an executor of many slots that is killed: its successor starts no more runners than it may", LIMIT, async () => {
  await Stage.with(async (stage) => {
    const slots = 300;
    const [mostOwn, suspectsToo] = [3, 7];
    const broker = `sqlite:${stage.path("queue.db")}`;
    const client = await stage.client(broker);
    const tasks = await stage.write(TASKS);
    const program = await theExecutable();
    const args = ["--runners", "2", "--own-runners", String(mostOwn)];
    const options = { broker, tasks, program, args, concurrency: slots, lease: "1s", name: "heir" };
    const all = Array.from({ length: slots }, (_, index) =>
      request(`task-${index}`, index % 3 === 0 ? "alone" : "sleeps", 600_000, { crash_budget: 0 }),
    );
    await client.enqueue(all);
    // Over what two executors have died is a suspect: it wants a runner with little company.
    for (let death = 1; death <= 3; death++) {
      const executor = await stage.executor(options);
      await untilBy(executor, "all are taken", async () => (await executor.busySlots()) === slots);
      executor.kill("SIGKILL");
      await executor.ended;
    }
    const heir = await stage.executor(options);
    let most = 0;
    const since = performance.now();
    await until("it has them for a while", 60_000, async () => {
      const { runners } = await heir.status();
      most = Math.max(most, runners?.processes.length ?? 0);
      return (await heir.busySlots()) === slots && performance.now() - since > 5_000;
    });
    assert.ok(most <= 2 + mostOwn + suspectsToo, `${most} runners`);
    const records = await Promise.all(all.map(({ id }) => client.record(id)));
    for (const record of records) assert.deepEqual([record?.crashes, record?.state], [0, "running"]);
    process.stderr.write(`      ${most} runners at the most\n`);
  });
});
