// Runs one workload, named by its argument, and prints as JSON what it left behind: bytes of heap, listeners on the
// root's signal and on a signal of somebody else, timers. leaks.test.ts starts it with the garbage collector exposed.

import {
  abortable,
  CapacityLimiter,
  Latch,
  moveOnAfter,
  openChannel,
  openRoot,
  sleep,
  sleepForever,
  snapshotTree,
  withNursery,
  withScope,
} from "../../../src/concurrency/index.ts";
import { countListeners } from "../support.ts";

const foreign = new AbortController();
const foreignListeners = countListeners(foreign.signal);
const root = openRoot({ signal: foreign.signal });
const rootListeners = countListeners(root.signal);
const never = new Promise<never>(() => {});
const latch = new Latch();
const limiter = new CapacityLimiter(0);
const [sender, receiver] = openChannel<number>(0);

const workloads: Record<string, { readonly times: number; run(): Promise<unknown> }> = {
  nurseries: {
    times: 1_000_000,
    run: () => withNursery(root, async (nursery) => nursery.startSoon(async () => {})),
  },
  failures: {
    times: 20_000,
    run: () =>
      withNursery(root, async (nursery) => {
        nursery.startSoon((task) => sleepForever(task.signal));
        nursery.startSoon(() => {
          throw new Error("one of many");
        });
      }).catch(() => {}),
  },
  cancels: {
    times: 100_000,
    run: () =>
      withScope(root, {}, async (scope) => {
        const wait = sleepForever(scope.signal);
        scope.cancel();
        await wait;
      }),
  },
  deadlines: {
    times: 100_000,
    run: () => moveOnAfter(root, 3_600_000, async () => {}),
  },
  movedDeadlines: {
    times: 10,
    run: () =>
      withScope(root, {}, async (scope) => {
        for (let i = 0; i < 10_000; i++) scope.deadline = performance.now() + 60_000 + i;
      }),
  },
  // Each waits beside a cancel, on something that lives for ever, and on the signal of the root.
  waits: {
    times: 20_000,
    run: () =>
      withScope(root, {}, (scope) =>
        withNursery(scope, async (nursery) => {
          const { signal } = nursery.scope;
          nursery.startSoon(() => abortable(never, signal));
          nursery.startSoon(() => latch.wait(signal));
          nursery.startSoon(() => limiter.acquire(signal));
          nursery.startSoon(() => receiver.receive(signal));
          nursery.startSoon(() => sleep(3_600_000, signal));
          nursery.startSoon(() => abortable(Promise.resolve(), root.signal));
          await abortable(Promise.resolve(), root.signal);
          setImmediate(() => scope.cancel());
          await sleepForever(signal);
        }),
      ),
  },
  // Each a tree of its own, hung on a signal that outlives it.
  roots: {
    times: 50_000,
    run: async () => openRoot({ signal: foreign.signal }).cancel(),
  },
  // The wait ends, the root's signal stays.
  rootWaits: {
    times: 50_000,
    run: async () => {
      const receive = receiver.receive(root.signal);
      await sender.send(1, root.signal);
      await receive;
      await abortable(Promise.resolve(), root.signal);
    },
  },
};

const name = process.argv[2] ?? "";
const workload = workloads[name];
if (workload === undefined) throw new Error(`There is no workload "${name}"`);

await repeat(Math.ceil(workload.times / 10));
const before = await heapUsed();
await repeat(workload.times);
const grownBytes = (await heapUsed()) - before;
process.stdout.write(
  JSON.stringify({
    grownBytes,
    rootListeners: rootListeners(),
    foreignListeners: foreignListeners(),
    tree: snapshotTree(root).children.length,
    waiting: limiter.statistics().waiting + receiver.statistics().waitingReceivers,
  }),
);

async function repeat(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await workload?.run();
}

/** The heap in use after a full collection. @throws Error where the collector is not exposed. */
async function heapUsed(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await new Promise<void>((resolve) => setTimeout(resolve, 10));
    collect();
  }
  return process.memoryUsage().heapUsed;
}

function collect(): void {
  const bun: unknown = Reflect.get(globalThis, "Bun");
  const gc: unknown = Reflect.get(globalThis, "gc");
  // An argument means a full, synchronous collection to Bun, and a minor one to V8.
  if (typeof bun === "object" && bun !== null && "gc" in bun && typeof bun.gc === "function") bun.gc(true);
  else if (typeof gc === "function") gc();
  else throw new Error("Start this with the garbage collector exposed");
}
