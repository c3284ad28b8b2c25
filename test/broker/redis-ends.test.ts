/** What Redis itself may have done halfway, or forgotten: the end of an entry, and the scripts. */
import assert from "node:assert/strict";
import { before } from "node:test";
import type { Redis } from "ioredis";
import { GROUP, streamKey } from "../../src/broker/redis/keys.ts";
import { claimAll, claimOne, done, idOf, parked, QUEUE, task, tasks } from "../stage/outcomes.ts";
import { reclaimAll } from "../stage/sentences.ts";
import { redisSentences } from "./redis-sentences.ts";

const NO_RIGHT =
  /(can't run this command or subcommand|NOPERM this user has no permissions to run [A-Z]+ on the key "[^"]+"); give/;

const { sentence, redis: connection } = redisSentences();
let redis: Redis;

before(() => {
  redis = connection();
});

const STREAM = streamKey(QUEUE, 0);

/** Deletes what is claimed as a completion does, and does not acknowledge it: Redis died in between. */
async function deleteOnly(): Promise<void> {
  for (const [entry] of await redis.xrange(STREAM, "-", "+")) await redis.xdel(STREAM, entry);
  const [pending] = await redis.xpending(STREAM, GROUP);
  assert.equal(pending, 1);
}

sentence("an entry that was ended and not acknowledged is run by nobody, and leaves the group", async (stage) => {
  const [a, b] = [await stage.open("a", { leaseMs: 500 }), await stage.open("b", { leaseMs: 500 })];
  await a.enqueue([task("one"), task("two")]);
  const [first, second] = await claimAll(a, 2, stage.signal);
  assert.ok(first && second);
  await a.complete([done(first)]);
  await deleteOnly();
  // The other one takes over what is left when the lease is over: nothing.
  await a.enqueue([task("three")]);
  assert.equal(idOf(await claimOne(a, stage.signal)), "three");
  const taken = await reclaimAll(b, 1);
  assert.deepEqual(taken.map(idOf), ["three"]);
  assert.deepEqual(await b.complete(taken.map((delivery) => done(delivery))), ["recorded"]);
  assert.deepEqual(await b.backlog(), { pending: 0, lag: 0 });
});

sentence("an executor that comes back does not run what it had ended and not acknowledged", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue([task("one")]);
  await claimOne(a, stage.signal);
  await deleteOnly();
  assert.deepEqual(await a.recover(new Set(), 10), []);
  assert.deepEqual(await a.backlog(), { pending: 0, lag: 0 });
});

sentence(
  "a right that lacks while ends are recorded makes no task dead: they are recorded once it is given",
  async (stage) => {
    const a = await stage.open("a");
    const [kept, told] = [
      { ...task("kept"), retentionMs: 60_000 },
      { ...task("told"), retentionMs: 60_000 },
    ];
    await a.enqueue([kept, told]);
    const claimed = await claimAll(a, 2, stage.signal);
    // One goes by the script for plain ends, the other by that for all else.
    const [first, second] = claimed.map((delivery) => ({ ...done(delivery), retentionMs: 60_000 }));
    assert.ok(first && second);
    const ends = [first, { ...second, uniqueKey: "a key" }];
    for (const rights of [["-set", "-mset"], ["-zadd"], ["-xack"]]) {
      await redis.call("ACL", "SETUSER", "default", ...rights);
      await assert.rejects(a.complete(ends), {
        name: "CallRefusedError",
        message: NO_RIGHT,
      });
      await redis.call("ACL", "SETUSER", "default", "+@all");
      assert.equal((await a.backlog()).pending, 2);
    }
    assert.deepEqual(await a.complete(ends), ["recorded", "recorded"]);
    for (const id of ["kept", "told"]) {
      const { state, completions } = (await a.record(id)) ?? {};
      assert.deepEqual([id, state, completions], [id, "done", 1], "each try would have been one");
    }
    assert.deepEqual(await a.backlog(), { pending: 0, lag: 0 });
  },
);

sentence("a right that lacks queues nothing twice, and enqueues nothing in part", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue([{ ...task("due"), delayMs: 1 }]);
  // Its type is not paused any more.
  await a.enqueue([{ ...task("parked"), retentionMs: 60_000 }]);
  const claimed = await claimOne(a, stage.signal);
  await a.complete([parked(claimed)]);
  const lacks = { name: /^(CallRefusedError|ReplyError)$/, message: /NOPERM this user has no permissions to run/ };
  for (const right of ["set", "zrem"]) {
    await redis.call("ACL", "SETUSER", "default", `-${right}`, right === "set" ? "-mset" : "-zrem");
    for (let round = 0; round < 3; round++) await assert.rejects(a.promote(10), lacks);
    if (right === "set") await assert.rejects(a.enqueue([{ ...task("new"), retentionMs: 60_000 }]), lacks);
    await redis.call("ACL", "SETUSER", "default", "+@all");
    assert.equal(await redis.xlen(STREAM), 0, right);
  }
  await a.promote(10);
  assert.equal(await redis.xlen(STREAM), 2);
});

sentence("scripts that Redis has forgotten are sent again", async (stage) => {
  const a = await stage.open("a");
  for (let round = 0; round < 2; round++) {
    await redis.script("FLUSH");
    await a.enqueue(tasks(3, `${round}-`));
    const claimed = await claimAll(a, 3, stage.signal);
    await redis.script("FLUSH");
    assert.deepEqual(await a.renew(claimed), []);
    await redis.script("FLUSH");
    assert.deepEqual(await a.complete(claimed.map((delivery) => done(delivery))), ["recorded", "recorded", "recorded"]);
    assert.equal((await a.record(`${round}-0`))?.state, "done");
  }
});

sentence("a message is read as UTF-8, and a field that is only nearly its own is none", async (stage) => {
  const a = await stage.open("a");
  const text = JSON.stringify({ id: "ü-😀", task_type: "noop", payload: "日本" });
  await redis.xadd(STREAM, "*", "message", text);
  await redis.xadd(STREAM, "*", "messagE", text);
  const [own, other] = await claimAll(a, 2, stage.signal);
  assert.equal(own?.raw, text);
  assert.equal(other?.raw, null);
  assert.match(other?.problem ?? "", /"messagE"/);
});
