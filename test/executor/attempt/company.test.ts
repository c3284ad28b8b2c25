/** Which inline attempts begin beside which: a suspect is never in more company than it may be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openRoot, withNursery, withScope } from "../../../src/concurrency/index.ts";
import { InlineCompany } from "../../../src/executor/attempt/company.ts";

test("where no suspect is, all begin, and any number may be claimed", () => {
  const company = companyOf();
  for (let count = 0; count < 1_000; count++) assert.equal(company.enter(null), "begun");
  assert.equal(company.most, Number.POSITIVE_INFINITY);
});

test("a suspect that must be alone waits for those that run, and nothing begins meanwhile", async () => {
  const company = companyOf();
  company.enter(null);
  company.enter(null);
  assert.equal(company.enter(0), "must wait");
  const waiting = company.wait(0, NEVER);
  assert.equal(company.most, 2, "nothing is claimed");
  assert.deepEqual([company.enter(null), company.enter(0), company.enter(5)], ["turned away", ...AWAY]);
  company.leave(null);
  assert.equal(company.most, 1);
  company.leave(null);
  await waiting;
  assert.equal(company.most, 1);
  assert.deepEqual([company.enter(null), company.enter(0)], AWAY);
  company.leave(0);
  assert.equal(company.most, Number.POSITIVE_INFINITY);
  assert.equal(company.enter(null), "begun");
});

test("suspects run side by side, as many as the one that may have the least company allows", () => {
  const company = companyOf();
  assert.deepEqual([company.enter(3), company.enter(2), company.enter(null)], ["begun", "begun", "begun"]);
  assert.equal(company.most, 3);
  assert.equal(company.enter(3), "turned away");
  assert.equal(company.enter(null), "turned away");
  company.leave(2);
  assert.equal(company.most, 4);
  assert.deepEqual([company.enter(3), company.enter(3), company.enter(3)], ["begun", "begun", "turned away"]);
});

test("after one was turned away nothing is claimed until another has ended, or a second is over", async () => {
  const company = companyOf();
  company.enter(4);
  assert.equal(company.most, 5);
  assert.equal(company.enter(0), "turned away");
  assert.equal(company.most, 1, "it would only come again");
  company.enter(null);
  company.leave(null);
  assert.equal(company.most, 5);
  company.enter(0);
  const opened = Promise.withResolvers<void>();
  const reopening = new InlineCompany(opened.resolve);
  reopening.enter(1);
  reopening.enter(0);
  await withScope(openRoot(), {}, (scope) =>
    withNursery(scope, async (nursery) => {
      nursery.startSoon(({ signal }) => reopening.run(signal));
      await opened.promise;
      assert.equal(reopening.most, 2);
      scope.cancel("enough");
    }),
  );
});

test("no suspect waits while another runs, since it would be held where that one may kill", () => {
  const company = companyOf();
  company.enter(9);
  company.enter(null);
  assert.equal(company.enter(0), "turned away");
});

test("one whose wait is cancelled has not begun, and others may again", async () => {
  let changes = 0;
  const company = new InlineCompany(() => changes++);
  company.enter(null);
  assert.equal(company.enter(0), "must wait");
  const aborter = new AbortController();
  const waiting = company.wait(0, aborter.signal);
  aborter.abort(new Error("cancelled"));
  await assert.rejects(waiting, /cancelled/);
  assert.equal(changes, 1);
  assert.equal(company.most, Number.POSITIVE_INFINITY);
  assert.equal(company.enter(null), "begun");
});

test("one that was admitted in the turn of its cancel gives its place back", async () => {
  const company = companyOf();
  company.enter(null);
  company.enter(0);
  const aborter = new AbortController();
  const waiting = company.wait(0, aborter.signal);
  company.leave(null);
  aborter.abort(new Error("cancelled"));
  const began = await waiting.then(
    () => true,
    () => false,
  );
  if (began) company.leave(0);
  assert.equal(company.most, Number.POSITIVE_INFINITY);
  assert.equal(company.enter(0), "begun");
});

test("whatever enters and leaves, nobody is in more company than may be", () => {
  const moves = fc.array(fc.oneof(fc.constant("leave" as const), fc.constant(null), fc.nat(6)), { maxLength: 80 });
  fc.assert(
    fc.property(moves, (all) => {
      const company = companyOf();
      const inside: (number | null)[] = [];
      for (const [index, move] of all.entries()) {
        if (move === "leave") {
          const [one] = inside.splice(index % Math.max(inside.length, 1), 1);
          if (one !== undefined) company.leave(one);
        } else if (company.enter(move) === "begun") inside.push(move);
        const least = Math.min(Number.POSITIVE_INFINITY, ...inside.filter((each) => each !== null));
        assert.ok(inside.length <= least + 1, `${inside.length} beside one that may have ${least}`);
        assert.ok(company.most === least + 1 || company.most === inside.length, `${company.most} may run`);
      }
    }),
  );
});

const NEVER = new AbortController().signal;
const AWAY = ["turned away", "turned away"];

function companyOf(): InlineCompany {
  return new InlineCompany(() => undefined);
}
