/** What an executor holds for a broker that is away is bounded by its length, not only by number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Broker,
  BrokerUnavailableError,
  type CompletionResult,
  type Outcome,
} from "../../../src/broker/broker.ts";
import type { LogLine } from "../../../src/broker/contract/admin.ts";
import { moveOnAfter, openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { SharedTurn } from "../../../src/executor/intake/shared-turn.ts";
import { Completion } from "../../../src/executor/reports/completion.ts";
import { TaskLogs } from "../../../src/executor/reports/task-logs.ts";
import { Tally } from "../../../src/executor/status/tally.ts";

const outcome = (result: string): Outcome => ({
  kind: "done",
  id: "x",
  type: "noop",
  attempt: 1,
  crashes: 0,
  startedAt: null,
  retentionMs: 0,
  recorded: false,
  uniqueKey: null,
  told: null,
  result,
  // Nothing but its text is asked for.
  delivery: { raw: "" } as Outcome["delivery"],
});

test("outcomes with long results hold back the intake, and travel in batches that are bounded", async () => {
  const batches: number[] = [];
  const answers = Promise.withResolvers<void>();
  const broker = {
    async complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
      await answers.promise;
      batches.push(outcomes.length);
      return outcomes.map(() => "recorded");
    },
  } as unknown as Broker;
  const parts = {
    broker,
    tally: new Tally(),
    turn: new SharedTurn(broker, { size: 0 }),
    logs: new TaskLogs(broker),
    followUpOfDead: () => undefined,
    retriesIn: () => {},
  };
  const completion = new Completion(parts, 1_000, 50_000_000);
  const root = openRoot();
  await withNursery(root, async (nursery) => {
    nursery.startSoon(({ scope }) => completion.run(scope));
    const { signal } = nursery.scope;
    for (let at = 0; at < 49; at++) completion.add(outcome("r".repeat(1_000_000)));
    await completion.room(signal);
    completion.add(outcome("r".repeat(1_000_000)));
    const waited = await moveOnAfter(nursery.scope, 50, ({ signal: until }) => completion.room(until));
    assert.equal(waited.cancelled, true, "the intake goes on though 50 MB wait");
    answers.resolve();
    await completion.room(signal);
    await completion.finish(nursery.scope, 10_000);
    nursery.scope.cancel();
  });
  assert.equal(
    batches.reduce((sum, size) => sum + size, 0),
    50,
  );
  assert.ok(
    batches.every((size) => size <= 16),
    `batches of ${batches}`,
  );
});

test("lines of logs that wait are bounded over all tasks, and the log says what it lost", async () => {
  let isAway = true;
  const written = new Map<string, readonly LogLine[]>();
  const broker = {
    now: () => 1_000,
    async appendLogs(logs: readonly { readonly id: string; readonly lines: readonly LogLine[] }[]) {
      if (isAway) throw new BrokerUnavailableError("gone");
      for (const { id, lines } of logs) written.set(id, lines);
    },
  } as unknown as Broker;
  const logs = new TaskLogs(broker, 100_000);
  for (let at = 0; at < 200; at++) {
    for (const id of ["a", "b", "c"]) logs.add({ id, queue: "te" }, "info", `${at} ${"x".repeat(890)}`);
    if (at === 100) await logs.flush();
  }
  await logs.flush();
  assert.equal(logs.some, true);
  isAway = false;
  await logs.flush();
  assert.equal(logs.some, false);
  const all = [...written.values()].flat();
  const length = all.reduce((sum, { text }) => sum + text.length, 0);
  assert.ok(length <= 100_000 && length > 80_000, `${length} characters were kept`);
  const dropped = all.flatMap(({ text }) => /^(\d+) line/.exec(text)?.[1] ?? []).reduce((sum, n) => sum + Number(n), 0);
  const kept = all.filter(({ text }) => text.endsWith("x")).length;
  assert.equal(dropped + kept, 600);
  for (const lines of written.values()) assert.match(lines.at(-1)?.text ?? "", /^199 x/);
  for (let at = 0; at < 50; at++) logs.add({ id: "d", queue: "te" }, "info", "x".repeat(900));
  await logs.flush();
  assert.equal(written.get("d")?.length, 50, "what was written makes room again");
});
