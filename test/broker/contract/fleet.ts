/** The fleet: beats, leaving, the clean-up lock, and what a clean-up removes. */
import assert from "node:assert/strict";
import { sleep } from "../../../src/concurrency/index.ts";
import { claimAll, claimOne, dead, tasks } from "../../stage/outcomes.ts";
import { assertBetween, CLOCK_MS, countsOf, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function fleetSentences(sentence: Sentence): void {
  sentence("a beat registers the executor and shows to others as it was written, but for its tasks", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    assert.deepEqual(await a.fleet(), []);
    await a.beat('{"name":"a","done":1,"current":{}}');
    const before = a.now();
    await a.beat('{"name":"a","done":2,"current":{}}');
    const after = a.now();
    const fleet = await b.fleet();
    assert.equal(fleet.length, 1);
    assert.equal(fleet[0]?.name, "a");
    assert.deepEqual(fleet[0]?.beat, { name: "a", done: 2, slots_taken: 0 });
    assertBetween(fleet[0]?.at, before, after);
    await b.beat('{"name":"b"}');
    assert.deepEqual((await a.fleet()).map(({ name }) => name).toSorted(), ["a", "b"]);
  });

  sentence("the tasks of an executor are told of it alone, and of the whole fleet only their number", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    assert.equal(await b.member("a"), null);
    const current = { x: { id: "x", text: ',"current":{' }, y: { id: "y" } };
    const ours = { name: 'a,"current":{', started: { x: 5 }, lease_ms: 600, slots_taken: 3 };
    await a.beat(JSON.stringify({ ...ours, current }));
    // As RagFlow's executors beat.
    await b.beat(JSON.stringify({ current, name: "b" }));
    const { name, lease_ms, slots_taken } = ours;
    assert.deepEqual(
      (await b.fleet()).map(({ beat }) => beat),
      [
        { name, lease_ms, slots_taken },
        { name: "b", slots_taken: 2 },
      ],
    );
    assert.deepEqual((await b.member("a"))?.beat, { ...ours, current });
    await a.leave("{}");
    assert.equal(await b.member("a"), null);
  });

  sentence("a beat that is not due is the last one until the next comes", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    const seen = async () => (await b.fleet())[0]?.beat?.n;
    await a.beat('{"n":1}');
    await a.beat('{"n":2}', false);
    assert.equal(await seen(), 2);
    await a.beat('{"n":3}', false);
    assert.equal(await seen(), 3);
    await a.beat('{"n":4}');
    assert.equal(await seen(), 4);
  });

  sentence("a beat that is no JSON object shows as none", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    await a.beat("[1]");
    await b.beat("not JSON");
    const fleet = await a.fleet();
    assert.equal(fleet.length, 2);
    assert.deepEqual(
      fleet.map(({ beat }) => beat),
      [null, null],
    );
  });

  sentence("who leaves is out of the fleet, and a later beat brings it back", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    await a.beat('{"name":"a"}');
    await a.leave('{"name":"a","last":true}');
    assert.deepEqual(await b.fleet(), []);
    await a.beat('{"name":"a"}');
    assert.deepEqual((await b.fleet()).length, 1);
  });

  sentence("one cleaner at a time has the lock, and only its owner gives it back", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    assert.equal(await a.lock(), true);
    assert.equal(await b.lock(), false);
    await b.unlock();
    assert.equal(await b.lock(), false);
    await a.unlock();
    assert.equal(await b.lock(), true);
    assert.equal(await a.lock(), false);
  });

  sentence("a clean-up expels executors that stopped beating, never itself, and they can come back", async (stage) => {
    const timeoutMs = 1200;
    const a = await stage.open("a");
    const b = await stage.open("b", { heartbeatTimeoutMs: timeoutMs });
    const staysAfterBeat = async () => {
      const beating = performance.now();
      await a.beat('{"name":"a"}');
      const { removed } = await b.clean();
      stage.within(timeoutMs - CLOCK_MS, beating, () => assert.deepEqual(removed, []));
    };
    assert.equal(await b.lock(), true);
    await b.beat('{"name":"b"}');
    await staysAfterBeat();
    await sleep(timeoutMs + CLOCK_MS, stage.signal);
    assert.deepEqual((await b.clean()).removed, ["a"]);
    assert.deepEqual(
      (await b.fleet()).map(({ name }) => name),
      ["b"],
    );
    await staysAfterBeat();
    assert.equal((await b.fleet()).length, 2);
  });

  sentence("dead tasks are kept up to their number, the newest ones", async (stage) => {
    const broker = await stage.open("a", { deadLimit: 3 });
    await broker.enqueue(tasks(6));
    for (let i = 0; i < 6; i += 1) {
      await broker.complete([dead(await claimOne(broker, stage.signal))]);
      await sleep(5, stage.signal);
    }
    assert.equal(await broker.lock(), true);
    await broker.clean();
    assert.equal((await countsOf(broker))[0]?.dead, 3);
    const states = await Promise.all(tasks(6).map(async ({ id }) => (await broker.record(id))?.state ?? null));
    assert.deepEqual(states, [null, null, null, "dead", "dead", "dead"]);
  });

  sentence("dead tasks are kept for their time", async (stage) => {
    const broker = await stage.open("a", { deadRetentionMs: 300 });
    await broker.enqueue(tasks(2));
    await broker.complete((await claimAll(broker, 2, stage.signal)).map((delivery) => dead(delivery)));
    assert.equal((await countsOf(broker))[0]?.dead, 2);
    assert.equal(await broker.lock(), true);
    await eventually(15_000, async () => {
      await broker.clean();
      return (await countsOf(broker))[0]?.dead === 0;
    });
    assert.equal(await broker.record("t0"), null);
  });
}
