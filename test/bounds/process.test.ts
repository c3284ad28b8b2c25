/** What an executor and a client hold in memory beyond a call stays within the bounds of docs/bounds.md. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Broker, BrokerUnavailableError } from "../../src/broker/broker.ts";
import type { LogLine } from "../../src/broker/contract/admin.ts";
import { MAX_LOG_LINES } from "../../src/broker/contract/admin.ts";
import { BeatSeries } from "../../src/broker/fleet-beats.ts";
import { ClientOverloadedError } from "../../src/client/errors.ts";
import { Outbox } from "../../src/client/outbox.ts";
import { EndedLately } from "../../src/executor/attempt/ended-lately.ts";
import { TaskLogs } from "../../src/executor/reports/task-logs.ts";
import { logConnection } from "../../src/executor/status/connection-log.ts";
import { WatchPlaces } from "../../src/http/api/watch/watch-places.ts";
import { prepareTask } from "../../src/task/message/new-task.ts";

test("of beats that were never answered three are remembered", () => {
  const series = new BeatSeries();
  for (let n = 0; n < 1_000; n++) series.next({ json: `{"n":${n}}`, at: n, kept: null });
  assert.ok(series.last().length <= 3, `${series.last().length}`);
});

test("of tasks that ended sixteen names are remembered, the last ones", () => {
  const ended = new EndedLately();
  for (let n = 0; n < 10_000; n++) ended.add({ id: `t${n}`, type: "noop" });
  assert.deepEqual(
    ended.names().map(({ id }) => id),
    Array.from({ length: 16 }, (_, back) => `t${9_999 - back}`),
  );
});

test("while the broker is away a task's log keeps its last lines, and says how many were dropped", async () => {
  let isAway = true;
  const written: (readonly LogLine[])[] = [];
  const broker = {
    now: () => 1,
    async appendLogs(logs: readonly { readonly lines: readonly LogLine[] }[]) {
      if (isAway) throw new BrokerUnavailableError("away");
      for (const { lines } of logs) written.push(lines);
    },
  };
  // Task logs ask for nothing else.
  const logs = new TaskLogs(broker as unknown as Broker);
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 2 * MAX_LOG_LINES; n++) logs.add({ id: "t", queue: "te" }, "info", `${round} ${n}`);
    await logs.flush();
  }
  isAway = false;
  await logs.flush();
  const [lines = []] = written;
  assert.ok(lines.length <= MAX_LOG_LINES + 1, `${lines.length}`);
  assert.match(lines[0]?.text ?? "", /line\(s\) were dropped/);
  assert.equal(lines.at(-1)?.text, `4 ${2 * MAX_LOG_LINES - 1}`);
});

test("a client holds so many tasks, and refuses more", async () => {
  const broker = { now: () => 1, enqueue: () => Promise.reject(new BrokerUnavailableError("away")) };
  // The outbox asks for nothing else.
  const outbox = new Outbox(broker as unknown as Broker, { maxWaiting: 100, waitMs: 200 });
  const task = (n: number) => prepareTask("noop", null, { id: `t${n}` }, { now: 1, retentionMs: 0 });
  const sent = await Promise.allSettled(Array.from({ length: 500 }, (_, n) => outbox.send([task(n)])));
  const reasons = sent.map((one) => (one.status === "rejected" ? one.reason : null));
  assert.equal(reasons.filter((reason) => reason instanceof ClientOverloadedError).length, 400);
  assert.equal(reasons.filter((reason) => reason instanceof BrokerUnavailableError).length, 100);
  await outbox.close();
});

test("places for watches are given out up to their number, and each that is left is free again", () => {
  const places = new WatchPlaces(100, 25);
  for (let round = 0; round < 1_000; round++) {
    const taken = Array.from({ length: 30 }, () => places.take("198.51.100.7"));
    const leave = taken.filter((place) => typeof place === "function");
    assert.equal(leave.length, 25);
    for (const one of leave) one();
  }
});

test("a warning that is told once is remembered among a hundred, and told again once it is forgotten", () => {
  let listener: Parameters<Broker["onConnectionChange"]>[0] = () => undefined;
  const told: unknown[] = [];
  const log = { info() {}, warn: (_: string, { warning }: Record<string, unknown>) => told.push(warning) };
  const end = logConnection(
    {
      url: "redis://x",
      onConnectionChange(given) {
        listener = given;
        return () => undefined;
      },
    },
    { log },
  );
  const warn = (warning: string) => listener({ state: "connected", lastError: null, warnings: [warning] });
  for (let round = 0; round < 2; round++) for (let n = 0; n < 100; n++) warn(`w${n}`);
  assert.equal(told.length, 100);
  for (let n = 100; n < 1_000; n++) warn(`w${n}`);
  warn("w0");
  assert.equal(told.length, 1_001);
  end();
});
