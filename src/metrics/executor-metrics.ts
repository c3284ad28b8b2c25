/**
 * All that one process counts for `GET /metrics`: what each part of the executor calls where something happens, and the
 * text. The names, labels and buckets stand in docs/metrics.md and stay. Every series begins at 0, and there are never
 * more than `MOST_SERIES`. What is only true for the moment (slots, ages, memory) is handed in when the text is made.
 */
import { Counters, Histograms, Places } from "./series.ts";
import { OTHER, type Served, TaskSeries } from "./task-series.ts";

/** How many lines the text has at the most, without comments. */
export const MOST_SERIES = 1_500;
/** Of those: gauges, and what is counted elsewhere; routes of HTTP; names of schedules. */
const MOST_GAUGES = 50;
const MOST_ROUTES = 16;
const MOST_SCHEDULES = 24;

const CANCEL_BOUNDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120];
const OPERATION_BOUNDS = [0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2];
const HTTP_BOUNDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2];

export interface MetricsOptions extends Served {
  /** The calls of the broker that are timed. */
  readonly operations: readonly string[];
}

interface NamedPair {
  readonly first: number;
  readonly second: number;
}

export class ExecutorMetrics {
  readonly tasks: TaskSeries;
  readonly #cancels: Histograms;
  readonly #operations: Histograms;
  readonly #errors: Counters;
  readonly #operationSeries = new Map<string, NamedPair>();
  readonly #fires: Counters;
  readonly #missed: Counters;
  /** Of all schedules. */
  missedRuns = 0;
  readonly #schedules: Bounded;
  readonly #requests: Counters;
  readonly #requestTimes: Histograms;
  readonly #routes: Bounded;

  constructor({ operations, ...served }: MetricsOptions) {
    const places = new Places(MOST_SERIES);
    places.split(MOST_GAUGES);
    this.#cancels = new Histograms(
      { name: "taskexe_cancel_latency_seconds", help: "From the cancel of a running task until its code had ended." },
      CANCEL_BOUNDS,
      places,
    );
    this.#cancels.begin();
    this.#operations = new Histograms(
      {
        name: "taskexe_broker_operation_duration_seconds",
        help: "How long calls of the broker took; a claim waits for tasks.",
        labels: ["operation"],
      },
      OPERATION_BOUNDS,
      places,
    );
    this.#errors = new Counters(
      {
        name: "taskexe_broker_errors_total",
        help: "Calls that found the broker away, or were refused.",
        labels: ["operation"],
      },
      places,
    );
    for (const name of operations) {
      this.#operationSeries.set(name, { first: this.#operations.begin([name]), second: this.#errors.begin([name]) });
    }
    const named = places.split(2 * (MOST_SCHEDULES + 1));
    const byName = (name: string, help: string) => new Counters({ name, help, labels: ["name"] }, named);
    this.#fires = byName("taskexe_schedule_fires_total", "Runs that schedules have enqueued.");
    this.#missed = byName("taskexe_schedule_missed_total", "Runs of schedules that were due and not enqueued.");
    this.#schedules = new Bounded(MOST_SCHEDULES, ([name = OTHER]) => ({
      first: this.#fires.begin([name]),
      second: this.#missed.begin([name]),
    }));
    const labels = ["route", "method", "code"];
    this.#requests = new Counters(
      { name: "taskexe_http_requests_total", help: "Requests that were answered.", labels },
      places.split(MOST_ROUTES),
    );
    this.#requestTimes = new Histograms(
      { name: "taskexe_http_request_duration_seconds", help: "How long requests took to be answered.", labels },
      HTTP_BOUNDS,
      places.split(MOST_ROUTES * (HTTP_BOUNDS.length + 3)),
    );
    this.#routes = new Bounded(MOST_ROUTES - 1, (values) => ({
      first: this.#requests.begin(values),
      second: this.#requestTimes.begin(values),
    }));
    this.tasks = new TaskSeries(served, places);
  }

  /** A running task was cancelled, and its code has ended. */
  cancelled(seconds: number): void {
    this.#cancels.observe(0, seconds);
  }

  /** A call of the broker was answered, or failed since the broker was away. */
  called(operation: string, seconds: number, failed: boolean): void {
    const series = this.#operationSeries.get(operation);
    if (series === undefined) return;
    if (failed) this.#errors.add(series.second);
    else this.#operations.observe(series.first, seconds);
  }

  /** A step of a schedule. @param queue - where its run was enqueued; null: none was. @param missed - runs left out. */
  fired({ name, queue }: { readonly name: string; readonly queue: string | null }, missed: number): void {
    const { first, second } = this.#schedules.of([name]);
    if (queue !== null) {
      this.#fires.add(first);
      this.tasks.enqueued(queue, "schedule");
    }
    this.#missed.add(second, missed);
    this.missedRuns += missed;
  }

  /** @param route - its template. @param code - the class of the status: `2xx`. */
  answered(route: string, method: string, code: string, seconds: number): void {
    const { first, second } = this.#routes.of([route, method, code]);
    this.#requests.add(first);
    this.#requestTimes.observe(second, seconds);
  }

  /** The lines of everything that is counted here. */
  write(lines: string[]): void {
    this.tasks.write(lines);
    this.#cancels.write(lines);
    this.#operations.write(lines);
    this.#errors.write(lines);
    this.#fires.write(lines);
    this.#missed.write(lines);
    this.#requests.write(lines);
    this.#requestTimes.write(lines);
  }
}

/** Series of names that are not known before: the first so many, and `other` for the rest. */
class Bounded {
  readonly #most: number;
  readonly #begin: (values: readonly string[]) => NamedPair;
  readonly #series = new Map<string, NamedPair>();
  readonly #other: NamedPair;

  constructor(most: number, begin: (values: readonly string[]) => NamedPair) {
    this.#most = most;
    this.#begin = begin;
    this.#other = begin([OTHER, OTHER, OTHER]);
  }

  of(values: readonly string[]): NamedPair {
    const key = values.join(" ");
    const found = this.#series.get(key);
    if (found !== undefined) return found;
    if (this.#series.size >= this.#most) return this.#other;
    const begun = this.#begin(values);
    this.#series.set(key, begun);
    return begun;
  }
}
