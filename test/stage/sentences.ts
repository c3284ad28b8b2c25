/**
 * Sentences about brokers, each a test over fresh data of its own: brokers over the same data, and waiting for
 * something to become true with a bound.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Broker, BrokerOptions, Delivery, QueueCounts } from "../../src/broker/broker.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { QUEUE } from "./outcomes.ts";
import { eventually } from "./until.ts";

/** Fresh data for one test. */
export interface Harness {
  /** Makes another broker, not opened yet, over the same data. */
  make(options: BrokerOptions): Broker;
  /** Removes the data. The brokers are closed by then. */
  end(): Promise<void>;
}

export type MakeHarness = () => Promise<Harness>;

/** What a sentence gets. */
export interface SentenceStage {
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

export type Sentence = (name: string, body: (stage: SentenceStage) => Promise<void>) => void;

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

async function perform(makeHarness: MakeHarness, body: (stage: SentenceStage) => Promise<void>): Promise<void> {
  const harness = await makeHarness();
  const opened: Broker[] = [];
  const { signal } = openRoot();
  const open: SentenceStage["open"] = async (executor, options = {}) => {
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
