import assert from "node:assert/strict";
import { test } from "node:test";
import {
  abortable,
  Cancelled,
  CapacityLimiter,
  type Clock,
  checkpoint,
  failAfter,
  flattenErrors,
  Latch,
  moveOnAfter,
  NurseryError,
  openChannel,
  openRoot,
  sleep,
  sleepForever,
  systemClock,
  TooSlowError,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { MockClock } from "../../src/testing.ts";
import { assertInstance, deaf, mockRoot, rejection, settle } from "./support.ts";

test("rule 54: moveOnAfter goes on, and says whether it was cancelled", async () => {
  const { root, clock } = mockRoot();
  const slow = moveOnAfter(root, 10, async (scope) => {
    await sleep(20, scope.signal);
    return "late";
  });
  await clock.advance(10);
  const outcome = await slow;
  assert.ok(outcome.cancelled);
  assert.equal(outcome.reason.source, "deadline");

  const fast = moveOnAfter(root, 10, async (scope) => {
    await sleep(5, scope.signal);
    return "in time";
  });
  await clock.advance(5);
  assert.deepEqual(await fast, { cancelled: false, value: "in time" });
  assert.equal(clock.pendingTimers, 0);
});

test("rule 54: with no time at all the body still begins, and fails at its first wait", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  const outcome = await moveOnAfter(root, 0, async (scope) => {
    record.push("begun");
    await checkpoint(scope.signal);
    record.push("not reached");
  });
  assert.equal(outcome.cancelled, true);
  assert.deepEqual(record, ["begun"]);
});

test("rule 55: failAfter throws TooSlowError where it caught its own cancel", async () => {
  const { root, clock } = mockRoot();
  const slow = rejection(failAfter(root, 10, (scope) => sleepForever(scope.signal)));
  await clock.advance(10);
  const error = await slow;
  assertInstance(error, TooSlowError);
  assert.match(error.message, /did not end within 10 ms/);
  assertInstance(error.cause, Cancelled);
  assert.equal(await failAfter(root, 10, async () => "in time"), "in time");
});

test("rule 55: failAfter throws TooSlowError, too, where its scope was cancelled by a call", async () => {
  const { root } = mockRoot();
  const error = await rejection(
    failAfter(root, 10, async (scope) => {
      scope.cancel("gave up");
      await checkpoint(scope.signal);
    }),
  );
  assertInstance(error, TooSlowError);
  assertInstance(error.cause, Cancelled);
  assert.equal(error.cause.reason, "gave up");
});

test("rule 55: failAfter does not throw TooSlowError where the outer cancel, an error or the value wins", async () => {
  const { root, clock } = mockRoot();
  const outcome = await withScope(root, {}, async (outer) => {
    outer.cancel("outer");
    await failAfter(outer, 0, (scope) => sleepForever(scope.signal));
  });
  assert.ok(outcome.cancelled);
  assert.equal(outcome.reason.reason, "outer");

  const real = new Error("real");
  const failing = failAfter(root, 0, async () => {
    throw real;
  });
  assert.equal(await rejection(failing), real);

  const ready = failAfter(root, 10, async () => {
    await clock.advance(20);
    return "ready after the deadline";
  });
  assert.equal(await ready, "ready after the deadline");

  const grouped = await rejection(
    failAfter(root, 0, (scope) =>
      withNursery(scope, async (nursery) => {
        nursery.startSoon((task) => sleepForever(task.signal));
        throw real;
      }),
    ),
  );
  assertInstance(grouped, NurseryError);
  assert.deepEqual(flattenErrors(grouped), [real]);
});

test("rule 56: a shielded timeout still fires", async () => {
  const { root, clock } = mockRoot();
  root.cancel();
  const slow = rejection(failAfter(root, 10, (scope) => sleepForever(scope.signal), { shield: true }));
  await settle();
  await clock.advance(10);
  assertInstance(await slow, TooSlowError);
});

test("rule 57: sleep(0) is a checkpoint: it tests the signal and lets the loop turn", async () => {
  const { root, clock } = mockRoot();
  for (const wait of [(signal: AbortSignal) => sleep(0, signal), checkpoint]) {
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    await wait(root.signal);
    assert.equal(turned, true);
  }
  assert.equal(clock.now(), 0, "no time passes");

  const cancelled = openRoot();
  cancelled.cancel();
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  await rejection(checkpoint(cancelled.signal));
  assert.equal(turned, false, "in a cancelled scope it fails at once");

  const during = await withScope(root, {}, async (scope) => {
    setImmediate(() => scope.cancel());
    await sleep(0, scope.signal);
  });
  assert.equal(during.cancelled, true, "a cancel during the turn counts");
});

test("rule 58: every waiting primitive tests the signal first", async () => {
  const { root, clock } = mockRoot();
  const [, emptyReceiver] = openChannel<number>(1);
  const [sender, receiver] = openChannel<number>(2);
  sender.sendNowait(1);
  const limiter = new CapacityLimiter(1);
  const set = new Latch();
  set.set();
  root.cancel();
  const { signal } = root;
  const waits: [name: string, wait: () => Promise<unknown>][] = [
    ["sleep", () => sleep(1, signal)],
    ["sleep(0)", () => sleep(0, signal)],
    ["sleepForever", () => sleepForever(signal)],
    ["checkpoint", () => checkpoint(signal)],
    ["abortable", () => abortable(Promise.resolve(1), signal)],
    ["abortable, rejected", () => abortable(Promise.reject(new Error("dropped")), signal)],
    ["send", () => sender.send(2, signal)],
    ["receive", () => receiver.receive(signal)],
    ["receive, empty", () => emptyReceiver.receive(signal)],
    ["values", () => receiver.values(signal).next()],
    ["latch", () => set.wait(signal)],
    ["acquire", () => limiter.acquire(signal)],
    ["withPermit", () => limiter.withPermit(signal, () => assert.fail("must not run"))],
  ];
  for (const [name, wait] of waits) assert.equal(await rejection(wait()), signal.reason, name);
  assert.equal(receiver.statistics().bufferUsed, 1);
  assert.equal(limiter.borrowedTokens, 0);
  assert.equal(clock.pendingTimers, 0);
});

