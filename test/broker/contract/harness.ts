/**
 * What every sentence of the contract suite stands on: brokers over the same fresh data, tasks, outcomes, and waiting
 * for something to become true with a bound.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  Broker,
  BrokerOptions,
  Delivery,
  EnqueueRequest,
  Outcome,
  QueueCounts,
} from "../../../src/broker/broker.ts";
import { openRoot, sleep } from "../../../src/concurrency/index.ts";

/** Fresh data for one test. */
export interface Harness {
  /** Makes another broker, not opened yet, over the same data. */
  make(options: BrokerOptions): Broker;
  /** Removes the data. The brokers are closed by then. */
  end(): Promise<void>;
}

export type MakeHarness = () => Promise<Harness>;

/** What a sentence gets. */
export interface Stage {
  /** Opens another executor (or a client: null) over the same data; it is closed at the end. */
  open(executor: string | null, options?: Partial<BrokerOptions>): Promise<Broker>;
  /** Never aborts. */
  readonly signal: AbortSignal;
  /**
   * Checks what holds only within `ms` of `since` (as of performance.now()). Where it does not hold any more and so
   * long has passed, the machine stood still: the whole sentence is then tried anew over fresh data.
   */
  within(ms: number, since: number, check: () => void): void;
}

/** How often a sentence is tried where the machine stands still each time; or where it is not the machine. */
const MOST_TRIES = 5;

class StoodStill extends Error {
  override readonly name = "StoodStill";
}

export type Sentence = (name: string, body: (stage: Stage) => Promise<void>) => void;

export const QUEUE = "te";
export const LEASE_MS = 600;
/**
 * An owner that lost its lease is replaced within this time, in ms: some brokers look twice, and the machine is busy.
 */
export const RECLAIM_MS = LEASE_MS + 20_000;
/** A claim that finds nothing waits at least so long, in ms. */
export const CLAIM_WAITS_MS = 500;
/** How far the clock of a broker may be from that of its store, which it can only estimate, in ms. */
export const CLOCK_MS = 200;
/** A test that takes longer hangs, in ms: a disk may need a third of a second for every commit. */
export const HANGS_MS = 240_000;

/** The counts of a queue in which there is nothing. */
export const NOTHING = { queued: 0, running: 0, scheduled: 0, dead: 0, done: 0, cancelled: 0 };

/** Registers a test that has its own data and leaves nothing behind. */
export function sentences(name: string, makeHarness: MakeHarness): Sentence {
  return (what, body) => {
    test(`${name}: ${what}`, { timeout: HANGS_MS }, async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await perform(makeHarness, body);
        } catch (error) {
          if (!(error instanceof StoodStill)) throw error;
          if (tries === MOST_TRIES) throw error.cause;
        }
      }
    });
  };
}

async function perform(makeHarness: MakeHarness, body: (stage: Stage) => Promise<void>): Promise<void> {
  const harness = await makeHarness();
  const opened: Broker[] = [];
  const { signal } = openRoot();
  const open: Stage["open"] = async (executor, options = {}) => {
    const broker = harness.make({ executor, queues: [QUEUE], leaseMs: 30_000, ...options });
    opened.push(broker);
    await broker.open(signal);
    return broker;
  };
  try {
    await body({ open, signal, within });
  } finally {
    for (const broker of opened) await broker.close();
    await harness.end();
  }
}

function within(ms: number, since: number, check: () => void): void {
  const tookMs = performance.now() - since;
  try {
    check();
  } catch (error) {
    if (tookMs < ms) throw error;
    throw new StoodStill(`it took ${tookMs} ms, not ${ms} at the most`, { cause: error });
  }
}

/** Checks a time that a broker told against its clock from before and after the call that set it. */
export function assertBetween(at: number | null | undefined, before: number, after: number): void {
  const told = `${at} is not between ${before} and ${after}`;
  assert.ok(typeof at === "number" && at >= before - CLOCK_MS && at <= after + CLOCK_MS, told);
}

/** A task to enqueue, with whatever differs. */
export function task(id: string, other: Partial<EnqueueRequest> = {}): EnqueueRequest {
  const { type = "noop" } = other;
  const message = JSON.stringify({ id, task_type: type, payload: { of: id } });
  return { id, type, queue: QUEUE, priority: 0, retentionMs: 60_000, message, ...other };
}

export function tasks(count: number, prefix = "t"): EnqueueRequest[] {
  return Array.from({ length: count }, (_, index) => task(`${prefix}${index}`));
}

