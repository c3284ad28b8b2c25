/**
 * Redis that is not there: not yet, killed and started again, or hung. The executor waits, says so over HTTP all the
 * while, and goes on by itself; nothing that was enqueued is missing afterwards.
 * @long about 60 s
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import type { ExecutorProcess } from "../stage/executor.ts";
import { HeldUp } from "../stage/held-up.ts";
import { countById } from "../stage/ledger/ledger.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce } from "../stage/ledger/ledger-stage.ts";
import { until } from "../stage/until.ts";

const RESUMES_WITHIN_MS = 5_000;
const ANSWERS_WITHIN_MS = 200;
/** Whoever waits for a server that hangs does so for longer, even once. */
const NO_ANSWER_TAKES_MS = 2_500;
/** One answer in so many may be late, since a busy machine can hold up the executor itself. */
const LATE_EVERY = 20;
/**
 * The grace of 1 s, and 5 s each for the last outcomes, the hand-back and the last heartbeat; and some for a busy
 * machine.
 */
const LEAVES_WITHIN_MS = 22_000;
const HANGS_MS = 20_000;
/** A server that hangs is noticed after 3 s of silence; the rest is for a busy machine. */
const NOTICED_WITHIN_MS = 9_000;

test("after a kill -9 of Redis under load, work goes on within 5 s of its restart and every task is done", {
  timeout: 180_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis({ appendonly: true });
    const executor = await stage.executor({ broker: redis.url, concurrency: 20 });
    const client = await stage.client(redis.url);
    const ids: string[] = [];
    let enough = Number.POSITIVE_INFINITY;
    // Small batches, so that the kill comes into the middle of one, whose reply is then lost.
    const enqueued = (async () => {
      while (ids.length < enough)
        ids.push(...(await enqueueAll(client, ledgerTasks(20, { ms: 2 }, `at-${ids.length}`))));
    })();
    await until("it is well under way", 40_000, async () => (await executor.status()).done > 300);
    await redis.kill("SIGKILL");
    await until("the executor says that Redis is away", 10_000, async () => {
      const { state, broker } = await executor.status();
      return state === "disconnected" && !broker.connected && broker.last_error !== null;
    });
    assert.equal((await executor.get("/readyz")).code, 503);
    await redis.restart();
    const restartedAt = Date.now();

    enough = ids.length + 500;
    await enqueued;
    await until("all are done", 60_000, async () => {
      const { pending, lag } = await client.backlog();
      return pending === 0 && lag === 0 && (await notDoneOnce(client, ids)).length === 0;
    });
    const ledger = stage.ledger();
    const resumedMs = Math.min(...ledger.filter(({ at }) => at > restartedAt).map(({ at }) => at)) - restartedAt;
    assert.ok(resumedMs < RESUMES_WITHIN_MS, `work went on only ${resumedMs} ms after the restart`);
    assert.equal((await executor.get("/readyz")).code, 200);
    const twice = [...countById(ledger, "end").values()].filter((times) => times > 1).length;
    process.stderr.write(
      `      went on ${resumedMs} ms after the restart; ${twice} of ${ids.length} tasks ran twice\n`,
    );
  });
});

test("connections that are cut one by one under load are opened anew, and every task is done within its lease", {
  timeout: 120_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const executor = await stage.executor({ broker: redis.url, concurrency: 40, lease: "30s" });
    const client = await stage.client(redis.url);
    const admin = new Redis(redis.url);
    try {
      const ids = await enqueueAll(client, ledgerTasks(6_000, { ms: 5 }));
      const own = ` name=${(await executor.status()).name} `;
      const cut = new Set<string>();
      await until("each was cut more than once", 30_000, async () => {
        const lines = String(await admin.client("LIST")).split("\n");
        const open = lines.filter((line) => line.includes(own)).map((line) => /^id=(\d+)/.exec(line)?.[1] ?? "");
        const next = open.find((id) => !cut.has(id));
        if (next === undefined) return false;
        cut.add(next);
        await admin.client("KILL", "ID", next);
        return cut.size >= 12;
      });
      // Not by way of a lease that ran out: what a lost reply had brought is taken up by the executor itself.
      await until("all are done", 20_000, async () => (await notDoneOnce(client, ids)).length === 0);
      // The connection that was cut last may still be on its way back.
      await until("it is ready", 10_000, async () => (await executor.get("/readyz")).code === 200);
      await until("nothing is left", 10_000, async () => {
        const { pending, lag } = await client.backlog();
        return pending === 0 && lag === 0;
      });
    } finally {
      admin.disconnect();
    }
  });
});