test("rule 59: every timer goes through the clock: a day passes in a moment", async () => {
  const { root, clock } = mockRoot();
  let hours = 0;
  const day = (async () => {
    while (hours < 24) {
      await sleep(3_600_000, root.signal);
      hours++;
    }
  })();
  await clock.advance(86_400_000);
  await day;
  assert.equal(hours, 24);
  assert.equal(clock.now(), 86_400_000);
});

test("rule 59: a wait finds the clock of the tree its signal belongs to, at any depth", async () => {
  const { root, clock } = mockRoot();
  const woken: number[] = [];
  const block = withNursery(root, async (nursery) => {
    nursery.startSoon((task) =>
      withScope(task.scope, { shield: true }, async (scope) => {
        await sleep(10, scope.signal);
        woken.push(clock.now());
      }),
    );
  });
  await settle();
  await clock.advance(25);
  await block;
  assert.deepEqual(woken, [10]);
});

test("rule 59: timers fire in order, equals as they were made, each at its own time", async () => {
  const clock = new MockClock();
  const fired: string[] = [];
  const note = (name: string) => () => {
    fired.push(`${name}@${clock.now()}`);
  };
  clock.schedule(20, note("c"));
  clock.schedule(10, note("a"));
  const cancel = clock.schedule(15, note("never"));
  clock.schedule(10, note("b"));
  clock.schedule(Infinity, note("never"));
  cancel();
  cancel();
  await clock.advance(30);
  assert.deepEqual(fired, ["a@10", "b@10", "c@20"]);
  assert.equal(clock.pendingTimers, 0);
  assertInstance(await rejection(clock.advance(-1)), RangeError);
  assertInstance(await rejection(clock.advance(Infinity)), RangeError);
});

test(
  "rule 59: a timer set by a timer waits for the next turn, due or not, or a chain of them would " + "stop all else",
  async () => {
    const mock = new MockClock();
    for (const clock of [mock, systemClock]) {
      const record: string[] = [];
      const done = deaf();
      const at = clock.now() + 1;
      clock.schedule(at, () => {
        record.push("first");
        queueMicrotask(() => record.push("what it woke"));
        clock.schedule(at, () => {
          record.push("set by the first");
          done.resolve();
        });
      });
      clock.schedule(at, () => record.push("second"));
      if (clock === mock) await mock.advance(1);
      await done.promise;
      assert.deepEqual(record, ["first", "second", "what it woke", "set by the first"]);
    }
  },
);

test("rule 59: a clock of one's own is used for everything", async () => {
  const scheduled: number[] = [];
  const clock: Clock = {
    now: () => 1_000,
    schedule: (at) => {
      scheduled.push(at);
      return () => scheduled.splice(scheduled.indexOf(at), 1);
    },
  };
  const root = openRoot({ clock });
  await withScope(root, { deadline: 5_000 }, async (scope) => {
    const nap = sleep(100, scope.signal);
    assert.deepEqual(scheduled, [5_000, 1_100]);
    scope.cancel();
    await nap;
  });
  assert.deepEqual(scheduled, []);
});

// That a callback which throws costs the others nothing is in programs/unusual.ts: it is an uncaught exception.
test("rule 59: the system's clock wakes in order, and never early", async () => {
  const { signal } = openRoot();
  const begun = systemClock.now();
  const woken: string[] = [];
  const nap = async (ms: number) => {
    await sleep(ms, signal);
    assert.ok(systemClock.now() - begun >= ms);
    woken.push(`${ms}`);
  };
  await Promise.all([nap(12), nap(3), nap(7.5)]);
  assert.deepEqual(woken, ["3", "7.5", "12"]);
});

test("rule 59: a time beyond the reach of setTimeout does not fire at once, but is split", async (t) => {
  const delays: unknown[] = [];
  const original = globalThis.setTimeout;
  const spy: unknown = new Proxy(original, {
    apply(target, self, args: unknown[]) {
      delays.push(args[1]);
      return Reflect.apply(target, self, args);
    },
  });
  Reflect.set(globalThis, "setTimeout", spy);
  t.after(() => Reflect.set(globalThis, "setTimeout", original));
  const root = openRoot();
  const outcome = await withScope(root, { deadline: systemClock.now() + 2 ** 33 }, async (scope) => {
    const long = rejection(sleep(2 ** 32, scope.signal));
    await sleep(3, root.signal);
    assert.equal(scope.signal.aborted, false);
    scope.cancel();
    await long;
  });
  assert.equal(outcome.cancelled, false);
  assert.ok(delays.length > 0);
  // Whoever else asks meanwhile may give no delay at all.
  for (const delay of delays) assert.ok(Number(delay ?? 0) <= 2 ** 31 - 1, `setTimeout was given ${String(delay)} ms`);
});

test("rule 59: a timer that is taken back does not fire", async () => {
  const stuck = deaf();
  const cancel = systemClock.schedule(systemClock.now() + 1, () => stuck.reject(new Error("was taken back")));
  cancel();
  await sleep(3, openRoot().signal);
  stuck.resolve();
  await stuck.promise;
  assert.throws(() => systemClock.schedule(Number.NaN, () => {}), RangeError);
});
