/**
 * What is counted of tasks, by queue and by type. The queues of the executor and its types have their series, at 0, as
 * soon as they are loaded, where all of them fit; else each gets its own when it is first seen, as long as there are
 * places. What has none is counted under `other`, so that sums stay true. So is a name that nobody registered.
 */
import { FAILURE_REASONS, type FailureReason } from "../task/record/failure-reason.ts";
import { Counters, Histograms, Places } from "./series.ts";

/** The outcomes of attempts, by their number. */
export const OUTCOME = { done: 0, retry: 1, dead: 2, cancelled: 3, lost: 4, released: 5 } as const;
export type OutcomeNumber = (typeof OUTCOME)[keyof typeof OUTCOME];
const OUTCOMES = Object.keys(OUTCOME);

/** By which way a task came in. */
export const ENQUEUED_VIA = ["http", "client", "schedule"] as const;
export type EnqueuedVia = (typeof ENQUEUED_VIA)[number];

/** The upper bounds of the buckets, in seconds. */
export const RAN_BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600];
export const WAITED_BOUNDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1_800];

/** So many queues and types have series of their own at the most. */
const MOST_QUEUES = 24;
const MOST_TYPES = 200;
export const OTHER = "other";

/** Whose tasks are counted. */
export interface Served {
  readonly queues: readonly string[];
  readonly types: () => readonly string[];
  /** Whether a type is registered. */
  readonly knows: (type: string) => boolean;
}

/** The numbers of the series of one type. */
interface TypeSeries {
  readonly ran: number;
  /** In a family that is not written: by type waits are told by heartbeats and /status. */
  readonly waited: number;
  readonly killed: number;
  /** The first of those by reason. */
  readonly failures: number;
}

interface QueueSeries {
  readonly claimed: number;
  readonly waited: number;
  readonly reclaimed: number;
  readonly lost: number;
  /** The first of those by way. */
  readonly enqueued: number;
  /** By type: the first of those by outcome. */
  readonly attempts: Map<string, number>;
}

/** What was counted of one type in one queue, by the number of the outcome. */
export interface PairCounts {
  readonly queue: string;
  readonly type: string;
  readonly outcomes: readonly number[];
}

