/**
 * A Redis that answers and refuses: it is a replica by now, has no memory, asks for a password, lacks a right, a group,
 * a key. The executor says so at once, ends over none of it, and goes on by itself when it is over; nothing is lost.
 * @long about 55 s
 */
import assert from "node:assert/strict";
import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Redis } from "ioredis";
import { GROUP } from "../../src/broker/redis/keys.ts";
import { connect } from "../../src/client/connect.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { enqueueAll, LedgerStage, ledgerTasks, notDoneOnce, recordsOf } from "../stage/ledger/ledger-stage.ts";
import { requestOf } from "../stage/outcomes.ts";
import { movingAddress } from "../stage/redis/moving-address.ts";
import type { RedisServer } from "../stage/redis/server.ts";
import { until } from "../stage/until.ts";

const LIMIT = { timeout: 60_000 };
/** How long it may take until a trouble is said, and until it is over, on a machine with much else to do. */
const SOON_MS = 10_000;
const MOVES_WITHIN_MS = 5_000;

/** A connection of the administrator, whom none of this concerns. */
function adminOf(stage: LedgerStage, { port }: RedisServer): Redis {
  const admin = new Redis({ port, db: 1, username: "admin", password: "pw" });
  admin.on("error", () => undefined);
  stage.atEnd(async () => admin.disconnect());
  return admin;
}

const USERS = ["worker on >pw ~* &* +@all", "admin on >pw ~* &* +@all"];

async function saysRefusing(executor: ExecutorProcess, reason: RegExp): Promise<void> {
  await until(`it says that it is refused (${reason})`, SOON_MS, async () => {
    const { state, broker } = await executor.status();
    const { code, body } = await executor.get("/readyz");
    const isSaid = broker.state === "refusing" && !broker.connected && reason.test(broker.last_error ?? "");
    return isSaid && state === "refused" && code === 503 && reason.test(body);
  });
}

async function isWell(executor: ExecutorProcess): Promise<void> {
  await until("it is ready again", SOON_MS, async () => {
    const { state, broker } = await executor.status();
    const { code } = await executor.get("/readyz");
    return state === "running" && broker.state === "connected" && broker.last_error === null && code === 200;
  });
}

interface Refusal {
  readonly code: string;
  readonly reason: RegExp;
  readonly args?: readonly string[];
  begin(admin: Redis, server: RedisServer): Promise<unknown>;
  end(admin: Redis, server: RedisServer): Promise<unknown>;
}

