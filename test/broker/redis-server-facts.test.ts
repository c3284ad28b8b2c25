/**
 * What the server is: too old, another product, or set up so that it throws tasks away; told from the command line on.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Redis } from "ioredis";
import { BrokerUnfitError } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { memoryWarnings, readFacts } from "../../src/broker/redis/connection/server-facts.ts";
import { fakeRedis } from "../stage/redis/fake.ts";
import { startRedis } from "../stage/redis/server.ts";
import { Stage } from "../stage/stage.ts";
import { said, until, untilBy } from "../stage/until.ts";

const OLD = ["# Server", "redis_version:6.2.14", "loading:0", "maxmemory_policy:noeviction"];
const VALKEY = ["redis_version:7.2.4", "server_name:valkey", "valkey_version:8.1.1", "loading:0"];

test("a server that is older than 7.0 is refused at the start, by its version, with 2", async () => {
  await Stage.with(async (stage) => {
    const server = await fakeRedis(OLD);
    try {
      for (const command of [["run", "--listen", "off"], ["list"], ["enqueue", "echo"]]) {
        const { code, stdout, stderr } = await stage.run([...command, "--broker", server.url]);
        assert.equal(code, 2, stderr);
        assert.match(stderr, /is Redis 6\.2\.14; taskexe needs Redis 7\.0 or later, or Valkey/);
        assert.doesNotMatch(stdout + stderr, /\n\s+at /);
      }
    } finally {
      await server.close();
    }
  });
});

test("Valkey is taken by its own version", async () => {
  const server = await fakeRedis(VALKEY);
  const broker = await createBroker(server.url, { executor: null, queues: ["common"], leaseMs: 1_000 });
  try {
    await broker.open(AbortSignal.timeout(10_000));
    assert.deepEqual(broker.connection(), { state: "connected", lastError: null, warnings: [] });
  } finally {
    await broker.close();
    await server.close();
  }
});

describe("a memory policy that throws keys away", () => {
  test("what can be lost depends on the policy", () => {
    const warned = (policy: string) => memoryWarnings(readFacts(`maxmemory_policy:${policy}\r\n`)).join();
    assert.equal(warned("noeviction"), "");
    assert.match(warned("volatile-lru"), /volatile-lru: .*cancel flags .*unique keys .*queues and records stay/);
    assert.match(warned("allkeys-lfu"), /allkeys-lfu: .*whole queues with all their tasks/);
    assert.deepEqual(memoryWarnings(readFacts("")), []);
  });

  test(
    "is warned of once in the log and stands in /status, though the user may not use " + "CONFIG; tasks run",
    async () => {
      await Stage.with(async (stage) => {
        const server = await startRedis({
          args: ["--maxmemory-policy", "volatile-lru"],
          users: ["worker on >pw ~* &* +@all -config", "admin on >pw ~* &* +@all"],
        });
        const admin = new Redis(server.port, "127.0.0.1", { username: "admin", password: "pw", db: 1 });
        try {
          const env = { TASKEXE_HEARTBEAT_TIMEOUT: "2s" };
          const executor = await stage.executor({ broker: server.url.replace("//", "//worker:pw@"), env });
          await said(
            executor,
            /WRN.*maxmemory-policy is volatile-lru: when the memory of Redis is full, it throws away/,
          );
          const warnings = async () => (await executor.status()).broker.warnings.join();
          assert.match(await warnings(), /volatile-lru.*Set it to noeviction/);
          assert.equal((await executor.get("/readyz")).code, 200);
          const shown = await stage.run(["status", "--url", `http://127.0.0.1:${executor.port}`]);
          assert.match(shown.stdout, /warning +maxmemory-policy is volatile-lru/);
          // The next heartbeat sees what was changed since.
          await admin.config("SET", "maxmemory-policy", "allkeys-random");
          await untilBy(executor, "the other one is told", async () => /allkeys-random/.test(await warnings()));
          await admin.config("SET", "maxmemory-policy", "noeviction");
          await untilBy(executor, "nothing is warned of", async () => (await warnings()) === "");
          assert.equal(executor.output().match(/volatile-lru/g)?.length, 1);
        } finally {
          admin.disconnect();
          await server.stop();
        }
      });
    },
  );

  test("is looked at again at each connect", async () => {
    const server = await startRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
    const broker = await createBroker(server.url, { executor: "one", queues: ["common"], leaseMs: 1_000 });
    const admin = new Redis(server.url);
    try {
      await broker.open(AbortSignal.timeout(10_000));
      const warned = () => broker.connection().warnings.join();
      assert.match(warned(), /allkeys-lru/);
      await admin.config("SET", "maxmemory-policy", "noeviction");
      assert.match(warned(), /allkeys-lru/);
      await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await until("it was asked anew", 10_000, () => warned() === "");
    } finally {
      admin.disconnect();
      await broker.close();
      await server.stop();
    }
  });
});

test("a user who may not ask what the server is works all the same, and is warned that nobody knows", async () => {
  const server = await startRedis({ users: ["worker on >pw ~* &* +@all -info", "admin on >pw ~* &* +@all"] });
  const broker = await createBroker(server.url.replace("//", "//worker:pw@"), {
    executor: "one",
    queues: ["common"],
    leaseMs: 1_000,
  });
  try {
    await broker.open(AbortSignal.timeout(10_000));
    const { state, warnings } = broker.connection();
    assert.equal(state, "connected");
    assert.match(warnings.join(), /memory policy of Redis is right is not known: .*NOPERM.*; give this user/);
  } finally {
    await broker.close();
    await server.stop();
  }
});

test("a broker that is too old says so to whoever opens it", async () => {
  const server = await fakeRedis(OLD);
  const broker = await createBroker(server.url, { executor: "one", queues: ["common"], leaseMs: 1_000 });
  try {
    await assert.rejects(broker.open(AbortSignal.timeout(10_000)), BrokerUnfitError);
  } finally {
    await broker.close();
    await server.close();
  }
});
