// Shields: which cancels they keep out, and what is delivered once they are gone; in which order a cancel is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkpoint,
  flattenErrors,
  openRoot,
  sleepForever,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { mockRoot, rejection, settle } from "./support.ts";

test("rule 36: a shield blocks the outer cancel, not its own, not an inner one", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  const outcome = await withScope(root, {}, async (outer) => {
    outer.cancel();
    const shielded = await withScope(outer, { shield: true }, async (shield) => {
      assert.equal(shield.shield, true);
      await checkpoint(shield.signal);
      record.push("the outer cancel is kept out");
      const inner = await withScope(shield, {}, async (scope) => {
        scope.cancel();
        await checkpoint(scope.signal);
      });
      record.push(`inner cancelled: ${inner.cancelled}`);
      shield.cancel("own");
      await checkpoint(shield.signal);
    });
    record.push(`own cancelled: ${shielded.cancelled}`);
    await checkpoint(outer.signal);
  });
  assert.equal(outcome.cancelled, true);
  assert.deepEqual(record, ["the outer cancel is kept out", "inner cancelled: true", "own cancelled: true"]);
});

test("rule 37: unshielding delivers the pending cancel", async () => {
  const { root } = mockRoot();
  const outcome = await withScope(root, {}, async (outer) => {
    await withScope(outer, { shield: true }, async (scope) => {
      const wait = withScope(scope, {}, (inner) => sleepForever(inner.signal));
      outer.cancel("pending");
      assert.equal(scope.signal.aborted, false);
      scope.unshield();
      assert.equal(scope.signal.reason, outer.signal.reason);
      await wait;
    });
  });
  assert.ok(outcome.cancelled);
  assert.equal(outcome.reason.reason, "pending");
});

test("rule 37: a shield taken away in an abort listener of the outer scope lets the cancel in", async () => {
  const { root } = mockRoot();
  const outcome = await withScope(root, {}, (outer) =>
    withScope(outer, { shield: true }, async (scope) => {
      outer.signal.addEventListener("abort", () => scope.unshield());
      outer.cancel("outer");
      assert.equal(scope.signal.reason, outer.signal.reason);
      await sleepForever(scope.signal);
    }),
  );
  assert.equal(outcome.cancelled && outcome.reason.reason, "outer");
});

test(
  "rules 16 and 30: a cancel marks all it reaches before any listener runs, and then tells them " + "from the top",
  async () => {
    const { root } = mockRoot();
    const record: string[] = [];
    const outcome = await withScope(root, {}, (outer) =>
      withNursery(outer, async (nursery) => {
        const scopes = new Map([
          ["outer", outer],
          ["nursery", nursery.scope],
        ]);
        for (const name of ["first", "second"]) {
          nursery.startSoon((task) => {
            scopes.set(name, task.scope);
            return sleepForever(task.signal);
          });
        }
        await settle();
        for (const [name, scope] of scopes) {
          scope.signal.addEventListener("abort", () => {
            record.push(name);
            for (const [other, { effectiveDeadline }] of scopes) {
              if (effectiveDeadline !== -Infinity) record.push(`${other} is not marked yet`);
            }
          });
        }
        outer.cancel();
      }),
    );
    assert.equal(outcome.cancelled, true);
    assert.deepEqual(record, ["outer", "nursery", "first", "second"]);
  },
);

test("rules 30 and 33: an abort listener may cancel the scope around: the outer cancel wins", async () => {
  const { root } = mockRoot();
  let inner = root;
  const outcome = await withScope(root, {}, (outer) =>
    withScope(outer, {}, async (scope) => {
      inner = scope;
      scope.signal.addEventListener("abort", () => outer.cancel("from a listener"));
      scope.cancel("inner");
      await sleepForever(scope.signal);
    }),
  );
  assert.equal(outcome.cancelled && outcome.reason.reason, "from a listener");
  assert.equal(inner.cancelCalled, true);
  assert.equal(inner.cancelledCaught, false);
});

test("rule 12: a child started in an abort listener still begins, with an aborted signal", async () => {
  const error = new Error("broken");
  let aborted: boolean | undefined;
  const group = await rejection(
    withNursery(openRoot(), (nursery) => {
      nursery.scope.signal.addEventListener("abort", () => {
        nursery.startSoon((task) => {
          aborted = task.signal.aborted;
        });
      });
      nursery.startSoon(() => {
        throw error;
      });
    }),
  );
  assert.equal(aborted, true);
  assert.deepEqual(flattenErrors(group), [error]);
});

test("rule 38: who needs a shield after the delivery opens a new shielded scope", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  await withScope(root, {}, async (outer) => {
    outer.cancel();
    try {
      await checkpoint(outer.signal);
    } finally {
      await withScope(outer, { shield: true }, async (cleanUp) => {
        await checkpoint(cleanUp.signal);
        record.push("cleaned up");
      });
    }
  });
  assert.deepEqual(record, ["cleaned up"]);
});

test("rule 39: a shield only ever goes from true to false", async () => {
  await withScope(openRoot(), { shield: true }, async (scope) => {
    scope.unshield();
    assert.equal(scope.shield, false);
    scope.unshield();
    assert.equal(scope.shield, false);
    assert.equal(Reflect.set(scope, "shield", true), false);
    assert.equal(scope.shield, false);
  });
});