test("a Redis that answers reads and leaves writes waiting is away, for as long as it does", {
  timeout: 120_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url);
    stage.atEnd(async () => admin.disconnect());
    const executor = await stage.executor({ broker: redis.url });
    const newest = async () => {
      const lines = String(await admin.client("LIST")).split("\n");
      const ours = lines.filter((line) => !line.includes("cmd=client|list"));
      return Math.max(...ours.map((line) => Number(/^id=(\d+)/.exec(line)?.[1] ?? 0)));
    };
    await admin.client("PAUSE", 60_000, "WRITE");
    await until("it is said", NOTICED_WITHIN_MS, async () => {
      const { state, broker } = await executor.status();
      return state === "disconnected" && /left a write without an answer.*CLIENT PAUSE/.test(broker.last_error ?? "");
    });
    // The connections open again: that shows nothing.
    const known = await newest();
    await until("it has connected anew", NOTICED_WITHIN_MS, async () => {
      assert.equal((await executor.get("/readyz")).code, 503);
      return (await newest()) > known;
    });
    assert.equal((await executor.get("/readyz")).code, 503);
    await admin.client("UNPAUSE");
    await until("it is ready again", RESUMES_WITHIN_MS, async () => (await executor.get("/readyz")).code === 200);
    assert.equal((await executor.status()).broker.last_error, null);
    assert.equal(executor.output().match(/ is away: /g)?.length, 1, executor.output());
  });
});

test("while Redis hangs for 20 s /status answers at once and says so; afterwards work goes on and nothing is lost", {
  timeout: 120_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    // With a lease far shorter than the hang: every lease is over when Redis goes on.
    const options = { broker: redis.url, concurrency: 5, lease: "3s" };
    const executors = [await stage.executor(options), await stage.executor(options)];
    const client = await stage.client(redis.url);
    const ids = await enqueueAll(client, ledgerTasks(1_000, { ms: 30 }));
    await until("both work", 20_000, async () => {
      const statuses = await Promise.all(executors.map((executor) => executor.status()));
      return statuses.every(({ done }) => done > 50);
    });

    await redis.kill("SIGSTOP");
    const answers = await watch(executors, HANGS_MS);
    await redis.kill("SIGCONT");
    const slowest = Math.max(...answers);
    const late = answers.filter((ms) => ms >= ANSWERS_WITHIN_MS).length;
    assert.ok(slowest < NO_ANSWER_TAKES_MS, `an answer took ${slowest.toFixed(0)} ms`);
    assert.ok(late <= answers.length / LATE_EVERY, `${late} of ${answers.length} answers were late`);

    await until("both run again", 20_000, async () => {
      const statuses = await Promise.all(executors.map((executor) => executor.status()));
      return statuses.every(({ state }) => state === "running");
    });
    await until("all are done", 30_000, async () => (await notDoneOnce(client, ids)).length === 0);
    // The record of an end is seen a moment before the executor has heard that it is written.
    const statuses = await until("each is counted", 10_000, async () => {
      const now = await Promise.all(executors.map((executor) => executor.status()));
      return sum(now.map(({ done }) => done)) >= ids.length && now;
    });
    assert.equal(sum(statuses.map(({ done }) => done)), ids.length);
    const ended = [...countById(stage.ledger(), "end").values()];
    assert.equal(ended.length, ids.length);
    const twice = ended.filter((times) => times > 1).length;
    // Those that ran when it began to hang, and those whose slots these had taken, whose ends it had not read yet.
    assert.ok(twice <= 2 * sum(statuses.map(({ concurrency }) => concurrency)), `${twice} tasks ran more than once`);
    process.stderr.write(`      slowest answer ${slowest.toFixed(0)} ms; ${twice} of ${ids.length} tasks ran twice\n`);
  });
});

for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  test(`an executor leaves in bounded time though Redis is away (${signal}), and its tasks run elsewhere later`, {
    timeout: 90_000,
  }, async () => {
    await LedgerStage.with(async (stage) => {
      const redis = await stage.redis({ appendonly: true });
      const options = { broker: redis.url, concurrency: 4, lease: "1s" };
      const client = await stage.client(redis.url);
      const gate = stage.path("gate");
      const leaving = await stage.executor({ ...options, grace: "1s" });
      const ids = await enqueueAll(client, ledgerTasks(2, { gate }));
      await until("it runs them", 10_000, async () => (await leaving.busySlots()) === 2);
      await redis.kill(signal);
      leaving.kill("SIGTERM");
      const begun = performance.now();
      assert.deepEqual(await leaving.exit, { code: 0, signal: null });
      const tookMs = performance.now() - begun;
      assert.ok(tookMs < LEAVES_WITHIN_MS, `it left only after ${tookMs.toFixed(0)} ms`);
      process.stderr.write(`      left ${tookMs.toFixed(0)} ms after SIGTERM\n`);

      if (signal === "SIGKILL") await redis.restart();
      else await redis.kill("SIGCONT");
      await stage.openGate(gate);
      await stage.executor(options);
      await until("they are done elsewhere", 20_000, async () => (await notDoneOnce(client, ids)).length === 0);
    });
  });
}

