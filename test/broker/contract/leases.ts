/** Ownership: renew, release, reclaim, recover, and that who lost the lease is refused. */
import assert from "node:assert/strict";
import { sleep } from "../../../src/concurrency/index.ts";
import { claimAll, claimOne, dead, done, idOf, task, tasks } from "../../stage/outcomes.ts";
import { CLAIM_WAITS_MS, LEASE_MS, RECLAIM_MS, reclaimAll, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

const SHORT = { leaseMs: LEASE_MS };
/** Whole ms are counted in the store: a lease that is this old may be over there. */
const MAYBE_OVER_MS = LEASE_MS - 10;

export function leaseSentences(sentence: Sentence): void {
  sentence("an expired lease is taken over, and the former owner's late completion is lost", async (stage) => {
    const [a, b] = [await stage.open("a", SHORT), await stage.open("b", SHORT)];
    await a.enqueue([task("one")]);
    const stalled = await claimOne(a, stage.signal);
    const [taken] = await reclaimAll(b, 1);
    assert.ok(taken);
    assert.equal(taken.raw, stalled.raw);
    assert.ok(taken.deliveries > 1, `deliveries: ${taken.deliveries}`);
    assert.deepEqual(await a.renew([stalled]), [stalled]);
    assert.deepEqual(await a.complete([dead(stalled)]), ["lost"]);
    assert.deepEqual(await b.complete([done(taken, { result: '"b"' })]), ["recorded"]);
    assert.deepEqual(await a.complete([done(stalled, { result: '"a"' })]), ["lost"]);
    const record = await b.record("one");
    assert.equal(record?.state, "done");
    assert.equal(record?.result, "b");
    assert.equal(record?.executor, "b");
    assert.equal(record?.completions, 1);
    assert.equal(record?.crashes, 0, "an executor's death charges nobody");
    assert.deepEqual(await b.backlog(), { pending: 0, lag: 0 });
  });

  sentence(
    "the few tasks of a dead executor are found behind thousands that a living one holds for long",
    async (stage) => {
      const living = await stage.open("living", { leaseMs: 600_000 });
      const [gone, other] = [await stage.open("gone", SHORT), await stage.open("other", SHORT)];
      await living.beat('{"name":"living","lease_ms":600000}');
      for (let at = 0; at < 12_000; at += 1_000) await living.enqueue(tasks(1_000, `long${at}-`));
      assert.equal((await claimAll(living, 12_000, stage.signal)).length, 12_000);
      await gone.enqueue(tasks(5, "short"));
      await claimAll(gone, 5, stage.signal);
      const taken = await reclaimAll(other, 5);
      assert.deepEqual(taken.map(idOf).toSorted(), ["short0", "short1", "short2", "short3", "short4"]);
    },
  );

  sentence("the former owner cannot release what another has taken over", async (stage) => {
    const [a, b] = [await stage.open("a", SHORT), await stage.open("b", SHORT)];
    await a.enqueue([task("one")]);
    const stalled = await claimOne(a, stage.signal);
    const [taken] = await reclaimAll(b, 1);
    assert.ok(taken);
    await a.release([stalled]);
    assert.deepEqual(await b.backlog(), { pending: 1, lag: 0 });
    assert.deepEqual(await b.complete([done(taken)]), ["recorded"]);
  });

  sentence("who renews keeps the lease", async (stage) => {
    const [a, b] = [await stage.open("a", SHORT), await stage.open("b", SHORT)];
    await a.enqueue(tasks(3));
    const held = await claimAll(a, 3, stage.signal);
    for (const until = performance.now() + LEASE_MS + 2500; performance.now() < until; ) {
      const renewing = performance.now();
      assert.deepEqual(await a.renew(held), []);
      const taken = await b.reclaim(10);
      stage.within(MAYBE_OVER_MS, renewing, () => assert.deepEqual(taken, []));
      await sleep(LEASE_MS / 4, stage.signal);
    }
    assert.deepEqual(await a.complete(held.map((delivery) => done(delivery))), ["recorded", "recorded", "recorded"]);
  });

  sentence(
    "a delivery tells since when it is surely ours; a renewal that fails leaves that as it was",
    async (stage) => {
      const [a, b] = [await stage.open("a", SHORT), await stage.open("b", SHORT)];
      await a.enqueue(tasks(2));
      const before = performance.now();
      const [kept, left] = await claimAll(a, 2, stage.signal);
      assert.ok(kept && left);
      const claimed = [kept.lease.monotonicMs, left.lease.monotonicMs];
      for (const at of claimed) assert.ok(at >= before && at <= performance.now(), `claimed at ${at}, after ${before}`);
      await eventually(RECLAIM_MS, async () => {
        const renewing = performance.now();
        assert.deepEqual(await a.renew([kept]), []);
        const taken = (await b.reclaim(2)).map(idOf);
        stage.within(MAYBE_OVER_MS, renewing, () => assert.ok(!taken.includes(idOf(kept)), "the kept one was taken"));
        return taken.length === 1;
      });
      const asked = performance.now();
      assert.deepEqual(await a.renew([kept, left]), [left]);
      assert.ok(kept.lease.monotonicMs >= asked, "the renewed one is ours since the call");
      assert.equal(left.lease.monotonicMs, claimed[1], "the lost one is not");
    },
  );

  sentence("only what was not renewed is taken over, up to the number asked for", async (stage) => {
    const [a, b] = [await stage.open("a", SHORT), await stage.open("b", SHORT)];
    await a.enqueue(tasks(4));
    const [kept, ...left] = await claimAll(a, 4, stage.signal);
    assert.ok(kept);
    const taken: string[] = [];
    await eventually(RECLAIM_MS, async () => {
      const renewing = performance.now();
      assert.deepEqual(await a.renew([kept]), []);
      const some = (await b.reclaim(2)).map(idOf);
      assert.ok(some.length <= 2, `got ${some.length}`);
      stage.within(MAYBE_OVER_MS, renewing, () => assert.ok(!some.includes(idOf(kept)), "the kept one was taken"));
      taken.push(...some);
      return taken.length === 3;
    });
    assert.deepEqual(taken.toSorted(), left.map(idOf).toSorted());
    assert.deepEqual(await a.complete([done(kept)]), ["recorded"]);
  });

  sentence("what was taken over and lost again goes to the next", async (stage) => {
    const [a, b, c] = [await stage.open("a", SHORT), await stage.open("b", SHORT), await stage.open("c", SHORT)];
    await a.enqueue([task("one")]);
    const first = await claimOne(a, stage.signal);
    const [second] = await reclaimAll(b, 1);
    const [third] = await reclaimAll(c, 1);
    assert.ok(second && third);
    assert.ok(third.deliveries > second.deliveries);
    assert.deepEqual(await a.complete([done(first)]), ["lost"]);
    assert.deepEqual(await b.complete([done(second)]), ["lost"]);
    assert.deepEqual(await c.complete([done(third)]), ["recorded"]);
    assert.equal((await c.record("one"))?.crashes, 0);
  });

  sentence("a released task is taken by another at once, and nothing stays with the former owner", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    await a.enqueue([task("one")]);
    const handed = await claimOne(a, stage.signal);
    const begun = performance.now();
    const waiting = b.claim(5, stage.signal);
    await a.release([handed]);
    const at = performance.now();
    const [taken] = await waiting;
    const tookMs = performance.now() - at;
    stage.within(CLAIM_WAITS_MS, begun, () => assert.ok(taken, "the waiting claim woke"));
    stage.within(500, at, () => assert.ok(tookMs < 500, `it took ${tookMs} ms`));
    assert.ok(taken);
    assert.equal(taken.raw, handed.raw);
    assert.equal(taken.deliveries, 1);
    assert.deepEqual(await b.backlog(), { pending: 1, lag: 0 });
    assert.deepEqual(await a.recover(new Set(), 10), []);
    assert.deepEqual(await a.complete([done(handed)]), ["lost"]);
    assert.deepEqual(await b.complete([done(taken)]), ["recorded"]);
    assert.equal((await b.record("one"))?.crashes, 0);
  });

  sentence("an executor that starts again under its name takes up what it held", async (stage) => {
    const before = await stage.open("a");
    await before.enqueue(tasks(3));
    const [first, second, third] = await claimAll(before, 3, stage.signal);
    assert.ok(first && second && third);
    await before.complete([done(first)]);
    await before.close();
    const after = await stage.open("a");
    const recovered = [...(await after.recover(new Set(), 1)), ...[]];
    assert.equal(recovered.length, 1);
    const known = new Set(recovered.map(({ handle }) => handle));
    recovered.push(...(await after.recover(known, 10)));
    assert.deepEqual(recovered.map(idOf).toSorted(), [idOf(second), idOf(third)].toSorted());
    for (const delivery of recovered) assert.ok(delivery.deliveries > 1, `deliveries: ${delivery.deliveries}`);
    assert.deepEqual(await after.recover(new Set(recovered.map(({ handle }) => handle)), 10), []);
    assert.deepEqual(await after.complete(recovered.map((delivery) => done(delivery))), ["recorded", "recorded"]);
    assert.deepEqual(await after.backlog(), { pending: 0, lag: 0 });
  });

  sentence("nobody recovers what another holds", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    await a.enqueue(tasks(3));
    const held = await claimAll(a, 3, stage.signal);
    assert.deepEqual(await b.recover(new Set(), 10), []);
    assert.deepEqual(await a.recover(new Set(held.map(({ handle }) => handle)), 10), []);
  });
}