const REFUSALS: readonly Refusal[] = [
  {
    code: "READONLY",
    reason: /READONLY .*; this server is a replica/,
    begin: (admin) => admin.replicaof("127.0.0.1", 1),
    end: (admin) => admin.replicaof("NO", "ONE"),
  },
  {
    code: "MASTERDOWN",
    reason: /MASTERDOWN|READONLY/,
    args: ["--replica-serve-stale-data", "no"],
    begin: (admin) => admin.replicaof("127.0.0.1", 1),
    end: (admin) => admin.replicaof("NO", "ONE"),
  },
  {
    code: "NOREPLICAS",
    reason: /NOREPLICAS .*; too few replicas/,
    begin: (admin) => admin.config("SET", "min-replicas-to-write", "1"),
    end: (admin) => admin.config("SET", "min-replicas-to-write", "0"),
  },
  {
    code: "OOM",
    reason: /OOM .*; Redis has reached its maxmemory/,
    begin: (admin) => admin.config("SET", "maxmemory", "1"),
    end: (admin) => admin.config("SET", "maxmemory", "0"),
  },
  {
    code: "MISCONF",
    reason: /MISCONF .*; Redis cannot write to its disk/,
    async begin(admin, { dir }) {
      await mkdir(join(dir, "dump.rdb"));
      await admin.config("SET", "save", "3600 1");
      await admin.bgsave();
      await until("it could not save", SOON_MS, async () => /rdb_last_bgsave_status:err/.test(await admin.info()));
    },
    async end(admin, { dir }) {
      await rmdir(join(dir, "dump.rdb"));
      await admin.bgsave();
      await until("it has saved", SOON_MS, async () => /rdb_last_bgsave_status:ok/.test(await admin.info()));
    },
  },
  {
    code: "BUSY",
    reason: /BUSY .*; a script of another program/,
    args: ["--busy-reply-threshold", "50"],
    async begin(_admin, { port }) {
      const script = new Redis({ port, username: "admin", password: "pw" });
      // It ends by being killed.
      script.eval("while true do end", 0).then(undefined, () => script.disconnect());
    },
    end: (admin) => admin.script("KILL"),
  },
  {
    code: "WRONGPASS",
    reason: /WRONGPASS .*; give the user and the password/,
    async begin(admin) {
      await admin.call("ACL", "SETUSER", "worker", "resetpass", ">other");
      await admin.call("CLIENT", "KILL", "USER", "worker");
    },
    end: (admin) => admin.call("ACL", "SETUSER", "worker", "resetpass", ">pw"),
  },
  {
    code: "NOPERM",
    reason: /(NOPERM|ERR The user executing the script).*; give this user of Redis its rights/,
    begin: (admin) => admin.call("ACL", "SETUSER", "worker", "-xreadgroup", "-xpending"),
    end: (admin) => admin.call("ACL", "SETUSER", "worker", "+xreadgroup", "+xpending"),
  },
  {
    code: "WRONGTYPE",
    reason: /WRONGTYPE .*; another program seems to use this db too/,
    async begin(admin) {
      await admin.rename("te.0.common", "aside");
      await admin.set("te.0.common", "x");
    },
    async end(admin) {
      await admin.del("te.0.common");
      await admin.rename("aside", "te.0.common");
    },
  },
];

describe("a Redis that refuses", () => {
  for (const { code, reason, args = [], begin, end } of REFUSALS) {
    test(
      `${code}: it is said at once and once, the executor lives, and work goes on when it is over`,
      LIMIT,
      async () => {
        await LedgerStage.with(async (stage) => {
          const redis = await stage.redis({ users: USERS, args });
          const url = redis.url.replace("redis://", "redis://worker:pw@");
          const admin = adminOf(stage, redis);
          const executor = await stage.executor({ broker: url, concurrency: 4, lease: "2s" });
          const client = await stage.client(redis.url.replace("redis://", "redis://admin:pw@"));
          const gate = stage.path("gate");
          const before = await enqueueAll(client, ledgerTasks(8, { gate }, "before"));
          await until("all slots are taken", SOON_MS, async () => (await executor.busySlots()) === 4);

          await begin(admin, redis);
          await saysRefusing(executor, reason);
          await until("it is logged", SOON_MS, () => /The broker .* is refusing: /.test(executor.output()));
          // What ends meanwhile cannot be recorded, and is kept.
          await stage.openGate(gate);
          await until(
            "they have ended",
            SOON_MS,
            () => stage.ledger().filter(({ what }) => what === "end").length >= 4,
          );
          await saysRefusing(executor, reason);

          await end(admin, redis);
          await isWell(executor);
          const after = await enqueueAll(client, ledgerTasks(4, {}, "after"));
          await until("all are done", 20_000, async () => {
            const records = await recordsOf(client, [...before, ...after]);
            return records.every((record) => record?.state === "done");
          });
          await until("it is logged that it is over", SOON_MS, () =>
            /The broker is back after/.test(executor.output()),
          );
          assert.equal(executor.output().match(/ is refusing: /g)?.length, 1, executor.output());
          assert.equal(executor.hasEnded, false);
        });
      },
    );
  }
});

test("NOAUTH: a password that is asked for from now on is said, and work goes on without it", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url);
    stage.atEnd(async () => admin.disconnect());
    const executor = await stage.executor({ broker: redis.url });
    await admin.config("SET", "requirepass", "s3cret");
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    await saysRefusing(executor, /NOAUTH .*; give the user and the password in the address/);
    await admin.config("SET", "requirepass", "");
    await isWell(executor);
    const client = await stage.client(redis.url);
    const ids = await enqueueAll(client, ledgerTasks(1, {}));
    await until("it is done", SOON_MS, async () => (await notDoneOnce(client, ids)).length === 0);
  });
});

