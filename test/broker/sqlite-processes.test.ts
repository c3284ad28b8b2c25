/**
 * Several real processes on one file: they wake each other, and a kill -9 at any moment loses nothing.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Broker } from "../../src/broker/broker.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite-broker.ts";
import { openRoot, sleep } from "../../src/concurrency/index.ts";
import { runtime } from "../../src/runtime/index.ts";
import { type Program, withCommand } from "../runtime/fixtures/program.ts";
import { claimOne, done, QUEUE, task, tasks } from "../stage/outcomes.ts";
import { quickEnough } from "../stage/quick-enough.ts";
import { HANGS_MS, LEASE_MS } from "../stage/sentences.ts";
import { eventually } from "../stage/until.ts";

const { signal } = openRoot();
const WORKER = fileURLToPath(new URL("fixtures/sqlite-worker.ts", import.meta.url));

async function withFile(body: (broker: Broker, path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-sqlite-"));
  const path = join(folder, "tasks.db");
  const broker = new SqliteBroker(`sqlite:${path}`, { executor: "test", queues: [QUEUE], leaseMs: LEASE_MS });
  try {
    await broker.open(signal);
    await body(broker, path);
  } finally {
    await broker.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs the fixture for the time of `use`, from when its broker is open. */
function withProcess(args: readonly string[], use: (program: Program) => Promise<void>): Promise<void> {
  const options = runtime.name === "deno" ? ["run", "--allow-all", "--no-check"] : [];
  return withCommand(process.execPath, [...options, WORKER, ...args], {}, async (program) => {
    assert.equal(await program.line(), "ready");
    await use(program);
  });
}

test("kill -9 of one worker after the other loses no task and completes none twice", { timeout: HANGS_MS }, () =>
  withFile(async (broker, path) => {
    const ids: string[] = [];
    const left = async () => {
      const { pending, lag } = await broker.backlog();
      return pending + lag;
    };
    /** So that there is work in line whenever a worker is killed, on a fast disk and on a slow one. */
    const refill = async () => {
      while ((await left()) < 200) {
        const batch = tasks(100, `b${ids.length}-`);
        await broker.enqueue(batch);
        ids.push(...batch.map(({ id }) => id));
      }
    };
    const ended = async () => ids.length - (await left());
    await refill();
    await withProcess([path, "worker", "steady"], async () => {
      for (let victim = 0; victim < 4; victim += 1) {
        await withProcess([path, "worker", `victim-${victim}`], async ({ child }) => {
          const enough = (await ended()) + 50;
          await eventually(30_000, async () => {
            await refill();
            return (await ended()) >= enough;
          });
          child.killGroup("SIGKILL");
          await child.exited;
        });
      }
      await eventually(45_000, async () => (await left()) === 0);
    });
    for (const id of ids) {
      const record = await broker.record(id);
      assert.equal(record?.state, "done");
      assert.equal(record.completions, 1);
    }
  }),
);

test("kill -9 of a producer loses nothing whose enqueue had returned", { timeout: HANGS_MS }, () =>
  withFile(async (broker, path) => {
    const told: string[] = [];
    await withProcess([path, "producer"], async ({ child, line }) => {
      while (told.length < 300) told.push(...((await line()) ?? "").split(" "));
      child.killGroup("SIGKILL");
      await child.exited;
      for (let rest = await line(); rest !== undefined; rest = await line()) told.push(...rest.split(" "));
    });
    // The last line may have been cut short by the kill; its ids may not be whole.
    for (const id of told.slice(0, -3)) assert.equal((await broker.record(id))?.state, "queued", id);
    const { lag } = await broker.backlog();
    assert.equal(lag % 3, 0, "a batch is there whole or not at all");
    assert.ok(lag >= told.length - 3);
  }),
);

test("an idle process picks up what another enqueues within milliseconds", { timeout: HANGS_MS }, () =>
  withFile(async (broker, path) => {
    await withProcess([path, "worker", "idle"], async () => {
      /** How long half of them took. */
      const median = async (round: number) => {
        const times: number[] = [];
        for (let i = 0; i < 20; i += 1) {
          await sleep(20 + Math.random() * 20, signal);
          const at = performance.now();
          await broker.enqueue([task(`t${round}-${i}`)]);
          const committed = performance.now();
          while ((await broker.record(`t${round}-${i}`))?.state === "queued") await sleep(1, signal);
          // Its claim needs the disk as long as our enqueue did: that is not its doing.
          times.push(performance.now() - committed - (committed - at));
        }
        return times.toSorted((a, b) => a - b)[10] ?? Infinity;
      };
      // 30 ms is the promise on a quiet machine; a test machine is not one.
      await quickEnough("to pick up half of them", 100, median, 5);
    });
  }),
);

test("a cancel reaches a listener in another process", { timeout: HANGS_MS }, () =>
  withFile(async (broker, path) => {
    const other = new SqliteBroker(`sqlite:${path}`, { executor: null, queues: [QUEUE], leaseMs: LEASE_MS });
    await other.open(signal);
    const heard: string[] = [];
    broker.onCancel((ids) => heard.push(...ids));
    const hearing = async (round: number) => {
      const id = `t${round}`;
      await broker.enqueue([task(id)]);
      const delivery = await claimOne(broker, signal);
      const at = performance.now();
      await other.cancel([id]);
      await eventually(15_000, () => heard.length > 0);
      const tookMs = performance.now() - at;
      assert.deepEqual(heard.splice(0), [id]);
      await broker.complete([done(delivery)]);
      return tookMs;
    };
    await quickEnough("a cancel", 500, hearing, 5);
    await other.close();
  }),
);
