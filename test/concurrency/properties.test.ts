// Properties that hold for whatever programs do. A failure prints its seed and path; to run it again:
//   FC_SEED=... FC_PATH=... <the test command>
// FC_RUNS multiplies the number of runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  CapacityLimiter,
  flattenErrors,
  NurseryError,
  openChannel,
  type Permit,
  sleep,
  splitErrors,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { MockClock } from "../../src/testing.ts";
import { programs, runProgram } from "./random-trees.ts";
import { mockRoot, settle } from "./support.ts";

const { FC_SEED, FC_PATH, FC_RUNS } = process.env;

async function check<T>(arbitrary: fc.Arbitrary<T>, numRuns: number, predicate: (value: T) => Promise<void>) {
  await fc.assert(fc.asyncProperty(arbitrary, predicate), {
    numRuns: numRuns * Number(FC_RUNS ?? 1),
    ...(FC_SEED === undefined ? {} : { seed: Number(FC_SEED) }),
    ...(FC_PATH === undefined ? {} : { path: FC_PATH }),
  });
}

test("property: tasks end with their nursery, errors come out once, no scope absorbs another's cancel", async () => {
  await check(programs, 3_000, runProgram);
});

test("property: timers fire in order of their time, and those taken back never", async () => {
  const timers = fc.array(fc.record({ at: fc.nat({ max: 50 }), takenBack: fc.boolean() }), { maxLength: 60 });
  await check(timers, 100, async (list) => {
    const clock = new MockClock();
    const fired: number[] = [];
    const handles = list.map(({ at }, i) => clock.schedule(at, () => fired.push(i)));
    for (const [i, { takenBack }] of list.entries()) if (takenBack) handles[i]?.();
    await clock.advance(50);
    const expected = list
      .map(({ at, takenBack }, i) => ({ at, takenBack, i }))
      .filter(({ takenBack }) => !takenBack)
      .sort((a, b) => a.at - b.at || a.i - b.i)
      .map(({ i }) => i);
    assert.deepEqual(fired, expected);
    assert.equal(clock.pendingTimers, 0);
  });
});

test("property: splitting a group loses and doubles no leaf, and keeps the order", async () => {
  const { group } = fc.letrec<{ group: NurseryError; node: number | NurseryError }>((tie) => ({
    group: fc.array(tie("node"), { minLength: 1, maxLength: 4 }).map((errors) => new NurseryError(errors)),
    node: fc.oneof({ maxDepth: 4 }, fc.nat({ max: 9 }), tie("group")),
  }));
  await check(group, 200, async (whole) => {
    const leaves = flattenErrors(whole);
    const isOdd = (leaf: unknown) => Number(leaf) % 2 === 1;
    const [odd, even] = splitErrors(whole, isOdd);
    assert.deepEqual(
      odd === undefined ? [] : flattenErrors(odd),
      leaves.filter((leaf) => isOdd(leaf)),
    );
    assert.deepEqual(
      even === undefined ? [] : flattenErrors(even),
      leaves.filter((leaf) => !isOdd(leaf)),
    );
  });
});

interface Worker {
  readonly sends: boolean;
  readonly count: number;
  readonly pause: number;
  /** When it is cancelled. */
  readonly until: number;
}

const workers = fc.array(
  fc.record({
    sends: fc.boolean(),
    count: fc.nat({ max: 6 }),
    pause: fc.nat({ max: 4 }),
    until: fc.oneof(fc.nat({ max: 15 }), fc.constant(100)),
  }),
  { minLength: 1, maxLength: 8 },
);

test("property: each item of a channel that was sent is received or still there, and no other is", async () => {
  const setting = fc.record({ capacity: fc.oneof(fc.nat({ max: 3 }), fc.constant(Infinity)), workers });
  await check(setting, 150, async ({ capacity, workers }) => {
    const { root, clock } = mockRoot();
    const [sender, receiver] = openChannel<string>(capacity);
    const sent: string[] = [];
    const received: string[] = [];
    const work = async (worker: Worker, name: number, signal: AbortSignal) => {
      for (let i = 0; i < worker.count; i++) {
        if (worker.sends) {
          await sender.send(`${name}.${i}`, signal);
          sent.push(`${name}.${i}`);
        } else {
          received.push(await receiver.receive(signal));
        }
        await sleep(worker.pause, signal);
      }
    };
    const block = withNursery(root, async (nursery) => {
      for (const [name, worker] of workers.entries()) {
        nursery.startSoon((task) =>
          withScope(task.scope, { deadline: worker.until }, (scope) => work(worker, name, scope.signal)),
        );
      }
    });
    await settle();
    await clock.advance(100);
    await block;
    const { bufferUsed, waitingSenders, waitingReceivers } = receiver.statistics();
    assert.deepEqual({ waitingSenders, waitingReceivers }, { waitingSenders: 0, waitingReceivers: 0 });
    const left = Array.from({ length: bufferUsed }, () => receiver.receiveNowait());
    assert.deepEqual([...received, ...left].sort(), sent.sort());
  });
});

test("property: permits are conserved: never more than the total at once, all of them back in the end", async () => {
  const setting = fc.record({ total: fc.nat({ max: 3 }), raisedTo: fc.integer({ min: 1, max: 5 }), workers });
  await check(setting, 150, async ({ total, raisedTo, workers }) => {
    const { root, clock } = mockRoot();
    const limiter = new CapacityLimiter(total);
    let held = 0;
    const work = async (worker: Worker, signal: AbortSignal) => {
      for (let i = 0; i < worker.count; i++) {
        const permit: Permit = await limiter.acquire(signal);
        held++;
        try {
          assert.ok(held <= limiter.borrowedTokens);
          assert.ok(limiter.borrowedTokens <= limiter.totalTokens);
          await sleep(worker.pause, signal);
        } finally {
          held--;
          permit.release();
        }
      }
    };
    const block = withNursery(root, async (nursery) => {
      for (const worker of workers) {
        nursery.startSoon((task) =>
          withScope(task.scope, { deadline: worker.until }, (scope) => work(worker, scope.signal)),
        );
      }
      await sleep(7, nursery.scope.signal);
      limiter.totalTokens = Math.max(total, raisedTo);
    });
    await settle();
    await clock.advance(200);
    await block;
    assert.equal(held, 0);
    assert.deepEqual(limiter.statistics(), { totalTokens: Math.max(total, raisedTo), borrowedTokens: 0, waiting: 0 });
  });
});
