/**
 * The lag of the group beside a program that never deletes what it has acknowledged, as RagFlow's executors do: it is a
 * number after every step of any history, and the right one.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Broker, Delivery, Outcome } from "../../src/broker/broker.ts";
import { readGroup, readStreams } from "../../src/broker/redis/connection/replies.ts";
import { GROUP, LEFT_ENTRIES_KEY, streamKey, VOID_ENTRIES_KEY } from "../../src/broker/redis/keys.ts";
import { claimAll, dead, done, idOf, QUEUE, retry, task, tasks } from "../stage/outcomes.ts";
import { countOf, NOTHING, type SentenceStage } from "../stage/sentences.ts";
import { eventually } from "../stage/until.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const STREAM = streamKey(QUEUE, 0);
const STREAMS = [STREAM, streamKey(QUEUE, 1)];
/** How many histories are tried; each has so many steps at the most. */
const HISTORIES = 60;
const STEPS = 30;

/** Reads as RagFlow's executor does. */
async function foreignRead(count: number): Promise<{ readonly entry: string; readonly id: string }[]> {
  const reply = await redis().xreadgroup("GROUP", GROUP, "foreign", "COUNT", count, "STREAMS", STREAM, ">");
  return readStreams(reply).flatMap(([, entries]) =>
    entries.map(([entry, fields]) => ({ entry, id: String(JSON.parse((fields as string[])[1] ?? "{}").id) })),
  );
}

async function foreignAcks(count: number): Promise<void> {
  const read = await foreignRead(count);
  if (read.length > 0) await redis().xack(STREAM, GROUP, ...read.map(({ entry }) => entry));
}

/** What a look at the group sees, and what really stands behind its last delivered entry. */
async function lagOf(stream: string): Promise<{ readonly lag: number | null; readonly behind: number } | null> {
  const groups = await redis().xinfo("GROUPS", stream);
  const group = readGroup(groups, GROUP);
  if (group === null || !Array.isArray(groups)) return null;
  const last = String((groups[0] as unknown[])[7]);
  return { lag: group.lag, behind: (await redis().xrange(stream, `(${last}`, "+")).length };
}

async function lagIsRight(after: string): Promise<void> {
  for (const stream of STREAMS) {
    const seen = await lagOf(stream);
    if (seen !== null) assert.equal(seen.lag, seen.behind, `the lag of ${stream} after ${after}`);
  }
}

type Who = "a" | "b";

/** One step of a history: who does what, with how many, and which of what it holds. */
interface Step {
  readonly kind:
    | "enqueue"
    | "claim"
    | "done"
    | "dead"
    | "retry"
    | "release"
    | "foreign acks"
    | "foreign reads"
    | "foreign ends"
    | "cancel"
    | "retry by hand"
    | "purge"
    | "promote"
    | "settle"
    | "clean";
  readonly who: Who;
  readonly count: number;
  readonly from: number;
  readonly recorded: boolean;
}

const STEP: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step["kind"][]>(
    ...(["enqueue", "enqueue", "claim", "claim", "claim", "done", "done", "done", "dead", "retry"] as const),
    ...(["release", "foreign acks", "foreign acks", "foreign reads", "foreign ends", "cancel", "cancel"] as const),
    ...(["retry by hand", "purge", "promote", "settle", "clean"] as const),
  ),
  who: fc.constantFrom<Who[]>("a", "b"),
  count: fc.integer({ min: 1, max: 4 }),
  from: fc.nat({ max: 8 }),
  recorded: fc.boolean(),
});

/** Plays histories over one Redis: what each executor holds, and which tasks there are. */
class History {
  readonly #brokers: Readonly<Record<Who, Broker>>;
  readonly #signal: AbortSignal;
  readonly #held: Record<Who, Delivery[]> = { a: [], b: [] };
  readonly #ids: string[] = [];
  readonly #foreign: string[] = [];
  readonly #recorded = new Set<string>();
  #next = 0;

  constructor(a: Broker, b: Broker, signal: AbortSignal) {
    this.#brokers = { a, b };
    this.#signal = signal;
  }

