/** The outbox over a broker that does what the test says: which tasks travel together, and whose failure is whose. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Broker,
  BrokerUnavailableError,
  type EnqueueReceipt,
  type EnqueueRequest,
} from "../../src/broker/broker.ts";
import { Outbox, type OutboxLimits } from "../../src/client/outbox.ts";
import { prepareTask } from "../../src/task/message/new-task.ts";

type Enqueue = (requests: readonly EnqueueRequest[]) => Promise<EnqueueReceipt[]>;

const LIMITS = { maxWaiting: 5_000, waitMs: 10_000 };

function outboxOver(enqueue: Enqueue, limits: OutboxLimits = LIMITS): Outbox {
  // The outbox asks for nothing else.
  return new Outbox({ now: () => 1_000, enqueue } as unknown as Broker, limits);
}

const task = (id: string) => prepareTask("noop", null, { id }, { now: 1_000, retentionMs: 0 });

const receipts = (requests: readonly EnqueueRequest[]): EnqueueReceipt[] =>
  requests.map(({ id }) => ({ id, created: true, state: "queued" }));

test("what is sent in one turn travels together, in order and within the batch", async () => {
  const sizes: number[] = [];
  const outbox = outboxOver(async (requests) => {
    sizes.push(requests.length);
    return receipts(requests);
  });
  const group = (name: string, count: number) => Array.from({ length: count }, (_, index) => task(`${name}${index}`));
  const [a, b, c] = await Promise.all([
    outbox.send(group("a", 600)),
    outbox.send(group("b", 400)),
    outbox.send(group("c", 1)),
  ]);
  assert.deepEqual(sizes, [1_000, 1]);
  assert.deepEqual([a?.at(-1)?.id, b?.[0]?.id, c?.[0]?.id], ["a599", "b0", "c0"]);
});

test("one that the broker refuses fails alone", async () => {
  const outbox = outboxOver(async (requests) => {
    if (requests.some(({ id }) => id === "bad")) throw new RangeError("no such priority");
    return receipts(requests);
  });
  const [first, bad, last] = await Promise.allSettled([
    outbox.send([task("first")]),
    outbox.send([task("bad")]),
    outbox.send([task("last")]),
  ]);
  assert.equal(first?.status, "fulfilled");
  assert.equal(bad?.status === "rejected" && bad.reason.message, "no such priority");
  assert.equal(last?.status, "fulfilled");
  await assert.rejects(outbox.send([task("bad")]), RangeError);
});

test("a lost answer is followed by the same requests under the same ids", async () => {
  const seen: string[][] = [];
  const outbox = outboxOver(async (requests) => {
    seen.push(requests.map(({ id, message }) => `${id} ${message}`));
    if (seen.length < 3) throw new BrokerUnavailableError("gone");
    return receipts(requests);
  });
  await Promise.all([outbox.send([task("one")]), outbox.send([task("two")])]);
  assert.equal(seen.length, 3);
  assert.deepEqual(seen[0], seen[1]);
  assert.deepEqual(seen[1], seen[2]);
});

test("a close waits for what is on its way, and its room is free again", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const outbox = outboxOver(
    async (requests) => {
      await promise;
      return receipts(requests);
    },
    { maxWaiting: 1, waitMs: 1_000 },
  );
  const sent = outbox.send([task("one")]);
  await assert.rejects(outbox.send([task("two")]), /^ClientOverloadedError: 1 tasks wait/);
  const closed = outbox.close();
  resolve();
  await closed;
  assert.equal((await sent)[0]?.created, true);
});

test("what waits for a broker that is away is bounded by its length too, and told so", async () => {
  let isAway = true;
  const sizes: number[] = [];
  const outbox = outboxOver(
    async (requests) => {
      if (isAway) throw new BrokerUnavailableError("gone");
      sizes.push(requests.length);
      return receipts(requests);
    },
    { ...LIMITS, maxWaitingLength: 25_000_000 },
  );
  const large = (id: string) => prepareTask("noop", "x".repeat(3_000_000), { id }, { now: 1_000, retentionMs: 0 });
  const sent = Array.from({ length: 8 }, (_, index) => outbox.send([large(`${index}`)]));
  await assert.rejects(
    outbox.send([large("one too many")]),
    /^ClientOverloadedError: 8 tasks with 24\d+ characters wait .* 30\d+ more do not fit \(limit 25000000\): wait/,
  );
  const small = outbox.send([task("small")]);
  isAway = false;
  await small;
  assert.equal((await Promise.all(sent)).length, 8);
  assert.ok(
    sizes.every((size) => size <= 6),
    `batches of ${sizes}`,
  );
  await outbox.send([large("now it fits")]);
});

test("a parcel that is longer than the bound goes alone", async () => {
  const outbox = outboxOver(async (requests) => receipts(requests), { ...LIMITS, maxWaitingLength: 10 });
  assert.equal((await outbox.send([task("longer than ten")]))[0]?.created, true);
});
