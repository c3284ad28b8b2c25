/** The one policy for a broker that is away, by a clock that stands still until the test moves it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ANSWER_LIMIT_MS,
  ifAvailable,
  openWithin,
  Pauses,
  untilAnswered,
  untilAvailable,
} from "../../src/broker/availability.ts";
import { BrokerRefusedError, BrokerUnavailableError, type ConnectionState } from "../../src/broker/broker.ts";
import { openRoot, sleepForever } from "../../src/concurrency/index.ts";
import { MockClock } from "../../src/testing.ts";

const LOST = new BrokerUnavailableError("the connection was lost");

test(
  "the pauses between tries double from 20 ms to a quarter of a second, and begin anew " + "after an answer",
  async () => {
    const clock = new MockClock();
    const { signal } = openRoot({ clock });
    const pauses = new Pauses();
    assert.deepEqual(await lengths(6), [20, 40, 80, 160, 250, 250]);
    pauses.answered();
    assert.deepEqual(await lengths(2), [20, 40]);

    async function lengths(count: number): Promise<number[]> {
      const found: number[] = [];
      for (let i = 0; i < count; i++) {
        const from = clock.now();
        const pause = pauses.wait(signal).then(() => found.push(clock.now() - from));
        while (found.length === i) await clock.advance(10);
        await pause;
      }
      return found;
    }
  },
);

test("what works for the fleet is tried until the broker is back, however long it is away", async () => {
  const clock = new MockClock();
  let away = true;
  let failed = 0;
  const action = async (): Promise<string> => {
    if (away) throw LOST;
    return "there";
  };
  const waiting = untilAvailable(action, openRoot({ clock }).signal, () => failed++);
  await clock.advance(0);
  await clock.advance(3_600_000);
  assert.ok(failed > 3_600 * 4 && failed < 3_600 * 4 + 10, String(failed));
  away = false;
  await clock.advance(250);
  assert.equal(await waiting, "there");
  assert.equal(clock.pendingTimers, 0);
});

test("an error that is not the broker's absence is not borne", async () => {
  const mistake = new TypeError("a mistake of ours");
  const { signal } = openRoot();
  await assert.rejects(
    untilAvailable(() => Promise.reject(mistake), signal),
    mistake,
  );
  await assert.rejects(
    ifAvailable(() => Promise.reject(mistake)),
    mistake,
  );
  assert.equal(await ifAvailable(() => Promise.reject(LOST)), false);
  assert.equal(await ifAvailable(() => Promise.resolve("there")), true);
});

test("a cancel ends the wait for a broker that is away", async () => {
  const root = openRoot();
  const waiting = untilAvailable(
    () => Promise.reject(LOST),
    root.signal,
    () => root.cancel("enough"),
  );
  await assert.rejects(waiting, /enough/);
});

for (const [state, Kind, words] of [
  ["away", BrokerUnavailableError, "stayed away"],
  ["refusing", BrokerRefusedError, "went on refusing"],
] as const) {
  test(
    `whoever waits for an answer of a broker that is ${state} hears after 30 s that it ` + `${words}, and why`,
    async () => {
      const clock = new MockClock();
      const asked: boolean[] = [];
      let troubled = 0;
      const ask = (again: boolean): Promise<never> => {
        asked.push(again);
        return Promise.reject(LOST);
      };
      const waiting = untilAnswered(brokerThatIs(state), openRoot({ clock }), ask, () => troubled++);
      const heard = assert.rejects(waiting, (error) => {
        assert.equal(error instanceof Error && error.constructor, Kind);
        assert.equal(String(error), `${Kind.name}: the broker mock:one ${words} for 30 s: it has its reasons`);
        return true;
      });
      await clock.advance(0);
      await clock.advance(ANSWER_LIMIT_MS - 1);
      assert.deepEqual([asked[0], asked[1], troubled], [false, true, 1]);
      await clock.advance(1);
      await heard;
      assert.equal(clock.pendingTimers, 0);
    },
  );
}

test("an answer that comes in time is given, and the trouble before it is told once", async () => {
  const clock = new MockClock();
  let troubled = 0;
  let tries = 0;
  const ask = async (again: boolean): Promise<string> => {
    if (++tries < 4) throw LOST;
    return `asked before: ${again}`;
  };
  const waiting = untilAnswered(brokerThatIs("away"), openRoot({ clock }), ask, () => troubled++);
  await clock.advance(0);
  await clock.advance(1_000);
  assert.deepEqual([await waiting, troubled, tries], ["asked before: true", 1, 4]);
});

for (const [limitMs, limit] of [
  [1_500, "1.5 s"],
  [20, "20 ms"],
] as const) {
  test(`a broker that does not open within ${limit} cannot be reached`, async () => {
    const clock = new MockClock();
    const silent = {
      url: "mock:one",
      connection: (): ConnectionState => ({ state: "away", lastError: null, warnings: [] }),
      open: (signal: AbortSignal) => sleepForever(signal),
    };
    const opening = openWithin(silent, openRoot({ clock }), limitMs);
    const message = `the broker mock:one cannot be reached: no answer within ${limit}`;
    const heard = assert.rejects(opening, { name: "BrokerUnavailableError", message });
    await clock.advance(limitMs);
    await heard;
  });
}

function brokerThatIs(state: "away" | "refusing") {
  return {
    url: "mock:one",
    connection: (): ConnectionState => ({ state, lastError: "it has its reasons", warnings: [] }),
  };
}