test("one connection of four that is not let in again is a refusal, though the others live", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis({ users: USERS });
    const admin = adminOf(stage, redis);
    const executor = await stage.executor({ broker: redis.url.replace("//", "//worker:pw@") });
    const lines = async () =>
      String(await admin.client("LIST"))
        .split("\n")
        .filter((line) => / user=worker /.test(line));
    for (const { length } of [await lines()]) assert.equal(length, 4);
    for (let which = 0; which < 4; which++) {
      const id = /^id=(\d+)/.exec((await lines())[which] ?? "")?.[1] ?? "";
      await admin.call("ACL", "SETUSER", "worker", "resetpass", ">other");
      await admin.client("KILL", "ID", id);
      await saysRefusing(executor, /WRONGPASS/);
      await admin.call("ACL", "SETUSER", "worker", "resetpass", ">pw");
      await isWell(executor);
    }
    assert.equal((await lines()).length, 4);
  });
});

test("while Redis refuses, a client's enqueue waits and arrives; one that waits too long says why", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url);
    stage.atEnd(async () => admin.disconnect());
    const [patient, hasty] = [await connect(redis.url), await connect(redis.url, { waitMs: 300 })];
    for (const client of [patient, hasty]) stage.atEnd(() => client.close());
    await admin.config("SET", "min-replicas-to-write", "1");
    const waiting = patient.enqueue("echo", 1, { id: "waits" });
    await assert.rejects(hasty.enqueue("echo", 1, { id: "hasty" }), {
      name: "BrokerUnavailableError",
      message: /not enqueued within 300 ms: Redis refuses: NOREPLICAS .*; too few replicas/,
    });
    await admin.config("SET", "min-replicas-to-write", "0");
    assert.equal((await waiting).created, true);
    assert.equal(await hasty.task("hasty"), null);
  });
});

test("an executor leaves in bounded time while Redis refuses, and its tasks run elsewhere later", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url);
    stage.atEnd(async () => admin.disconnect());
    const gate = stage.path("gate");
    const client = await stage.client(redis.url);
    const leaving = await stage.executor({ broker: redis.url, grace: "0s", lease: "1s" });
    const ids = await enqueueAll(client, ledgerTasks(1, { gate }));
    await until("it runs", SOON_MS, async () => (await leaving.busySlots()) === 1);
    await admin.config("SET", "min-replicas-to-write", "1");
    await saysRefusing(leaving, /NOREPLICAS/);
    const [headers, body] = [{ "content-type": "application/json" }, JSON.stringify({ type: "echo" })];
    const answer = await fetch(`http://127.0.0.1:${leaving.port}/api/v1/tasks`, { method: "POST", headers, body });
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), /"broker_refusing","message":"Redis refuses: NOREPLICAS/);
    leaving.kill("SIGTERM");
    assert.deepEqual(await leaving.exit, { code: 0, signal: null });
    await admin.config("SET", "min-replicas-to-write", "0");
    await stage.openGate(gate);
    await stage.executor({ broker: redis.url, lease: "1s" });
    await until("it is done elsewhere", 20_000, async () => (await recordsOf(client, ids))[0]?.state === "done");
  });
});

test("what is refused and keeps no task from running is a warning, as long as it is", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis({ users: USERS });
    const admin = adminOf(stage, redis);
    const executor = await stage.executor({ broker: redis.url.replace("//", "//worker:pw@") });
    await admin.call("ACL", "SETUSER", "worker", "resetchannels");
    await admin.call("CLIENT", "KILL", "USER", "worker");
    const warnings = async () => (await executor.status()).broker.warnings.join();
    await until("it is warned of", SOON_MS, async () =>
      /^cancels by push: NOPERM .*&taskexe:cancel/.test(await warnings()),
    );
    await isWell(executor);
    await admin.call("ACL", "SETUSER", "worker", "allchannels");
    await until("it is warned of no more", SOON_MS, async () => (await warnings()) === "");
    assert.match(executor.output(), /WRN broker: The broker .*: cancels by push: NOPERM/);
  });
});

