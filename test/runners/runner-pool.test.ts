/** Where runs go, how they end, and what becomes of them when their runner dies. The runners are real processes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HandlerEnding } from "../../src/handlers/handler.ts";
import { RunnerStartError } from "../../src/runners/starts.ts";
import { until } from "../stage/until.ts";
import { type Running, startFake, withPool } from "./pool-stage.ts";

const SOON = { timeout: 30_000 };

async function resultOf(running: Running): Promise<{ pid: number; payload: unknown }> {
  const ending = await running.ending;
  assert.ok(ending !== "stopped" && ending.kind === "done" && ending.result !== null, JSON.stringify(ending));
  return JSON.parse(ending.result);
}

test("attempts run in one shared runner, side by side, with the payload as it was written", SOON, async () => {
  await withPool({}, async (pool) => {
    const runs = Array.from({ length: 50 }, (_, n) => pool.run({ do: "tell", n }));
    const results = await Promise.all(runs.map(resultOf));
    assert.deepEqual(new Set(results.map(({ pid }) => pid)).size, 1);
    assert.deepEqual(
      results.map(({ payload }) => payload),
      runs.map((_, n) => ({ do: "tell", n })),
    );
    assert.ok(runs.every(({ told }) => told.begun));
  });
});

test("a failure comes as its runner tells it", SOON, async () => {
  await withPool({}, async (pool) => {
    const ending = await pool.run({ do: "fail" }).ending;
    const error = { name: "TypeError", message: "no" };
    assert.deepEqual(ending, { kind: "failed", error, retry: false, retryInMs: null, later: false });
  });
});

test("a run that heeds its cancel ends as stopped, and says how", SOON, async () => {
  await withPool({}, async (pool) => {
    const run = pool.run({ do: "wait" });
    await run.begun;
    run.cancel();
    assert.equal(await run.ending, "stopped");
    assert.equal(run.told.endedBy?.how, "heeded");
    const late = pool.run({ do: "finish" }, { reason: "timeout" });
    await late.begun;
    late.cancel();
    assert.equal((await resultOf(late)) as unknown, "finished");
  });
});

test("a death over a run that is alone is its crash, with the reason; its runner is replaced", SOON, async () => {
  await withPool({}, async (pool) => {
    const ends = async (deed: Record<string, unknown>) => await pool.run(deed).ending;
    assert.deepEqual(await ends({ do: "exit", code: 7 }), { kind: "crashed", reason: "exit code 7" });
    assert.deepEqual(await ends({ do: "kill", signal: "SIGSEGV" }), { kind: "crashed", reason: "killed by SIGSEGV" });
    assert.ok((await resultOf(pool.run({ do: "tell" }))).pid > 0);
  });
});

test(
  "what has ended in a runner before may have killed it: nobody is charged, and a fresh runner tells",
  SOON,
  async () => {
    await withPool({ ownRunners: 1 }, async (pool) => {
      await resultOf(pool.run({ do: "tell" }));
      const first = await pool.run({ do: "exit", code: 3 }).ending;
      assert.deepEqual(first, { kind: "suspected", company: 0, reason: "exit code 3" });
      // The only runner for suspects has run something: it makes room.
      const innocent = await resultOf(pool.run({ do: "tell" }, { suspect: { company: 4 } }));
      const lone = pool.run({ do: "tell" }, { suspect: { company: 0 } });
      assert.notEqual((await resultOf(lone)).pid, innocent.pid);
      const again = await pool.run({ do: "exit", code: 3 }, { suspect: { company: 0 } }).ending;
      assert.deepEqual(again, { kind: "crashed", reason: "exit code 3" });
    });
  },
);

test("a death in company makes suspects of all that had begun, and charges nobody", SOON, async () => {
  await withPool({}, async (pool) => {
    const waiting = [pool.run({ do: "wait" }), pool.run({ do: "wait" })];
    await Promise.all(waiting.map(({ begun }) => begun));
    const guilty = pool.run({ do: "exit", code: 1 });
    const endings = await Promise.all([...waiting, guilty].map(({ ending }) => ending));
    for (const ending of endings) assert.deepEqual(ending, { kind: "suspected", company: 2, reason: "exit code 1" });
  });
});

test("suspects run beside no more than they may, and never beside others", SOON, async () => {
  await withPool({ ownRunners: 2 }, async (pool) => {
    const suspects = Array.from({ length: 4 }, () => pool.run({ do: "wait" }, { suspect: { company: 1 } }));
    await Promise.all(suspects.map(({ begun }) => begun));
    const other = await resultOf(pool.run({ do: "tell" }));
    const { runners } = pool.view();
    assert.deepEqual(
      runners.filter(({ isolation, tasks }) => isolation === "own" && tasks > 0).map(({ tasks }) => tasks),
      [2, 2],
    );
    assert.equal(runners.find(({ pid }) => pid === other.pid)?.isolation, "shared");
    for (const suspect of suspects) suspect.cancel();
    await Promise.all(suspects.map(({ ending }) => ending));
  });
});

test(
  "runs of their own have a warm runner each, as many as there may be; the others have not begun",
  SOON,
  async () => {
    await withPool({ ownRunners: 2, types: '[{"type":"x","isolation":"own"}]' }, async (pool) => {
      const runs = Array.from({ length: 3 }, () => pool.run({ do: "wait" }));
      await Promise.all(runs.slice(0, 2).map(({ begun }) => begun));
      const own = () => pool.view().runners.filter(({ isolation }) => isolation === "own");
      assert.deepEqual([own().length, runs[2]?.told.begun], [2, false]);
      runs[0]?.cancel();
      await runs[2]?.begun;
      assert.equal(own().length, 2);
      for (const run of runs) run.cancel();
      await Promise.all(runs.map(({ ending }) => ending));
    });
  },
);

test("a run of its own that ignores its cancel is killed after the grace, and its runner replaced", SOON, async () => {
  await withPool({ types: '[{"type":"x","isolation":"own"}]' }, async (pool) => {
    const run = pool.run({ do: "spin" });
    await run.begun;
    run.cancel();
    assert.equal(await run.ending, "stopped");
    assert.equal(run.told.endedBy?.how, "killed");
    assert.ok((run.told.endedBy?.afterMs ?? 0) >= 100);
    await resultOf(pool.run({ do: "tell" }));
  });
});

test(
  "a shared runner that answers is retired by a run that ignores its cancel, and its neighbours end",
  SOON,
  async () => {
    await withPool({}, async (pool) => {
      const neighbour = pool.run({ do: "finish" });
      const deaf = pool.run({ do: "ignore" });
      await Promise.all([deaf.begun, neighbour.begun]);
      deaf.cancel();
      assert.equal(await deaf.ending, "stopped");
      assert.equal(deaf.told.endedBy?.how, "abandoned");
      const before = pool.view().runners.find(({ state }) => state === "retired");
      const { pid } = await resultOf(pool.run({ do: "tell" }));
      assert.notEqual(pid, before?.pid);
      neighbour.cancel();
      assert.equal((await resultOf(neighbour)) as unknown, "finished");
    });
  },
);

test("a shared runner that stands still gets nothing new, and is killed for a run that must end", SOON, async () => {
  await withPool({}, async (pool) => {
    const neighbour = pool.run({ do: "wait" });
    await neighbour.begun;
    const spinning = pool.run({ do: "spin" });
    await spinning.begun;
    // It is handed over to the runner that stands still, has not begun there, and is moved.
    const moved = await resultOf(pool.run({ do: "tell" }));
    assert.ok(moved.pid > 0);
    spinning.cancel();
    assert.equal(await spinning.ending, "stopped");
    const ending = (await neighbour.ending) as HandlerEnding;
    assert.ok(ending.kind === "suspected" && ending.company === 1, JSON.stringify(ending));
    assert.match(ending.reason, /it stood still, and x task-\d+ in it ignored its cancel/);
  });
});

test(
  "a run whose time passes while its runner stands still beside others runs again as a suspect, once",
  SOON,
  async () => {
    await withPool({}, async (pool) => {
      const runs = [{}, { suspect: { company: 9 } }].map((about) =>
        pool.run({ do: "wait" }, { reason: "timeout", ...about }),
      );
      const [shared] = runs;
      await shared?.begun;
      const spinning = pool.run({ do: "spin" });
      await spinning.begun;
      await until("it stands still", 10_000, () => pool.view().runners.some(({ state }) => state === "blocked"));
      shared?.cancel();
      spinning.cancel();
      const ending = (await shared?.ending) as HandlerEnding;
      assert.ok(ending.kind === "suspected" && ending.company === 1, JSON.stringify(ending));
      assert.match(ending.reason, /^its time passed while its runner stood still/);
      runs[1]?.cancel();
      assert.equal(await runs[1]?.ending, "stopped");
    });
  },
);

test("a type that ignored its cancel twice runs alone from then on", SOON, async () => {
  await withPool({}, async (pool) => {
    for (let n = 0; n < 2; n++) {
      const deaf = pool.run({ do: "ignore" });
      await deaf.begun;
      deaf.cancel();
      await deaf.ending;
    }
    const { pid } = await resultOf(pool.run({ do: "tell" }));
    assert.equal(pool.view().runners.find((runner) => runner.pid === pid)?.isolation, "own");
  });
});

test("a payload that fits into no line fails alone, and its runner takes the next run", SOON, async () => {
  await withPool({ kind: { isolation: "own" }, ownRunners: 1 }, async ({ run }) => {
    const large = await run({ do: "tell" }, { payloadText: JSON.stringify("x".repeat(16 * 1024 * 1024)) }).ending;
    assert.ok(large !== "stopped" && large.kind === "failed" && !large.retry);
    assert.equal(large.error.name, "MessageTooLongError");
    await resultOf(run({ do: "tell" }));
  });
});

test("a run that waits for a runner is stopped at once", SOON, async () => {
  await withPool({ ownRunners: 1, types: '[{"type":"x","isolation":"own"}]' }, async (pool) => {
    const first = pool.run({ do: "wait" });
    await first.begun;
    const second = pool.run({ do: "wait" });
    second.cancel();
    assert.deepEqual([await second.ending, second.told.begun], ["stopped", false]);
    first.cancel();
    await first.ending;
  });
});

test(
  "log lines beyond the bound are dropped and counted; of progress each message counts, else the last",
  SOON,
  async () => {
    await withPool({}, async (pool) => {
      const run = pool.run({ do: "tellMuch", times: 1_500 });
      await run.ending;
      assert.ok(run.told.lines.length < 1_500, `${run.told.lines.length} lines`);
      assert.match(run.told.lines.at(-1) ?? "", /^warn \d+ log lines were dropped/);
      const told = run.told.progress as [value: number, message: string][];
      assert.deepEqual(
        told.map(([, message]) => message).filter((message) => message !== ""),
        Array.from({ length: 11 }, (_, n) => `${n * 10}`),
      );
      assert.deepEqual(told.at(-1), [1, "100"]);
      assert.ok(told.length < 101, `${told.length}`);
    });
  },
);

test("what a run of its own prints is its task's", SOON, async () => {
  await withPool({ types: '[{"type":"x","isolation":"own"}]' }, async (pool) => {
    const run = pool.run({ do: "print" });
    await run.ending;
    assert.deepEqual(run.told.lines, ["info printed {as} it is"]);
  });
});

test("ten faults end a runner, and what ran in it is told why", SOON, async () => {
  await withPool({}, async (pool) => {
    const ending = (await pool.run({ do: "chatter", times: 20 }).ending) as HandlerEnding;
    assert.ok(ending.kind === "crashed", JSON.stringify(ending));
    assert.match(ending.reason, /^it does not keep to the protocol of runners: 10 faults/);
  });
});

test("a payload is checked in a runner, and accepted where none answers", SOON, async () => {
  await withPool({}, async (pool) => {
    const check = pool.handlers[0]?.handler.checkPayload;
    assert.equal((await check?.({ n: 1 }))?.ok, true);
    const refused = await check?.("bad");
    assert.ok(refused?.ok === false && refused.error.message === "it is bad");
  });
});

test("a kind whose first runner does not start ends the block before it begins, with the reason", SOON, async () => {
  const refused = (given: Parameters<typeof withPool>[0], reason: RegExp) =>
    assert.rejects(
      withPool(given, () => assert.fail("it began")),
      (error) => error instanceof RunnerStartError && reason.test(error.message),
    );
  await refused({ hello: '{"dies":3}' }, /^fakes cannot be started: exit code 3$/);
  await refused({ hello: '{"mute":true}', helloMs: 300 }, /process \d+ has not said hello within 300 ms$/);
  await refused({ kind: { types: ["x", "y"] } }, /its hello does not have the type y$/);
  await refused({ hello: '{"protocol":2}' }, /^fakes cannot be started: hello: protocol: must be 1$/);
});

test("where no runner can be started later, runs come again uncharged, and run once one can", SOON, async () => {
  let isBroken = false;
  const start = () => {
    return isBroken ? Promise.reject(new Error("no interpreter")) : startFake('[{"type":"x"}]', "{}");
  };
  await withPool({ kind: { start, processes: 1 } }, async (pool) => {
    isBroken = true;
    assert.equal((await endingOf(pool.run({ do: "exit", code: 7 }))).kind, "crashed");
    const isHandedBack = (ending: HandlerEnding): boolean => {
      if (ending.kind !== "failed" || !ending.later || ending.isUnrun !== true) return false;
      assert.match(ending.error.message, /^fakes cannot be started: no interpreter/);
      assert.ok((ending.retryInMs ?? 0) >= 1_000 && (ending.retryInMs ?? 0) <= 30_000, `${ending.retryInMs}`);
      return true;
    };
    const waits = [pool.run({ do: "tell" }), pool.run({ do: "tell" })];
    for (const run of waits) assert.ok(isHandedBack(await endingOf(run)));
    assert.deepEqual([pool.view().waiting, pool.view().problems.length], [0, 1], "nothing waits here, and why is told");
    assert.ok(isHandedBack(await endingOf(pool.run({ do: "tell" }))), "nor does what comes meanwhile");
    isBroken = false;
    await until("one runs", 20_000, async () => (await endingOf(pool.run({ do: "tell" }))).kind === "done");
    assert.equal(pool.view().problems.length, 0);
  });
});

async function endingOf(running: Running): Promise<HandlerEnding> {
  const ending = await running.ending;
  assert.ok(ending !== "stopped");
  return ending;
}
