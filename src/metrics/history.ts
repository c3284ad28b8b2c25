/**
 * What has happened in the fleet, as far as this process has seen it: rings by queue and type, of bounded number and
 * size, in memory alone. It is fed with how much the counts of each executor have grown (work-json.ts), and with what
 * waits in each queue. What has no place of its own is in the sums alone.
 */
import { percentilesInMs, summed } from "./percentiles.ts";
import { CARRIED_MS, type HistoryRange, RINGS, Rings, slotTimes } from "./rings.ts";
import { OUTCOME, RAN_BOUNDS, WAITED_BOUNDS } from "./task-series.ts";
import type { WorkJson } from "./work-json.ts";

/** So many have rings at the most: 825 slots of 6, 23 and 13 numbers of 4 bytes each, 6 MB if all are taken. */
const MOST_PAIRS = 100;
const MOST_TYPES = 40;
const MOST_QUEUES = 24;
const MOST_MARKS = 200;
/** How many types that failed most are told. */
const MOST_FAILING = 10;

const OUTCOMES = Object.keys(OUTCOME).length;
const RAN = RAN_BOUNDS.length + 1;
const WAITED = WAITED_BOUNDS.length + 1;

/** Something that explains a change: an executor began, with this version or load of its handlers, or drains. */
export interface Mark {
  /** Unix ms. */
  readonly at: number;
  readonly kind: "deploy" | "drain";
  readonly executor: string;
  /** What began: `version 1.2.0`, `handlers 3`; null of a drain. */
  readonly what: string | null;
}

/** What waits in a queue at one moment. */
export interface Waiting {
  readonly queue: string;
  readonly waiting: number;
  /** Since when the oldest does, in seconds; 0: none does. */
  readonly oldestSeconds: number;
}

interface Asked {
  readonly queue?: string | undefined;
  readonly type?: string | undefined;
  readonly range: HistoryRange;
}

type Lists = Readonly<Record<"p50" | "p95" | "p99", readonly (number | null)[]>>;

export class History {
  /** Since when it is fed, Unix ms. */
  readonly since: number;
  /** Outcomes, runs and waits of all together. */
  readonly #all = new Rings(OUTCOMES + RAN + WAITED);
  readonly #pairs = new Map<string, { readonly queue: string; readonly type: string; readonly rings: Rings }>();
  /** Runs and waits. */
  readonly #types = new Map<string, Rings>();
  /** Waits; and what waits now, the oldest of it. */
  readonly #waits = new Map<string, Rings>();
  readonly #lines = new Map<string, Rings>();
  readonly #marks: Mark[] = [];

  constructor(since: number) {
    this.since = since;
  }