test("a key of another type where the pauses stand ends nobody, and is said", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url);
    stage.atEnd(async () => admin.disconnect());
    const executor = await stage.executor({ broker: redis.url });
    const client = await stage.client(redis.url);
    await admin.set("taskexe:paused", "x");
    // Idle, it only counts.
    await until("it is warned of", SOON_MS, async () =>
      /^counts: .*WRONGTYPE .*TYPE taskexe:paused/.test((await executor.status()).broker.warnings.join()),
    );
    const ids = await enqueueAll(client, ledgerTasks(2, {}));
    await saysRefusing(executor, /WRONGTYPE .*TYPE taskexe:paused/);
    assert.equal(await admin.get("taskexe:paused"), "x");
    await admin.del("taskexe:paused");
    await until("all are done", SOON_MS, async () => (await notDoneOnce(client, ids)).length === 0);
    await isWell(executor);
    assert.equal(executor.hasEnded, false);
  });
});

test("LOADING: an executor says that Redis loads its data, and goes on once it has", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const slow = ["--key-load-delay", "60000", "--loading-process-events-interval-bytes", "1024"];
    const redis = await stage.redis({ args: slow });
    const admin = new Redis(redis.url);
    admin.on("error", () => undefined);
    stage.atEnd(async () => admin.disconnect());
    const executor = await stage.executor({ broker: redis.url });
    for (let n = 0; n < 50; n++) await admin.set(`filler-${n}`, "x".repeat(2_000));
    await admin.save();
    const restarted = redis.restart();
    await saysRefusing(executor, /LOADING .*; it goes on once/);
    await restarted;
    await isWell(executor);
    const client = await stage.client(redis.url);
    const ids = await enqueueAll(client, ledgerTasks(1, {}));
    await until("it is done", SOON_MS, async () => (await notDoneOnce(client, ids)).length === 0);
  });
});

test(
  "a demoted master is left within 5 s for the one behind the moved address, by executors and clients",
  LIMIT,
  async () => {
    await LedgerStage.with(async (stage) => {
      const [old, next] = [await stage.redis(), await stage.redis()];
      const address = await movingAddress(old.port);
      stage.atEnd(() => address.close());
      const url = `redis://127.0.0.1:${address.port}/1`;
      const executor = await stage.executor({ broker: url, concurrency: 4 });
      const client = await stage.client(url);
      const onNext = await stage.client(next.url);
      const [admin, adminOfNext] = [new Redis(old.url), new Redis(next.url)];
      stage.atEnd(async () => {
        admin.disconnect();
        adminOfNext.disconnect();
      });
      const gate = stage.path("gate");
      const ids = await enqueueAll(client, ledgerTasks(6, { gate }));
      await until("all slots are taken", SOON_MS, async () => (await executor.busySlots()) === 4);
      await adminOfNext.replicaof("127.0.0.1", old.port);
      await until("it has all", SOON_MS, async () =>
        /master_link_status:up/.test(await adminOfNext.info("replication")),
      );
      await until("the tasks too", SOON_MS, async () => (await onNext.record("task-5")) !== null);

      // The failover: the old connections all live on.
      address.moveTo(next.port);
      await adminOfNext.replicaof("NO", "ONE");
      await admin.replicaof("127.0.0.1", next.port);
      const begun = performance.now();
      await stage.openGate(gate);
      ids.push(...(await enqueueAll(client, ledgerTasks(2, {}, "later"))));
      const enqueuedMs = performance.now() - begun;
      await until("all are done on the new master", 20_000, async () => (await notDoneOnce(onNext, ids)).length === 0);
      const doneMs = performance.now() - begun;
      await isWell(executor);
      assert.ok(enqueuedMs < MOVES_WITHIN_MS, `the client found it after ${enqueuedMs.toFixed(0)} ms`);
      assert.ok(doneMs < MOVES_WITHIN_MS, `the executor found it after ${doneMs.toFixed(0)} ms`);
      process.stderr.write(
        `      enqueued after ${enqueuedMs.toFixed(0)} ms, all done after ${doneMs.toFixed(0)} ms\n`,
      );
      const left = String(await admin.client("LIST"))
        .split("\n")
        .filter((line) => /name=task_executor/.test(line));
      assert.deepEqual(left, [], "connections to the old master are left");
    });
  },
);

