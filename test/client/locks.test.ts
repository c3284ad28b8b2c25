/** Locks of the whole fleet: one holder at a time, whatever happens to holders, and fences for what they protect. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openRoot, sleep, sleepForever, withScope } from "../../src/concurrency/index.ts";
import { type HeldLock, LockLostError, LockNotTakenError } from "../../src/index.ts";
import { type BrokerStage, onBothBrokers, onRedis } from "../stage/broker.ts";
import { BUN, Command } from "../stage/command.ts";
import { until } from "../stage/until.ts";

const HOLDER = fileURLToPath(new URL("fixtures/lock-holder.ts", import.meta.url));

async function withHolder(
  { url }: BrokerStage,
  ttlMs: number,
  use: (holder: Command, fence: number) => Promise<void>,
): Promise<void> {
  const holder = new Command([BUN, HOLDER, url, "one", String(ttlMs)]);
  try {
    const [, fence = ""] = await holder.says(/held (\d+)\n/);
    await use(holder, Number(fence));
  } finally {
    await holder.end();
  }
}

onBothBrokers("of many who want a lock one is inside at a time, each under a larger fence", async (stage) => {
  const clients = [await stage.connect(), await stage.connect(), await stage.connect()];
  let [inside, most, last, runs] = [0, 0, 0, 0];
  const enter = async ({ fence, isHeld, name }: HeldLock): Promise<void> => {
    most = Math.max(most, ++inside);
    assert.ok(fence > last && isHeld && name === "one", `${fence} after ${last}`);
    last = fence;
    await sleep(2, openRoot().signal);
    inside--;
    runs++;
  };
  await Promise.all(clients.flatMap((client) => Array.from({ length: 5 }, () => client.withLock("one", {}, enter))));
  assert.deepEqual([most, runs, inside], [1, 15, 0]);
});

onBothBrokers("what the block gives and throws comes out, and the lock is free behind it", async (stage) => {
  const [client, other] = [await stage.connect(), await stage.connect()];
  assert.equal(await client.withLock("one", {}, () => 7), 7);
  await assert.rejects(
    client.withLock("one", {}, () => Promise.reject(new TypeError("mine"))),
    (error) => error instanceof TypeError && error.message === "mine",
  );
  const tried = await other.tryLock("one", {}, async ({ fence }) => {
    assert.deepEqual(await client.tryLock("one", {}, () => assert.fail()), { taken: false });
    assert.deepEqual(await other.tryLock("one", {}, () => assert.fail()), { taken: false });
    await assert.rejects(
      client.withLock("one", { waitMs: 30 }, () => assert.fail()),
      LockNotTakenError,
    );
    return fence > 0;
  });
  assert.deepEqual(tried, { taken: true, value: true });
});

onBothBrokers("a wait ends with its scope, and nothing is left of it", async (stage) => {
  const [client, other] = [await stage.connect(), await stage.connect()];
  await client.withLock("one", {}, async () => {
    const outcome = await withScope(openRoot(), {}, async (scope) => {
      setTimeout(() => scope.cancel("enough"), 20);
      await other.withLock("one", { scope }, () => assert.fail());
    });
    assert.ok(outcome.cancelled);
  });
  assert.equal(await other.withLock("one", { waitMs: 10_000 }, () => "mine"), "mine");
});

onBothBrokers("it is renewed for as long as the block runs", async (stage) => {
  const [client, other] = [await stage.connect(), await stage.connect()];
  const stillHeld = await client.withLock("one", { ttlMs: 2_000 }, async ({ signal, isHeld }) => {
    for (const end = performance.now() + 4_500; performance.now() < end; await sleep(100, signal)) {
      assert.deepEqual(await other.tryLock("one", {}, () => assert.fail()), { taken: false });
    }
    return isHeld;
  });
  assert.ok(stillHeld);
});

onBothBrokers("a holder that was killed loses it when its time is over", async (stage) => {
  const client = await stage.connect();
  await withHolder(stage, 1_000, async (holder, fence) => {
    assert.deepEqual(await client.tryLock("one", {}, () => assert.fail()), { taken: false });
    holder.kill("SIGKILL");
    assert.ok((await client.withLock("one", { waitMs: 30_000 }, (lock) => lock.fence)) > fence);
  });
});

onBothBrokers("a holder that stood still loses it, hears of that, and has the smaller fence", async (stage) => {
  const client = await stage.connect();
  await withHolder(stage, 1_000, async (holder, fence) => {
    holder.kill("SIGSTOP");
    await client.withLock("one", { waitMs: 30_000 }, async (lock) => {
      assert.ok(lock.fence > fence);
      holder.kill("SIGCONT");
      await holder.says(/ended while not held\nfailed: LockLostError\n/);
      // What the one that woke up gives back is not what the other one has.
      await holder.finished();
      assert.deepEqual(await client.tryLock("one", {}, () => assert.fail()), { taken: false });
      assert.ok(lock.isHeld);
    });
  });
});

onBothBrokers("a client that is closed ends its blocks and gives their locks back", async (stage) => {
  const [client, other] = [await stage.connect(), await stage.connect()];
  const held = Promise.withResolvers<void>();
  const ended = client.withLock("one", { ttlMs: 600_000 }, ({ signal }) => {
    held.resolve();
    return sleepForever(signal);
  });
  const failed = assert.rejects(ended, { name: "ClientClosedError" });
  await held.promise;
  await client.close();
  await failed;
  assert.equal(await other.withLock("one", { waitMs: 10_000 }, () => "mine"), "mine");
});

onBothBrokers("names and times that cannot be are refused before anything is asked", async (stage) => {
  const client = await stage.connect();
  for (const name of ["", "x".repeat(257), "taskexe:task:1", "te.0.common", "TASKEXE", "1-cancel", "\ud800"]) {
    await assert.rejects(
      client.withLock(name, {}, () => assert.fail()),
      RangeError,
      name,
    );
  }
  for (const ttlMs of [99, 86_400_001, Number.NaN]) {
    await assert.rejects(
      client.withLock("one", { ttlMs }, () => assert.fail()),
      /ttlMs must be/,
    );
  }
  await assert.rejects(
    client.withLock("one", { waitMs: -1 }, () => assert.fail()),
    RangeError,
  );
});

onRedis("a lock that somebody deletes is lost: the block is cancelled", async (stage) => {
  const client = await stage.connect();
  const lost = client.withLock("one", { ttlMs: 600 }, async ({ signal }) => {
    await stage.redis.cli(["DEL", "one"]);
    await sleepForever(signal);
  });
  await assert.rejects(lost, LockLostError);
});

onRedis(
  "one whose Redis is away for longer than its time is lost; one whose Redis comes back is not",
  async (stage) => {
    const client = await stage.connect();
    const held = Promise.withResolvers<void>();
    const lost = client.withLock("one", { ttlMs: 1_000 }, ({ signal }) => {
      held.resolve();
      return sleepForever(signal);
    });
    const failed = assert.rejects(lost, LockLostError);
    await held.promise;
    await stage.redis.kill("SIGSTOP");
    await failed;
    await stage.redis.kill("SIGCONT");
    await until("it can be had again", 60_000, () => client.withLock("one", { waitMs: 10_000 }, () => true));
  },
);

onRedis("fences grow although Redis has lost everything", async (stage) => {
  const client = await stage.connect();
  const first = await client.withLock("one", {}, ({ fence }) => fence);
  await stage.redis.cli(["FLUSHALL"]);
  assert.ok((await client.withLock("one", {}, ({ fence }) => fence)) > first);
});

onRedis("what it locks is one plain key, as valkey-py's Lock has it: each keeps the other out", async (stage) => {
  const client = await stage.connect();
  // As valkey-py and redis-py take and give back a lock.
  const take = (token: string) => stage.redis.cli(["SET", "one", token, "NX", "PX", "600000"]);
  assert.equal((await take("theirs")).trim(), "OK");
  assert.deepEqual(await client.tryLock("one", {}, () => assert.fail()), { taken: false });
  await stage.redis.cli(["DEL", "one"]);
  await client.withLock("one", {}, async () => {
    assert.equal((await take("theirs")).trim(), "");
    assert.match(await stage.redis.cli(["GET", "one"]), /:\d+:[0-9a-f-]{36}$/m);
    assert.ok(Number(await stage.redis.cli(["PTTL", "one"])) > 0);
  });
  assert.equal((await take("theirs")).trim(), "OK");
});
