/** What is handed ahead to a worker that runs one at a time does not wait behind a long run where it need not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../stage/until.ts";
import { type Running, withPool } from "./pool-stage.ts";

const SOON = { timeout: 30_000 };

/** One at a time, and two more are handed ahead. */
function worker(processes: number, more: Readonly<Record<string, boolean>> = {}): Parameters<typeof withPool>[0] {
  return { kind: { concurrency: 1, ahead: 2, processes }, hello: JSON.stringify({ one: true, ...more }) };
}

test("it runs in another process, which is started for it, while the long one goes on", SOON, async () => {
  await withPool(worker(2), async ({ run, view }) => {
    const long = run({ do: "wait" });
    await long.begun;
    const short = run({ do: "tell" });
    const first = view().runners[0]?.pid;
    assert.notEqual(await pidOf(short), first);
    long.cancel();
    assert.equal(await long.ending, "stopped");
  });
});

test("one whose runs are quick is given more, and none of them is lost where it dies", SOON, async () => {
  await withPool(worker(1), async ({ run, view }) => {
    const size = (): number => view().runners[0]?.tasks ?? 0;
    // A slow machine has to try again.
    await until(async () => {
      await Promise.all(Array.from({ length: 30 }, () => pidOf(run({ do: "tell" }))));
      const long = run({ do: "wait" });
      const behind = Array.from({ length: 12 }, () => run({ do: "tell" }));
      const most = size();
      long.cancel();
      await Promise.all(behind.map(pidOf));
      return most > 3;
    });
    const deadly = run({ do: "exit", code: 7 });
    const behind = Array.from({ length: 12 }, () => run({ do: "tell" }));
    const ended = await deadly.ending;
    assert.ok(ended !== "stopped" && (ended.kind === "suspected" || ended.kind === "crashed"), JSON.stringify(ended));
    await Promise.all(behind.map(pidOf));
  });
});

test("where there may be no other process it waits, and begins when the long one has ended", SOON, async () => {
  await withPool(worker(1), async ({ run, view }) => {
    const long = run({ do: "wait" });
    const short = [run({ do: "tell" }), run({ do: "tell" }), run({ do: "tell" })];
    await long.begun;
    long.cancel();
    await Promise.all(short.map(pidOf));
    assert.equal(view().runners.length, 1);
  });
});

test("a worker that does not give it back runs it when the long one has ended", SOON, async () => {
  await withPool(worker(2, { keeps: true }), async ({ run, view }) => {
    const long = run({ do: "wait" });
    const [kept, waits] = [run({ do: "tell" }), run({ do: "tell" })];
    const other = run({ do: "tell" });
    const pid = view().runners[0]?.pid;
    assert.notEqual(await pidOf(other), pid);
    long.cancel();
    // Two had not begun, the long one among them: one of these was handed ahead.
    const pids = await Promise.all([kept, waits].map(pidOf));
    assert.ok(pids.includes(pid));
  });
});

test("one that has begun it just then stops it, and it runs elsewhere", SOON, async () => {
  await withPool(worker(2, { begins: true }), async ({ run, view }) => {
    const long = run({ do: "wait" });
    await long.begun;
    const short = run({ do: "tell" });
    const first = view().runners[0]?.pid;
    assert.notEqual(await pidOf(short), first);
    long.cancel();
    await long.ending;
  });
});

test("one that is cancelled while it waits there is stopped", SOON, async () => {
  await withPool(worker(1), async ({ run, view }) => {
    const long = run({ do: "wait" });
    await long.begun;
    const short = run({ do: "tell" });
    short.cancel();
    assert.equal(await short.ending, "stopped");
    assert.equal(short.told.begun, false);
    long.cancel();
    await until(() => view().runners.every(({ tasks }) => tasks === 0));
  });
});

async function pidOf({ ending }: Running): Promise<unknown> {
  const ended = await ending;
  assert.ok(ended !== "stopped" && ended.kind === "done", JSON.stringify(ended));
  return (JSON.parse(ended.result ?? "null") as { readonly pid: number }).pid;
}
