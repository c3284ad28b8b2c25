/** What is known under numbers that come and go: as a Map would have it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NumberTable } from "../../src/runner-protocol/number-table.ts";

/** Some of them share their place, whatever its size is. */
const number = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(1 + 64, 1 + 128, 1 + 2 ** 20, 1 + 2 ** 40));
const steps = fc.array(fc.tuple(fc.constantFrom("add", "remove", "get"), number), { maxLength: 600 });

test("whatever is added, asked for and removed, it says the same as a Map", () => {
  fc.assert(
    fc.property(steps, (said) => {
      const [table, map] = [new NumberTable<string>(), new Map<number, string>()];
      for (const [what, at] of said) {
        if (what === "add" && !map.has(at)) {
          map.set(at, `value ${at}`);
          table.add(at, `value ${at}`);
        } else if (what === "remove") {
          assert.equal(table.remove(at), map.get(at));
          map.delete(at);
        }
        assert.equal(table.get(at), map.get(at));
        assert.equal(table.size, map.size);
      }
      assert.deepEqual(
        table.entries(),
        [...map].sort(([one], [other]) => one - other),
      );
    }),
  );
});

test("over many that come and go it holds no more than those that are there", () => {
  const table = new NumberTable<number>();
  for (let at = 1; at <= 100_000; at++) {
    table.add(at, at);
    if (at > 100) assert.equal(table.remove(at - 100), at - 100);
  }
  assert.deepEqual([table.size, table.entries().length, table.get(99_901)], [100, 100, 99_901]);
});