test("an idle executor leaves a demoted master too, and a cancel reaches it at the new one", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const [old, next] = [await stage.redis(), await stage.redis()];
    const address = await movingAddress(old.port);
    stage.atEnd(() => address.close());
    const executor = await stage.executor({ broker: `redis://127.0.0.1:${address.port}/1` });
    const admin = new Redis(old.url);
    stage.atEnd(async () => admin.disconnect());
    address.moveTo(next.port);
    await admin.replicaof("127.0.0.1", next.port);
    const client = await stage.client(next.url);
    await enqueueAll(client, [requestOf("nap", "sleep", { ms: 600_000 })]);
    await until("it runs", MOVES_WITHIN_MS, async () => (await executor.busySlots()) === 1);
    await client.cancel(["nap"]);
    await until("it is cancelled", SOON_MS, async () => (await client.record("nap"))?.state === "cancelled");
    await isWell(executor);
  });
});

test("a group or stream that is deleted is made again, whoever comes across it, and work goes on", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url);
    stage.atEnd(async () => admin.disconnect());
    const client = await stage.client(redis.url);
    const executor = await stage.executor({ broker: redis.url, concurrency: 2, lease: "1s" });
    const gate = stage.path("gate");
    const ids = await enqueueAll(client, ledgerTasks(2, { gate }, "running"));
    await until("both run", SOON_MS, async () => (await executor.busySlots()) === 2);
    for (const key of ["te.0.common", "te.1.common"]) await admin.xgroup("DESTROY", key, GROUP);
    // The leases are renewed three times a second, what is expired is looked for as often.
    await until("it was made again", SOON_MS, async () => {
      const groups = await Promise.all(["te.0.common", "te.1.common"].map((key) => admin.xinfo("GROUPS", key)));
      return groups.every((group) => Array.isArray(group) && group.length === 1);
    });
    await stage.openGate(gate);
    ids.push(...(await enqueueAll(client, ledgerTasks(3, {}, "later"))));
    await until("all are done", SOON_MS, async () => {
      const records = await Promise.all(ids.map((id) => client.record(id)));
      return records.every((record) => record?.state === "done");
    });
    await isWell(executor);
    assert.equal(executor.hasEnded, false);
  });
});

test("what is refused to one call or schedule, by its own key, is no refusal of the broker", LIMIT, async () => {
  await LedgerStage.with(async (stage) => {
    const redis = await stage.redis();
    const admin = new Redis(redis.url);
    stage.atEnd(async () => admin.disconnect());
    const executor = await stage.executor({ broker: redis.url });
    const client = await connect(redis.url, { queues: ["common", "other"] });
    stage.atEnd(() => client.close());
    await admin.set("te.0.other", "x");
    await client.schedules.put("wrong", { cron: "* * * * * *", queue: "other" }, "echo");
    await client.schedules.put("right", { cron: "* * * * * *" }, "echo");
    await until("the schedule is complained about", SOON_MS, () =>
      /schedule wrong cannot be fired: .*WRONGTYPE/.test(executor.output()),
    );
    const body = JSON.stringify({ type: "echo", queue: "other" });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`http://127.0.0.1:${executor.port}/api/v1/tasks`, { method: "POST", headers, body });
    assert.notEqual(answer.status, 201);
    const { done } = await executor.status();
    await until("the other schedule fires on", SOON_MS, async () => (await executor.status()).done >= done + 2);
    assert.equal((await executor.status()).broker.state, "connected");
    assert.equal((await executor.get("/readyz")).code, 200);
    assert.equal(executor.output().match(/schedule wrong cannot be fired/g)?.length, 1);
    assert.equal(await admin.get("te.0.other"), "x");
  });
});
