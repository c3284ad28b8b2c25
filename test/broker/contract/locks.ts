/** Locks that users take: one owner at a time, for a time, each under a larger fence. */
import assert from "node:assert/strict";
import type { LockTry } from "../../../src/broker/contract/locks.ts";
import type { Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

const LONG_MS = 600_000;

function fenceOf(answer: LockTry): number {
  assert.ok(answer.taken, "it was not taken");
  assert.ok(Number.isSafeInteger(answer.fence));
  return answer.fence;
}

export function lockSentences(sentence: Sentence): void {
  sentence("a lock has one owner, whoever asks, until that one gives it back", async (stage) => {
    const [a, b] = [(await stage.open("a")).locks, (await stage.open(null)).locks];
    const first = fenceOf(await a.take("report", "one", LONG_MS));
    const held = await b.take("report", "two", LONG_MS);
    assert.ok(!held.taken && held.leftMs !== null && held.leftMs > 0 && held.leftMs <= LONG_MS);
    fenceOf(await b.take("another", "two", LONG_MS));
    assert.equal(await b.free("report", "two"), false);
    assert.equal((await b.take("report", "two", LONG_MS)).taken, false);
    assert.equal(await a.free("report", "one"), true);
    assert.equal(await a.free("report", "one"), false);
    assert.ok(fenceOf(await b.take("report", "two", LONG_MS)) > first);
  });

  sentence("of twenty who ask at once one has it; fences grow over all names", async (stage) => {
    const [a, b] = [(await stage.open("a")).locks, (await stage.open("b")).locks];
    const of = (n: number) => (n % 2 === 0 ? a : b);
    const asked = await Promise.all(Array.from({ length: 20 }, (_, n) => of(n).take("one", `owner-${n}`, LONG_MS)));
    assert.equal(asked.filter(({ taken }) => taken).length, 1);
    let last = 0;
    for (let n = 0; n < 20; n++) {
      const fence = fenceOf(await of(n).take(`name-${n % 3}-${n}`, "me", LONG_MS));
      assert.ok(fence > last, `${fence} after ${last}`);
      last = fence;
    }
  });

  sentence(
    "a lock that is not renewed ends; a renewal by its owner keeps it, by another one does not",
    async (stage) => {
      const { locks } = await stage.open("a");
      const first = fenceOf(await locks.take("short", "one", 100));
      let second: LockTry = { taken: false, leftMs: null };
      await eventually(20_000, async () => {
        second = await locks.take("short", "two", LONG_MS);
        return second.taken;
      });
      assert.ok(fenceOf(second) > first);
      assert.equal(await locks.renew("short", "one", LONG_MS), false);
      assert.equal(await locks.free("short", "one"), false);
      assert.equal(await locks.renew("short", "two", LONG_MS), true);
      assert.equal((await locks.take("short", "three", LONG_MS)).taken, false);
      assert.equal(await locks.renew("nobody's", "one", LONG_MS), false);
    },
  );

  sentence("its owner may ask again, where an answer was lost, and has it under a larger fence", async (stage) => {
    const { locks } = await stage.open("a");
    const first = fenceOf(await locks.take("again", "one", LONG_MS));
    assert.ok(fenceOf(await locks.take("again", "one", LONG_MS)) > first);
    assert.equal(await locks.free("again", "one"), true);
  });
}