export class TaskSeries {
  readonly #served: Served;
  readonly #places: Places;
  readonly #families: {
    readonly claimed: Counters;
    readonly attempts: Counters;
    readonly failures: Counters;
    readonly ran: Histograms;
    readonly waited: Histograms;
    readonly killed: Counters;
    readonly reclaimed: Counters;
    readonly lost: Counters;
    readonly enqueued: Counters;
  };
  /** Of those of each type. */
  readonly #waits = new Histograms({ name: "waits", help: "" }, WAITED_BOUNDS, new Places(Number.POSITIVE_INFINITY));
  readonly #queues = new Map<string, QueueSeries>();
  readonly #types = new Map<string, TypeSeries>();
  readonly #otherQueue: QueueSeries;
  readonly #otherType: TypeSeries;
  /** The pair that was counted last: most of a batch are of one. */
  #lastQueue = "";
  #lastType = "";
  #lastAttempts: number;
  #lastRan = "";
  #lastRanSeries: TypeSeries;

  /** @param places - all of them are taken, if there is enough to count. */
  constructor(served: Served, places: Places) {
    this.#served = served;
    this.#places = places;
    this.#families = familiesIn(places);
    this.#otherType = this.#beginType(OTHER);
    this.#otherQueue = this.#beginQueue(OTHER);
    this.#lastAttempts = this.#attemptsIn(this.#otherQueue, OTHER);
    this.#lastRanSeries = this.#otherType;
    for (const queue of served.queues) this.#queue(queue);
  }

  /** Tasks were claimed. @param waitedSeconds - since they were due; null: that is not known. */
  claimed(queue: string, count: number, waitedSeconds: number | null): void {
    const series = this.#queue(queue);
    this.#families.claimed.add(series.claimed, count);
    if (waitedSeconds !== null) this.#families.waited.observe(series.waited, Math.max(waitedSeconds, 0), count);
  }

  /** Whether two waits fall into the same bucket. */
  isAlike(oneSeconds: number, otherSeconds: number): boolean {
    const { waited } = this.#families;
    return waited.bucketOf(oneSeconds) === waited.bucketOf(otherSeconds);
  }

  reclaimed(queue: string): void {
    this.#families.reclaimed.add(this.#queue(queue).reclaimed);
  }

  enqueued(queue: string, via: EnqueuedVia, count = 1): void {
    this.#families.enqueued.add(this.#queue(queue).enqueued + ENQUEUED_VIA.indexOf(via), count);
  }

  /** An attempt has ended. */
  ended(queue: string, type: string, outcome: OutcomeNumber): void {
    if (type !== this.#lastType || queue !== this.#lastQueue) this.#lookUp(queue, type);
    this.#families.attempts.add(this.#lastAttempts + outcome);
    if (outcome === OUTCOME.lost) this.#families.lost.add(this.#queue(queue).lost);
  }

  failed(type: string, reason: FailureReason): void {
    this.#families.failures.add(this.#type(type).failures + FAILURE_REASONS.indexOf(reason));
  }

  /** The code of an attempt has ended. @param waitedSeconds - how long its task had waited; null: not known. */
  ran(type: string, seconds: number, waitedSeconds: number | null = null): void {
    if (type !== this.#lastRan) {
      this.#lastRanSeries = this.#type(type);
      this.#lastRan = type;
    }
    this.#families.ran.observe(this.#lastRanSeries.ran, seconds);
    if (waitedSeconds !== null) this.#waits.observe(this.#lastRanSeries.waited, waitedSeconds);
  }

  killed(type: string): void {
    this.#families.killed.add(this.#type(type).killed);
  }

  /** What was counted of each pair. */
  *pairs(): Iterable<PairCounts> {
    const { attempts } = this.#families;
    for (const [queue, series] of [...this.#queues, [OTHER, this.#otherQueue] as const]) {
      for (const [type, first] of series.attempts) {
        yield { queue, type, outcomes: OUTCOMES.map((_, outcome) => attempts.value(first + outcome)) };
      }
    }
  }

  /** How many runs and waits of each type fell into each bucket. */
  *types(): Iterable<{ readonly type: string; readonly ran: Float64Array; readonly waited: Float64Array }> {
    for (const [type, series] of [...this.#types, [OTHER, this.#otherType] as const]) {
      yield { type, ran: this.#families.ran.buckets(series.ran), waited: this.#waits.buckets(series.waited) };
    }
  }

  /** How many waits of tasks of each queue fell into each bucket. */
  *queues(): Iterable<{ readonly queue: string; readonly waited: Float64Array }> {
    for (const [queue, series] of [...this.#queues, [OTHER, this.#otherQueue] as const]) {
      yield { queue, waited: this.#families.waited.buckets(series.waited) };
    }
  }

  write(lines: string[]): void {
    this.#beginAll();
    for (const family of Object.values(this.#families)) family.write(lines);
  }

  #lookUp(queue: string, type: string): void {
    const series = this.#queue(queue);
    this.#lastAttempts = this.#attemptsIn(series, this.#type(type) === this.#otherType ? OTHER : type);
    this.#lastQueue = queue;
    this.#lastType = type;
  }

  #type(type: string): TypeSeries {
    const series = this.#types.get(type);
    if (series !== undefined) return series;
    if (!this.#served.knows(type) || this.#types.size >= MOST_TYPES) return this.#otherType;
    // Its first pair has to fit, too.
    if (this.#places.left < this.#typeSize + OUTCOMES.length) return this.#otherType;
    const begun = this.#beginType(type);
    this.#types.set(type, begun);
    return begun;
  }

  #queue(queue: string): QueueSeries {
    const series = this.#queues.get(queue);
    if (series !== undefined) return series;
    if (this.#queues.size >= MOST_QUEUES || this.#places.left < this.#queueSize) return this.#otherQueue;
    const begun = this.#beginQueue(queue);
    this.#queues.set(queue, begun);
    return begun;
  }

  #attemptsIn(series: QueueSeries, type: string): number {
    const found = series.attempts.get(type);
    if (found !== undefined) return found;
    if (type !== OTHER && this.#places.left < OUTCOMES.length) return this.#attemptsIn(series, OTHER);
    const queue = this.#nameOf(series);
    const first = firstOf(OUTCOMES, (outcome) => this.#families.attempts.begin([queue, type, outcome]));
    series.attempts.set(type, first);
    return first;
  }

  #nameOf(series: QueueSeries): string {
    for (const [name, other] of this.#queues) if (other === series) return name;
    return OTHER;
  }

  /** All types that are loaded by now, in all queues, at 0, where they fit. */
  #beginAll(): void {
    const types = this.#served.types();
    const missing = types.filter((type) => !this.#types.has(type)).length;
    const size = missing * this.#typeSize + types.length * OUTCOMES.length * this.#queues.size;
    if (types.length > MOST_TYPES || size > this.#places.left) return;
    // Whoever was other may be somebody by now.
    [this.#lastType, this.#lastQueue, this.#lastRan] = ["", "", ""];
    [this.#lastAttempts, this.#lastRanSeries] = [this.#attemptsIn(this.#otherQueue, OTHER), this.#otherType];
    for (const type of types) {
      this.#type(type);
      for (const series of this.#queues.values()) this.#attemptsIn(series, type);
    }
  }

  get #typeSize(): number {
    return this.#families.ran.size + FAILURE_REASONS.length + 1;
  }

  get #queueSize(): number {
    return this.#families.waited.size + 3 + ENQUEUED_VIA.length + OUTCOMES.length;
  }

  #beginType(type: string): TypeSeries {
    const { ran, killed, failures } = this.#families;
    return {
      ran: ran.begin([type]),
      waited: this.#waits.begin(),
      killed: killed.begin([type]),
      failures: firstOf(FAILURE_REASONS, (reason) => failures.begin([type, reason])),
    };
  }

  #beginQueue(queue: string): QueueSeries {
    const { claimed, waited, reclaimed, lost, enqueued, attempts } = this.#families;
    const first = firstOf(OUTCOMES, (outcome) => attempts.begin([queue, OTHER, outcome]));
    return {
      claimed: claimed.begin([queue]),
      waited: waited.begin([queue]),
      reclaimed: reclaimed.begin([queue]),
      lost: lost.begin([queue]),
      enqueued: firstOf(ENQUEUED_VIA, (via) => enqueued.begin([queue, via])),
      attempts: new Map([[OTHER, first]]),
    };
  }
}

/** Begins one series for each value, side by side; gives the number of the first. */
function firstOf(values: readonly string[], begin: (value: string) => number): number {
  return values.map(begin)[0] ?? -1;
}

function familiesIn(places: Places) {
  const head = (name: string, help: string, ...labels: string[]) => ({ name: `taskexe_${name}`, help, labels });
  const counters = (name: string, help: string, ...labels: string[]) =>
    new Counters(head(name, help, ...labels), places);
  return {
    claimed: counters("tasks_claimed_total", "Tasks that were claimed.", "queue"),
    attempts: counters("attempts_total", "Attempts that have ended, as recorded.", "queue", "type", "outcome"),
    failures: counters("attempt_failures_total", "Attempts that failed, by the reason.", "type", "reason"),
    ran: new Histograms(
      head("attempt_duration_seconds", "How long the code of attempts ran.", "type"),
      RAN_BOUNDS,
      places,
    ),
    waited: new Histograms(
      head("wait_duration_seconds", "How long tasks waited, from when they were due until they were claimed.", "queue"),
      WAITED_BOUNDS,
      places,
    ),
    killed: counters("tasks_killed_total", "Attempts whose process was killed since it did not stop.", "type"),
    reclaimed: counters("leases_reclaimed_total", "Tasks taken over whose lease had expired.", "queue"),
    lost: counters("leases_lost_total", "Attempts whose lease had gone to another executor.", "queue"),
    enqueued: counters("enqueued_total", "Tasks that were enqueued through this process.", "queue", "via"),
  };
}