  /** What one executor has counted since it was looked at last; null: it has begun since. */
  grown(work: WorkJson, before: WorkJson | null, at: number): void {
    const earlier = new Map(before?.pairs.map(([queue, type, counts]) => [keyOf(queue, type), counts]));
    let outcomes: number[] = [];
    for (const [queue, type, counts] of work.pairs) {
      const more = growth(counts, earlier.get(keyOf(queue, type)));
      if (more === null) continue;
      outcomes = summed(outcomes, more);
      this.#ofPair(queue, type)?.add(at, more);
    }
    let [ran, waited]: [number[], number[]] = [[], []];
    for (const [type, counts] of Object.entries(work.types)) {
      const old = before?.types[type];
      const [runs, waits] = [growth(counts.ran, old?.ran) ?? [], growth(counts.waited, old?.waited) ?? []];
      if (runs.length + waits.length === 0) continue;
      [ran, waited] = [summed(ran, runs), summed(waited, waits)];
      place(this.#types, type, MOST_TYPES, RAN + WAITED)?.add(at, [...padded(runs, RAN), ...padded(waits, WAITED)]);
    }
    for (const [queue, counts] of Object.entries(work.queues)) {
      const more = growth(counts, before?.queues[queue]);
      if (more !== null) place(this.#waits, queue, MOST_QUEUES, WAITED)?.add(at, more);
    }
    if (outcomes.length + ran.length + waited.length === 0) return;
    this.#all.add(at, [...padded(outcomes, OUTCOMES), ...padded(ran, RAN), ...padded(waited, WAITED)]);
  }

  /** What waits now. */
  waiting(queues: readonly Waiting[], at: number): void {
    for (const { queue, waiting, oldestSeconds } of queues) {
      place(this.#lines, queue, MOST_QUEUES, 2)?.set(at, [waiting, oldestSeconds]);
    }
  }

  mark(mark: Mark): void {
    this.#marks.push(mark);
    if (this.#marks.length > MOST_MARKS) this.#marks.shift();
  }

  /** What is asked for, slot by slot. @param now - Unix ms. */
  read({ queue, type, range }: Asked, now: number) {
    const times = slotTimes(range, now);
    const [from = now, second = from] = times;
    const all = this.#all.read(range, now);
    const pairs = [...this.#pairs.values()].map((pair) => ({ ...pair, slots: pair.rings.read(range, now) }));
    const ours = pairs.filter((pair) => (queue ?? pair.queue) === pair.queue && (type ?? pair.type) === pair.type);
    const isAll = queue === undefined && type === undefined;
    const outcomes = isAll
      ? all
      : sumOf(
          ours.map(({ slots }) => slots),
          times.length,
        );
    const ofType = type === undefined ? null : (this.#types.get(type)?.read(range, now) ?? []);
    const runs = ofType?.map((slot) => slot.slice(0, RAN)) ?? all.map((slot) => slot.slice(OUTCOMES, OUTCOMES + RAN));
    const waits =
      ofType?.map((slot) => slot.slice(RAN)) ??
      (queue === undefined ? all.map((slot) => slot.slice(OUTCOMES + RAN)) : this.#waits.get(queue)?.read(range, now));
    const count = (outcome: keyof typeof OUTCOME) => times.map((_, at) => outcomes[at]?.[OUTCOME[outcome]] ?? 0);
    return {
      ...{ range, from, step_ms: second - from, since: this.since },
      outcomes: {
        ...{ done: count("done"), retried: count("retry"), dead: count("dead") },
        ...{ cancelled: count("cancelled"), lost: count("lost") },
      },
      // Runs are counted by type, whatever the queue.
      run_ms: queue !== undefined && type === undefined ? null : listsOf(runs, times.length, RAN_BOUNDS),
      wait_ms: listsOf(waits ?? [], times.length, WAITED_BOUNDS),
      queues: [...this.#lines]
        .filter(([name]) => (queue ?? name) === name)
        .map(([name, rings]) => {
          const slots = rings.read(range, now, CARRIED_MS);
          const column = (at: number) => slots.map((slot) => Math.round((slot[at] ?? 0) * 10) / 10);
          return { name, waiting: column(0), oldest_s: column(1) };
        }),
      failing: failingOf(ours),
      marks: this.#marks.filter(({ at }) => at >= from),
    };
  }

  #ofPair(queue: string, type: string): Rings | null {
    const key = keyOf(queue, type);
    const found = this.#pairs.get(key);
    if (found !== undefined) return found.rings;
    if (this.#pairs.size >= MOST_PAIRS) return null;
    const rings = new Rings(OUTCOMES);
    this.#pairs.set(key, { queue, type, rings });
    return rings;
  }
}

/** Those that failed most, and of how many attempts. */
function failingOf(pairs: readonly { readonly type: string; readonly slots: readonly (readonly number[])[] }[]) {
  const counts = new Map<string, { failed: number; attempts: number }>();
  for (const { type, slots } of pairs) {
    const sum = counts.get(type) ?? { failed: 0, attempts: 0 };
    for (const slot of slots) {
      const failed = (slot[OUTCOME.retry] ?? 0) + (slot[OUTCOME.dead] ?? 0);
      sum.failed += failed;
      sum.attempts += failed + (slot[OUTCOME.done] ?? 0) + (slot[OUTCOME.cancelled] ?? 0) + (slot[OUTCOME.lost] ?? 0);
    }
    counts.set(type, sum);
  }
  const failing = [...counts].filter(([, { failed }]) => failed > 0).sort(([, a], [, b]) => b.failed - a.failed);
  return failing.slice(0, MOST_FAILING).map(([type, sum]) => ({ type, ...sum }));
}

function keyOf(queue: string, type: string): string {
  return `${queue}\0${type}`;
}

function place(rings: Map<string, Rings>, name: string, most: number, width: number): Rings | null {
  const found = rings.get(name);
  if (found !== undefined || rings.size >= most) return found ?? null;
  const made = new Rings(width);
  rings.set(name, made);
  return made;
}

/** How much counts have grown; null: not at all. One that has shrunk has begun anew. */
function growth(now: readonly number[], before: readonly number[] = []): number[] | null {
  const isAnew = before.some((count, at) => (now[at] ?? 0) < count);
  const more = now.map((count, at) => count - (isAnew ? 0 : (before[at] ?? 0)));
  return more.some((count) => count > 0) ? more : null;
}

function padded(counts: readonly number[], width: number): number[] {
  return Array.from({ length: width }, (_, at) => counts[at] ?? 0);
}

function sumOf(all: readonly (readonly (readonly number[])[])[], length: number): number[][] {
  return Array.from({ length }, (_, at) => all.reduce<number[]>((sum, slots) => summed(sum, slots[at] ?? []), []));
}

function listsOf(slots: readonly (readonly number[])[], length: number, bounds: readonly number[]): Lists {
  const found = Array.from({ length }, (_, at) => percentilesInMs(slots[at] ?? [], bounds));
  const list = (name: "p50" | "p95" | "p99") => found.map((each) => each?.[name] ?? null);
  return { p50: list("p50"), p95: list("p95"), p99: list("p99") };
}

/** The shortest slot, in ms: to be fed as often. */
export const FEED_MS = RINGS[0].stepMs;