  async play(step: Step): Promise<void> {
    const broker = this.#brokers[step.who];
    const held = this.#held[step.who];
    const some = (): Delivery[] => (held.length === 0 ? [] : held.splice(step.from % held.length, step.count));
    switch (step.kind) {
      case "enqueue":
        await broker.enqueue(Array.from({ length: step.count }, () => this.#newTask(step.recorded)));
        return;
      case "claim":
        held.push(...(await this.#claim(broker, step.count)));
        return;
      case "done":
        await this.#end(broker, some(), (delivery, isRecorded) =>
          done(delivery, isRecorded ? {} : { retentionMs: 0, recorded: false }),
        );
        return;
      case "dead":
        await this.#end(broker, some(), (delivery) => dead(delivery));
        return;
      case "retry":
        await this.#end(broker, some(), (delivery) => retry(delivery));
        return;
      case "release":
        await broker.release(some());
        return;
      case "foreign acks":
        await foreignAcks(step.count);
        return;
      case "foreign reads":
        this.#foreign.push(...(await foreignRead(step.count)).map(({ entry }) => entry));
        return;
      case "foreign ends": {
        const ended = this.#foreign.splice(0, step.count);
        if (ended.length > 0) await redis().xack(STREAM, GROUP, ...ended);
        return;
      }
      case "cancel":
        await broker.cancel(this.#some(step));
        return;
      case "retry by hand":
        await broker.retry(this.#some(step));
        return;
      case "purge":
        await broker.purge({ state: "cancelled", queue: QUEUE }, step.count);
        return;
      case "promote":
        await broker.promote(10);
        return;
      case "settle":
        await broker.removeEnded();
        return;
      case "clean":
        await broker.clean();
    }
  }

  #newTask(recorded: boolean): ReturnType<typeof task> {
    const id = `t${this.#next++}`;
    this.#ids.push(id);
    if (recorded) this.#recorded.add(id);
    return task(id, { retentionMs: recorded ? 60_000 : 0 });
  }

  /** Those latest enqueued wait most likely. */
  #some({ from, count }: Step): string[] {
    return this.#ids.slice(-1 - from - count, this.#ids.length - from);
  }

  async #claim(broker: Broker, count: number): Promise<Delivery[]> {
    if ((await lagOf(STREAM))?.behind === 0) return [];
    return broker.claim(count, this.#signal);
  }

  async #end(
    broker: Broker,
    deliveries: readonly Delivery[],
    outcome: (delivery: Delivery, isRecorded: boolean) => Outcome,
  ): Promise<void> {
    if (deliveries.length === 0) return;
    await broker.complete(deliveries.map((delivery) => outcome(delivery, this.#recorded.has(idOf(delivery)))));
  }
}

sentence("after any step of two executors beside acknowledged entries the lag is a number", async (stage) => {
  const [a, b] = [await stage.open("a"), await stage.open("b")];
  const histories = fc.array(STEP, { minLength: 5, maxLength: STEPS });
  await fc.assert(
    fc.asyncProperty(histories, async (steps) => {
      await redis().flushdb();
      for (const stream of STREAMS)
        await redis()
          .xgroup("CREATE", stream, GROUP, "0", "MKSTREAM")
          .catch(() => null);
      await a.enqueue(tasks(3, "old"));
      await foreignAcks(2);
      const history = new History(a, b, stage.signal);
      for (const [index, step] of steps.entries()) {
        await history.play(step);
        await lagIsRight(`step ${index + 1}, ${JSON.stringify(step)}`);
      }
    }),
    { numRuns: HISTORIES },
  );
});

/** An executor beside old acknowledged entries; the group has delivered them. */
async function beside(stage: SentenceStage, acked = 3): Promise<Broker> {
  const a = await stage.open("a");
  await a.enqueue(tasks(acked, "old"));
  await foreignAcks(acked);
  return a;
}

const hot = (delivery: Delivery): Outcome => done(delivery, { retentionMs: 0, recorded: false });

for (const [what, retentionMs, end] of [
  ["a task that keeps no record", 0, hot],
  ["one that keeps its record", 60_000, (delivery: Delivery) => done(delivery)],
  ["one that dies", 60_000, (delivery: Delivery) => dead(delivery)],
] as const) {
  sentence(`the last delivered entry is left while the next one waits: ${what}`, async (stage) => {
    const a = await beside(stage);
    await a.enqueue([task("t0", { retentionMs }), task("t1", { retentionMs }), task("t2", { retentionMs })]);
    const [first] = await claimAll(a, 1, stage.signal);
    assert.ok(first);
    await a.complete([end(first)]);
    assert.deepEqual(await lagOf(STREAM), { lag: 2, behind: 2 });
    assert.equal(await redis().xlen(STREAM), 6, "it stands there still");
    const [second] = await claimAll(a, 1, stage.signal);
    assert.ok(second);
    await a.complete([end(second)]);
    assert.deepEqual(await lagOf(STREAM), { lag: 1, behind: 1 });
    assert.equal(await redis().xlen(STREAM), 5, "one is left, and no more");
  });
}

sentence("what was left goes once a later entry was delivered, though its executor is gone", async (stage) => {
  const a = await beside(stage);
  await a.enqueue(tasks(2));
  const [first] = await claimAll(a, 1, stage.signal);
  assert.ok(first);
  await a.complete([done(first)]);
  assert.equal(await redis().hget(LEFT_ENTRIES_KEY, STREAM), first.handle.split("|")[1]);
  const b = await stage.open("b");
  await claimAll(b, 1, stage.signal);
  await b.clean();
  assert.equal(await redis().exists(LEFT_ENTRIES_KEY), 0);
  assert.equal(await redis().xlen(STREAM), 4, "three old ones, and the one that runs");
});

sentence("without older entries nothing is left", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue(tasks(3));
  for (let left = 2; left >= 0; left--) {
    const [one] = await claimAll(a, 1, stage.signal);
    assert.ok(one);
    await a.complete([done(one)]);
    assert.equal(await redis().xlen(STREAM), left);
  }
  assert.equal(await redis().exists(LEFT_ENTRIES_KEY), 0);
});

sentence("what was left does not run again where its group was destroyed", async (stage) => {
  const a = await beside(stage, 1);
  await a.enqueue(tasks(2));
  const [first] = await claimAll(a, 1, stage.signal);
  assert.ok(first);
  await a.complete([done(first)]);
  await redis().xgroup("DESTROY", STREAM, GROUP);
  const found: string[] = [];
  await eventually(30_000, async () => {
    found.push(...(await a.claim(5, stage.signal)).map(idOf));
    return found.length >= 2;
  });
  assert.deepEqual(found.sort(), ["old0", "t1"], "t0 has ended");
});

sentence("a task that was cancelled as it waited, and purged, is gone, though its entry waits", async (stage) => {
  const a = await beside(stage);
  await a.enqueue(tasks(3));
  await a.cancel(["t1"]);
  assert.equal(await a.purge({ state: "cancelled", queue: QUEUE }, 10), 1);
  assert.deepEqual(await lagOf(STREAM), { lag: 3, behind: 3 });
  assert.deepEqual(await countOf(a), { ...NOTHING, queued: 2 });
  const { tasks: listed } = await a.list({ limit: 10, queue: QUEUE, state: "queued" });
  assert.deepEqual(
    listed.map(({ id }) => id),
    ["t0", "t2"],
  );
  // A new task of that id is another task.
  await a.enqueue([task("t1")]);
  assert.deepEqual((await claimAll(a, 3, stage.signal)).map(idOf), ["t0", "t2", "t1"]);
  assert.equal(await redis().exists(VOID_ENTRIES_KEY), 0);
});

sentence("a void entry that goes back and comes again is void still", async (stage) => {
  const a = await beside(stage);
  await a.enqueue(tasks(2));
  await a.cancel(["t0"]);
  await a.purge({ state: "cancelled", queue: QUEUE }, 10);
  const [only] = await claimAll(a, 1, stage.signal);
  assert.ok(only);
  assert.equal(idOf(only), "t1");
  await a.release([only]);
  assert.deepEqual((await claimAll(a, 1, stage.signal)).map(idOf), ["t1"]);
});

sentence("the backlog is what stands behind, also where Redis cannot tell the lag", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue(tasks(1_000, "old"));
  await foreignAcks(1_000);
  await a.enqueue(tasks(25));
  await foreignAcks(1);
  const [last] = (await redis().xrevrange(STREAM, "+", "-", "COUNT", 1)) ?? [];
  // Somebody deletes one that waits.
  await redis().xdel(STREAM, last?.[0] ?? "");
  assert.equal((await lagOf(STREAM))?.lag, null);
  assert.equal((await countOf(a)).queued, 23);
  assert.equal((await a.backlog()).lag, 23);
});
