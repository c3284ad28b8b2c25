/** What the log says of a broker that is away, refuses, flaps: by a clock that stands still until the test moves it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectionState } from "../../../src/broker/broker.ts";
import { logConnection } from "../../../src/executor/status/connection-log.ts";
import { MockClock } from "../../../src/testing.ts";

const WELL: ConnectionState = { state: "connected", lastError: null, warnings: [] };
const AWAY: ConnectionState = { state: "away", lastError: "connect ECONNREFUSED", warnings: [] };
const refusing = (lastError: string): ConnectionState => ({ state: "refusing", lastError, warnings: [] });

/** A log on a clock of its own: what it says, a broker's changes, and the time. */
function stage() {
  const clock = new MockClock();
  const lines: string[] = [];
  let listener: (state: ConnectionState) => void = () => assert.fail("nobody listens");
  const write = (text: string, values: Record<string, unknown>): void => {
    lines.push(text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name])));
  };
  const broker = {
    url: "redis://here/1",
    onConnectionChange(told: typeof listener) {
      listener = told;
      return () => {};
    },
  };
  const end = logConnection(broker, { clock, log: { info: write, warn: write } });
  return { clock, lines, end, is: (state: ConnectionState) => listener(state) };
}

test(
  "a broker that goes away for a while is told with its reason, once, and that it is back, with how " + "long it took",
  async () => {
    const { clock, lines, is, end } = stage();
    is(WELL);
    is(AWAY);
    await clock.advance(400);
    is({ ...AWAY, lastError: "connect ETIMEDOUT" });
    await clock.advance(60_000);
    assert.deepEqual(lines, ["The broker redis://here/1 is away: connect ETIMEDOUT; trying until it is back"]);
    is(WELL);
    await clock.advance(1_000);
    assert.deepEqual(lines.slice(1), ["The broker is back after 60.4 s"]);
    await clock.advance(3_600_000);
    end();
    assert.equal(lines.length, 2);
    assert.equal(clock.pendingTimers, 0);
  },
);

test("a refusal is told as such; another one that follows it is told where it lasts", async () => {
  const { clock, lines, is } = stage();
  is(refusing("READONLY a replica"));
  await clock.advance(600);
  is(refusing("MASTERDOWN no master"));
  await clock.advance(1_000);
  is(refusing("READONLY a replica"));
  await clock.advance(10_000);
  is(refusing("OOM no memory"));
  await clock.advance(10_000);
  assert.deepEqual(lines, [
    "The broker redis://here/1 is refusing: READONLY a replica; trying until it does not",
    "The broker redis://here/1 is refusing: OOM no memory; trying until it does not",
  ]);
});

test("troubles that take turns faster than they are told are told as one", async () => {
  const { clock, lines, is } = stage();
  for (let turn = 0; turn < 10; turn++) {
    is(refusing(turn % 2 === 0 ? "READONLY a replica" : "MASTERDOWN no master"));
    await clock.advance(200);
  }
  assert.equal(lines.length, 1, lines.join("\n"));
});

test(
  "a broker that flaps for ten minutes costs a pair and a line a minute, which say how often " + "and how long",
  async () => {
    const { clock, lines, is, end } = stage();
    // Away for 50 ms five times a second, as a disk that is nearly full was.
    for (let turn = 0; turn < 3_000; turn++) {
      is(AWAY);
      await clock.advance(50);
      is(WELL);
      await clock.advance(150);
    }
    assert.ok(lines.length >= 9 && lines.length <= 12, `${lines.length} lines:\n${lines.join("\n")}`);
    assert.equal(
      lines.at(-1),
      "The broker redis://here/1 was away or refusing 300 more times in the last 60 s (15 s in all): connect " +
        "ECONNREFUSED; it is there now",
    );
    end();
  },
);

test("one that flaps slower is told at most once a change that lasts", async () => {
  const { clock, lines, is } = stage();
  for (let turn = 0; turn < 30; turn++) {
    is(AWAY);
    await clock.advance(1_000);
    is(WELL);
    await clock.advance(1_000);
  }
  await clock.advance(10_000);
  const pair = ["is away", "is back"];
  assert.deepEqual(
    lines.map((line) => /is away|is back|more times/.exec(line)?.[0]),
    [...pair, "more times"],
    lines.join("\n"),
  );
});

test("what was not told yet is summed up at the end", async () => {
  const { clock, lines, is, end } = stage();
  is(AWAY);
  await clock.advance(100);
  is(WELL);
  await clock.advance(100);
  assert.deepEqual(lines, []);
  end();
  assert.match(lines.join(), /was away or refusing once more in the last 0 s \(0\.1 s in all\)/);
});

test("a warning is told once, however often the state changes", async () => {
  const { clock, lines, is } = stage();
  const warned = { ...WELL, warnings: ["maxmemory-policy is allkeys-lru"] };
  for (const state of [warned, { ...AWAY, warnings: warned.warnings }, warned, WELL, warned]) is(state);
  await clock.advance(100);
  assert.deepEqual(lines, ["The broker redis://here/1: maxmemory-policy is allkeys-lru"]);
});
