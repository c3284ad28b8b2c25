/** Lists wait for each other: two at once, a line behind them, and an end of the line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ListPlaces, TooManyListsError } from "../../src/broker/list-places.ts";

test("two lists are read at once, the others in the order in which they came", async () => {
  const places = new ListPlaces();
  const begun: number[] = [];
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const lists = ends.map(({ promise }, at) =>
    places.take(async () => {
      begun.push(at);
      await promise;
      return at;
    }),
  );
  await new Promise(setImmediate);
  assert.deepEqual(begun, [0, 1]);
  ends[1]?.resolve();
  assert.equal(await lists[1], 1);
  await new Promise(setImmediate);
  assert.deepEqual(begun, [0, 1, 2]);
  for (const { resolve } of ends) resolve();
  assert.deepEqual(await Promise.all(lists), [0, 1, 2, 3, 4]);
});

test("a list that fails gives its place back", async () => {
  const places = new ListPlaces();
  for (let at = 0; at < 5; at++) {
    await assert.rejects(
      places.take(() => Promise.reject(new RangeError("no such cursor"))),
      RangeError,
    );
  }
  assert.equal(await places.take(async () => "read"), "read");
});

test("one that finds the line full is refused at once, and told to come again", async () => {
  const places = new ListPlaces(3);
  const { promise, resolve } = Promise.withResolvers<void>();
  const lists = Array.from({ length: 5 }, () => places.take(() => promise));
  await assert.rejects(
    places.take(() => promise),
    (error) => error instanceof TooManyListsError && /^3 lists wait already, .*: ask again/.test(error.message),
  );
  resolve();
  await Promise.all(lists);
  await places.take(() => promise);
});
