/** What ends one by one is gathered while many run, and waits for nobody else. */
import { expect, test } from "bun:test";
import { turn } from "../../../src/concurrency/turn.ts";
import { SharedTurn } from "../../../src/executor/intake/shared-turn.ts";

/** No test waits for this. */
const FOR_EVER_MS = 600_000;

test("After a pause what ends goes with the next turn of the loop, however many run", async () => {
  const shared = turnOf(1_000);
  shared.ended();
  await shared.gather();
});

test("While many run, what ends soon after another waits until enough have ended, and then all go", async () => {
  const shared = turnOf(64);
  await shared.gather();
  shared.ended();
  let went = 0;
  const all = [shared.gather(), shared.gather()].map((gathered) => gathered.then(() => went++));
  for (let turns = 0; turns < 10; turns++) await turn();
  shared.ended();
  shared.ended();
  await turn();
  expect(went).toBe(0);
  shared.ended();
  await Promise.all(all);
});

test("What was let go does not count for what ends after it", async () => {
  const shared = turnOf(64);
  for (let ends = 0; ends < 4; ends++) shared.ended();
  await shared.gather();
  let went = false;
  shared.ended();
  const gathered = shared.gather().then(() => {
    went = true;
  });
  for (let turns = 0; turns < 10; turns++) await turn();
  expect(went).toBeFalse();
  for (let ends = 0; ends < 3; ends++) shared.ended();
  await gathered;
});

test("While few run, or nothing does, nobody waits", async () => {
  for (const size of [0, 1, 16]) {
    const shared = turnOf(size);
    for (let ends = 0; ends < 3; ends++) {
      shared.ended();
      await shared.gather();
    }
  }
});

test("Where enough never end, a while after the last ones all go", async () => {
  const shared = turnOf(64, 20);
  await shared.gather();
  shared.ended();
  await shared.gather();
});

function turnOf(size: number, gatherMs = FOR_EVER_MS): SharedTurn {
  return new SharedTurn({ written: async () => {} }, { size }, gatherMs);
}
