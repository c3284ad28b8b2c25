// Runs one case, named by its argument, and says "end of program" at the end of its code. exits must happen by itself:
// leaks.test.ts waits for that, and for what was printed before.

import {
  moveOnAfter,
  openRoot,
  sleep,
  sleepForever,
  systemClock,
  withNursery,
  withScope,
} from "../../../src/concurrency/index.ts";

const hour = 3_600_000;
const root = openRoot();

const cases: Record<string, () => Promise<unknown>> = {
  // Nothing is left that could keep the process alive.
  "deadline met": () => moveOnAfter(root, hour, async () => {}),
  "many deadlines met": async () => {
    const blocks = Array.from({ length: 100 }, (_, i) => moveOnAfter(root, hour + i, () => sleep(i % 5, root.signal)));
    await Promise.all(blocks);
  },
  "deadline of a root": async () => {
    root.deadline = systemClock.now() + hour;
  },
  "deadline of a root beside one that was met": async () => {
    root.deadline = systemClock.now() + hour;
    await moveOnAfter(root, hour, async () => {});
  },
  "sleep cancelled": () =>
    withScope(root, {}, async (scope) => {
      setImmediate(() => scope.cancel());
      await sleep(hour, scope.signal);
    }),
  "grace not needed": () =>
    withNursery(
      root,
      async (nursery) => {
        nursery.startSoon((task) => sleepForever(task.signal));
        nursery.scope.cancel();
      },
      { graceMs: hour },
    ),
  "deadline moved away": () =>
    withScope(root, { deadline: systemClock.now() + hour }, async (scope) => {
      scope.deadline = Infinity;
    }),
  "deadline of a block that was cancelled from outside": () =>
    withNursery(
      root,
      async (nursery) => {
        nursery.startSoon((task) => moveOnAfter(task.scope, hour, () => new Promise(() => {})));
        setImmediate(() => nursery.scope.cancel());
      },
      { graceMs: 1 },
    ).catch(() => {}),
  // The program waits for something: the process must not end before it.
  "pending sleep": () => sleep(30, root.signal),
  "pending deadline": () => moveOnAfter(root, 30, (scope) => sleepForever(scope.signal)),
  "pending sleep after one that was cancelled": async () => {
    await cases["sleep cancelled"]?.();
    await sleep(30, root.signal);
  },
  "pending grace": () =>
    withNursery(
      root,
      async (nursery) => {
        nursery.startSoon(() => new Promise(() => {}));
        nursery.scope.cancel();
      },
      { graceMs: 30 },
    ).catch(() => {}),
};

const run = cases[process.argv[2] ?? ""];
if (run === undefined) throw new Error(`There is no case "${process.argv[2]}"`);
await run();
process.stdout.write("end of program");