test("an executor that is started before Redis says that it is starting, and is ready once Redis is there", {
  timeout: 120_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    await redis.kill("SIGKILL");
    const executor = await stage.executor({ broker: redis.url, ready: false });
    const { state, broker } = await until("it has tried to connect", 10_000, async () => {
      const status = await executor.status();
      return status.broker.last_error !== null && status;
    });
    assert.equal(state, "starting");
    assert.equal(broker.connected, false);
    assert.match(broker.last_error ?? "", /ECONNREFUSED|refused|closed/);
    assert.equal((await executor.get("/healthz")).code, 200);
    const ready = await executor.get("/readyz");
    assert.equal(ready.code, 503);
    assert.match(ready.body, /starting: the broker has not answered yet/);

    await redis.restart();
    await until("it is ready", 10_000, async () => (await executor.get("/readyz")).code === 200);
    assert.equal((await executor.status()).state, "running");
    const client = await stage.client(redis.url);
    const ids = await enqueueAll(client, ledgerTasks(1, {}));
    await until("it works", 10_000, async () => (await notDoneOnce(client, ids)).length === 0);
  });
});

test("an executor that is told to stop before Redis is there leaves at once with 0", { timeout: 120_000 }, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    await redis.kill("SIGKILL");
    const executor = await stage.executor({ broker: redis.url, ready: false });
    executor.kill("SIGTERM");
    assert.deepEqual(await executor.exit, { code: 0, signal: null });
  });
});

test("a wrong password is told in /status without the password, and heals once it is the right one", {
  timeout: 120_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url, { lazyConnect: true });
    stage.atEnd(async () => admin.disconnect());
    await admin.connect();
    await admin.call("ACL", "SETUSER", "worker", "on", ">the-right-one", "~*", "&*", "+@all");
    const broker = redis.url.replace("redis://", "redis://worker:s3cr3t-pw@");
    const executor = await stage.executor({ broker, ready: false });

    const status = await until("it was refused", 10_000, async () => {
      const { body } = await executor.get("/status");
      return body.includes("WRONGPASS") && body;
    });
    const ready = await executor.get("/readyz");
    assert.equal(ready.code, 503);
    for (const told of [status, ready.body, executor.output()]) assert.doesNotMatch(told, /s3cr3t-pw/);

    await admin.call("ACL", "SETUSER", "worker", "resetpass", ">s3cr3t-pw");
    await until("it is ready", 10_000, async () => (await executor.get("/readyz")).code === 200);
  });
});

/**
 * Asks all of them for their status every 100 ms for so long; gives how long each answer took, in ms, less the time for
 * which this process itself was held up.
 */
async function watch(executors: readonly ExecutorProcess[], forMs: number): Promise<number[]> {
  using heldUp = new HeldUp();
  const begun = performance.now();
  const answers: number[] = [];
  while (performance.now() - begun < forMs) {
    for (const executor of executors) {
      const mustBeNoticed = performance.now() - begun > NOTICED_WITHIN_MS;
      const before = heldUp.ms;
      const { code, body, ms } = await executor.get("/status");
      answers.push(Math.max(0, ms - (heldUp.ms - before)));
      assert.equal(code, 200);
      if (mustBeNoticed) assert.equal(JSON.parse(body).state, "disconnected");
    }
    await pause(100);
  }
  return answers;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

test("an executor says in its log that its broker is away, and that it is back", { timeout: 120_000 }, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis({ appendonly: true });
    const executor = await stage.executor({ broker: redis.url });
    await redis.kill("SIGKILL");
    await until("it says so", 20_000, () =>
      /The broker redis:\/\/.* is away: .+; trying until it is back/.test(executor.output()),
    );
    await redis.restart();
    await until("it says that it is back", 20_000, () => /The broker is back after [\d.]+ s/.test(executor.output()));
    assert.equal(executor.output().match(/is away:/g)?.length, 1);
  });
});

test("a Redis that is out of memory is away, and nothing ends over it: work goes on once there is room", {
  timeout: 120_000,
}, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    // Beats every half second, so that beats, completions, progress and promotions all meet it.
    const env = { TASKEXE_HEARTBEAT_TIMEOUT: "2s" };
    const executor = await stage.executor({ broker: redis.url, concurrency: 10, env });
    const client = await stage.client(redis.url);
    const direct = new Redis(redis.url);
    stage.atEnd(async () => direct.disconnect());
    const ids = await enqueueAll(client, ledgerTasks(200, { ms: 50 }));
    await until("it is under way", 20_000, async () => (await executor.status()).done > 20);
    await direct.config("SET", "maxmemory", "1");
    await assert.rejects(client.enqueue(ledgerTasks(1, {}, "late")), /OOM command not allowed/);
    const { done } = await executor.status();
    await until("several beats have come", 10_000, async () => (await executor.status()).uptime_s > 4);
    assert.ok((await executor.status()).done - done <= 20, "completions were recorded without memory");
    await direct.config("SET", "maxmemory", "0");
    await until("all are done", 20_000, async () => (await notDoneOnce(client, ids)).length === 0);
    assert.equal(executor.hasEnded, false, executor.output());
  });
});