/** The id in the message of a delivery. */
export function idOf(delivery: Delivery): string {
  const message: unknown = JSON.parse(delivery.raw ?? "null");
  assert.ok(typeof message === "object" && message !== null && "id" in message, `no message: ${delivery.raw}`);
  return String(message.id);
}

/** The type in the message of a delivery; "noop" where it names none. */
export function typeOf(delivery: Delivery): string {
  const message: unknown = JSON.parse(delivery.raw ?? "null");
  const named = typeof message === "object" && message !== null && "task_type" in message;
  return named ? String(message.task_type) : "noop";
}

function base(delivery: Delivery) {
  const id = idOf(delivery);
  return {
    delivery,
    id,
    type: typeOf(delivery),
    attempt: 1,
    crashes: delivery.deliveries - 1,
    startedAt: Date.now(),
    retentionMs: 60_000,
    recorded: true,
    uniqueKey: null,
    told: null,
  };
}

type Of<Kind> = Partial<Extract<Outcome, { kind: Kind }>>;

export function done(delivery: Delivery, other: Of<"done"> = {}): Outcome {
  return { ...base(delivery), result: null, ...other, kind: "done" };
}

export function retry(delivery: Delivery, other: Of<"retry"> = {}): Outcome {
  const error = { name: "Error", message: "not yet" };
  const message = JSON.stringify({ ...JSON.parse(delivery.raw ?? "null"), taskexe: { attempt: 2 } });
  return { ...base(delivery), error, delayMs: 0, message, ...other, kind: "retry" };
}

export function dead(delivery: Delivery, other: Of<"dead"> = {}): Outcome {
  return { ...base(delivery), reason: "out of attempts", error: null, ...other, kind: "dead" };
}

export function cancelledBy(delivery: Delivery, other: Of<"cancelled"> = {}): Outcome {
  return { ...base(delivery), reason: "cancelled by a client", ...other, kind: "cancelled" };
}

/** As an executor ends a task whose type is paused: it has not run. */
export function parked(delivery: Delivery, other: Of<"parked"> = {}): Outcome {
  return { ...base(delivery), type: typeOf(delivery), startedAt: null, ...other, kind: "parked" };
}

/** Claims until there are `count` of them; each claim may give fewer than asked for. */
export async function claimAll(broker: Broker, count: number, signal: AbortSignal): Promise<Delivery[]> {
  const all: Delivery[] = [];
  await eventually(30_000, async () => {
    const some = await broker.claim(count - all.length, signal);
    assert.ok(some.length <= count - all.length, `asked for ${count - all.length}, got ${some.length}`);
    all.push(...some);
    return all.length === count;
  });
  return all;
}

/** Claims exactly one. */
export async function claimOne(broker: Broker, signal: AbortSignal): Promise<Delivery> {
  const [one] = await claimAll(broker, 1, signal);
  assert.ok(one);
  return one;
}

/** The counts of what waits, runs or died, by queue; a broker may count more than these. */
export async function countsOf(broker: Broker): Promise<Omit<QueueCounts, "done" | "cancelled">[]> {
  const counts = await broker.counts();
  return counts.map(({ name, queued, running, scheduled, dead }) => ({ name, queued, running, scheduled, dead }));
}

/** All counts of one queue. */
export async function countOf(broker: Broker, queue = QUEUE): Promise<Omit<QueueCounts, "name">> {
  const { name: _, ...counts } = (await broker.counts()).find(({ name }) => name === queue) ?? {
    name: queue,
    ...NOTHING,
  };
  return counts;
}

/** Asks again and again, until the answer is true; fails after `ms`. */
export async function eventually(ms: number, ask: () => Promise<boolean> | boolean): Promise<void> {
  const { signal } = openRoot();
  const until = performance.now() + ms;
  while (!(await ask())) {
    assert.ok(performance.now() < until, `it did not become true within ${ms} ms`);
    await sleep(20, signal);
  }
}

/** Reclaims until there are `count` of them. */
export async function reclaimAll(broker: Broker, count: number): Promise<Delivery[]> {
  const all: Delivery[] = [];
  await eventually(RECLAIM_MS, async () => {
    all.push(...(await broker.reclaim(count - all.length)));
    return all.length === count;
  });
  return all;
}

/** Promotes what was given a delay at `since` (as of performance.now()): once it is due, and not before. */
export async function promoteOnceDue(broker: Broker, since: number, delayMs: number): Promise<void> {
  await eventually(15_000, async () => {
    const { promoted } = await broker.promote(10);
    const afterMs = performance.now() - since;
    assert.ok(
      promoted === 0 || afterMs >= delayMs - CLOCK_MS,
      `queued after ${afterMs} ms, its delay is ${delayMs} ms`,
    );
    return promoted === 1;
  });
}
