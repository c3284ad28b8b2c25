/**
 * What the rules of the alerts look at: what is so now, and how much was counted within a time. It is made of what the
 * executor knows anyway; nothing is asked for it but the look at the broker that all share.
 */
import { OUTCOME, type PairCounts } from "../../metrics/task-series.ts";
import { LIVES_MS } from "../../operations/watch/waiting.ts";
import type { BrokerLook } from "../status/broker-look.ts";
import type { ExecutorStatus } from "../status/status.ts";

export interface QueueSample {
  readonly name: string;
  readonly queued: number;
  /** How many living executors serve it; null: some do not tell. */
  readonly executors: number | null;
  readonly isPaused: boolean;
  /** How long its first task waits in line; 0: none does. */
  readonly oldestSeconds: number;
}

/** What is counted since the start, and the memory. */
export interface Counted {
  readonly crashes: number;
  readonly killed: number;
  readonly missed: number;
  readonly rssBytes: number;
}

export interface AlertSample extends Counted {
  readonly executor: string;
  /** On the clock that only goes forward, in ms. */
  readonly at: number;
  readonly isBrokerUp: boolean;
  readonly queues: readonly QueueSample[];
  /** Executors that have missed two beats. */
  readonly silent: readonly { readonly name: string; readonly seconds: number }[];
  readonly slots: number;
  readonly slotsBusy: number;
  readonly abandoned: number;
  readonly lagSeconds: number;
  readonly isEvicting: boolean;
  readonly pairs: readonly PairCounts[];
}

/** Where a sample is taken from. */
export interface SampleSource {
  status(): ExecutorStatus;
  readonly metrics: {
    readonly look: Pick<BrokerLook, "seen">;
    readonly lag: { readonly worstMs: number };
    readonly counts: { readonly tasks: { pairs(): Iterable<PairCounts> }; readonly missedRuns: number };
  };
}

/** How old what was read of the broker may be, in ms: what it told before it went away is not told as if of now. */
const FRESH_MS = 90_000;

/** @param at - on the clock that only goes forward, in ms. @param now - Unix ms on the broker's clock. */
export function takeSample(source: SampleSource, at: number, now: number): AlertSample {
  const status = source.status();
  const { look, lag, counts } = source.metrics;
  const { seen } = look;
  const isFresh = seen.countedAt !== null && now - seen.countedAt < FRESH_MS;
  const others = seen.fleet.filter(({ name, at: beat }) => name !== status.name && beat !== null);
  const living = others.filter(({ at: beat }) => now - (beat ?? 0) < LIVES_MS);
  const sum = (key: "concurrency" | "slots_taken", own: number): number =>
    living.reduce((all, { beat }) => all + (beat?.[key] ?? 0), own);
  const restarts = status.runners?.restarts ?? {};
  return {
    ...{ executor: status.name, at, isBrokerUp: status.broker.state === "connected" },
    queues: isFresh ? queuesOf(seen, now) : [],
    silent: isFresh
      ? others
          .filter((member) => !living.includes(member))
          .map(({ name, at: beat }) => ({ name, seconds: (now - (beat ?? 0)) / 1_000 }))
      : [],
    slots: sum("concurrency", status.concurrency),
    slotsBusy: sum("slots_taken", status.slots_taken),
    abandoned: status.abandoned,
    lagSeconds: lag.worstMs / 1_000,
    isEvicting: isFresh && seen.figures.gauges.some(({ name, value }) => name === "broker_evicting" && value === 1),
    pairs: [...counts.tasks.pairs()],
    crashes: (restarts.crash ?? 0) + (restarts.killed ?? 0),
    killed: status.stops.killed,
    missed: counts.missedRuns,
    rssBytes: status.memory.rss_bytes,
  };
}

function queuesOf({ queues, figures }: BrokerLook["seen"], now: number): QueueSample[] {
  return queues.map(({ name, queued, executors, paused }, index) => {
    const oldest = figures.oldest[index] ?? null;
    const oldestSeconds = oldest === null ? 0 : Math.max(0, now - oldest) / 1_000;
    return { name, queued, executors, isPaused: paused, oldestSeconds };
  });
}

/** How long samples are kept, in ms, and how many. */
const KEPT_MS = 65 * 60_000;
const MOST_SAMPLES = 260;

/** What was counted within a time, up to the last sample. */
export class AlertWindow {
  readonly #samples: AlertSample[] = [];

  add(sample: AlertSample): void {
    const last = this.#samples.at(-2);
    // One that follows soon takes the place of the last, so that few are kept however often they are taken.
    if (last !== undefined && sample.at - last.at < KEPT_MS / MOST_SAMPLES) this.#samples.pop();
    this.#samples.push(sample);
    while ((this.#samples[0]?.at ?? sample.at) < sample.at - KEPT_MS) this.#samples.shift();
  }

  /** Whether there are samples of so long ago. */
  isWhole(ms: number): boolean {
    const [first] = this.#samples;
    return first !== undefined && (this.#samples.at(-1)?.at ?? 0) - first.at >= ms;
  }

  /** What was added to a count within so many ms. */
  increase(key: keyof Counted, ms: number): number {
    const now = this.#samples.at(-1);
    const then = this.#before(ms);
    return now === undefined ? 0 : now[key] - (then?.[key] ?? 0);
  }

  /** The attempts of each type that ended within so many ms, and how many of them failed. */
  types(ms: number): { readonly type: string; readonly attempts: number; readonly failures: number }[] {
    const types = new Map<string, { attempts: number; failures: number }>();
    for (const { type, done, retried, dead } of this.pairs(ms)) {
      const sum = types.get(type) ?? { attempts: 0, failures: 0 };
      types.set(type, { attempts: sum.attempts + done + retried + dead, failures: sum.failures + retried + dead });
    }
    return [...types].map(([type, sum]) => ({ type, ...sum }));
  }

  /** How many attempts of each type in each queue ended so within so many ms. */
  pairs(ms: number) {
    const before = new Map((this.#before(ms)?.pairs ?? []).map((pair) => [keyOf(pair), pair.outcomes]));
    return (this.#samples.at(-1)?.pairs ?? []).map((pair) => {
      const then = before.get(keyOf(pair)) ?? [];
      const added = (outcome: keyof typeof OUTCOME): number =>
        (pair.outcomes[OUTCOME[outcome]] ?? 0) - (then[OUTCOME[outcome]] ?? 0);
      const { queue, type } = pair;
      return { queue, type, done: added("done"), retried: added("retry"), dead: added("dead"), lost: added("lost") };
    });
  }

  /** The last sample that is so old; undefined: the executor is younger, and all was counted since then. */
  #before(ms: number): AlertSample | undefined {
    const from = (this.#samples.at(-1)?.at ?? 0) - ms;
    return this.#samples.findLast(({ at }) => at <= from);
  }
}

function keyOf({ queue, type }: PairCounts): string {
  return JSON.stringify([queue, type]);
}
