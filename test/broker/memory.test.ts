/**
 * The contract of all brokers, over the broker in memory that tests have; and its clock, which a test can move.
 * @long about 20 s
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBroker } from "../../src/broker/memory/memory-broker.ts";
import { forgetStore, storeNamed } from "../../src/broker/memory/store/store.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { memoryHarness } from "../stage/memory-harness.ts";
import { claimOne, done, idOf, QUEUE, task } from "../stage/outcomes.ts";
import { brokerContract } from "./contract.ts";

brokerContract("memory", memoryHarness);

const HOUR = 3_600_000;

test("memory: a moved clock makes tasks due, leases expire and records go, without a wait", async () => {
  const options = { queues: [QUEUE], leaseMs: HOUR };
  const [a, b] = ["a", "b"].map((executor) => new MemoryBroker("moved", { ...options, executor }));
  assert.ok(a && b);
  const { signal } = openRoot();
  try {
    await a.open(signal);
    await b.open(signal);
    const store = storeNamed("moved");
    const before = a.now();
    await a.enqueue([task("one", { delayMs: HOUR })]);
    assert.equal((await a.promote(10)).promoted, 0);
    store.advance(HOUR);
    assert.ok(b.now() >= before + HOUR);
    assert.deepEqual(await b.promote(10), { promoted: 1, nextInMs: null });
    const held = await claimOne(a, signal);
    assert.deepEqual(await b.reclaim(10), []);
    store.advance(HOUR);
    const [taken] = await b.reclaim(10);
    assert.ok(taken && idOf(taken) === "one");
    assert.deepEqual(await a.complete([done(held)]), ["lost"]);
    assert.deepEqual(await b.complete([done(taken, { retentionMs: HOUR })]), ["recorded"]);
    assert.equal((await a.removeEnded()).removed, 0);
    store.advance(HOUR);
    assert.equal((await a.removeEnded()).removed, 1);
    assert.equal(await a.record("one"), null);
  } finally {
    await a.close();
    await b.close();
    forgetStore("moved");
  }
});

test("memory: a claim that waits rejects once its broker is closed", async () => {
  const broker = new MemoryBroker("closed", { executor: "a", queues: [QUEUE], leaseMs: HOUR });
  await broker.open(openRoot().signal);
  const claiming = assert.rejects(broker.claim(1, openRoot().signal), /is not open/);
  await broker.close();
  await claiming;
  forgetStore("closed");
});
