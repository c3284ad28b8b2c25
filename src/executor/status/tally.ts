/** What an executor has done since it booted. Each figure is counted where the broker has confirmed it, once. */
import type { CompletionResult, Outcome } from "../../broker/broker.ts";
import type { ExecutorMetrics } from "../../metrics/executor-metrics.ts";
import { LastMinute } from "../../metrics/last-minute.ts";
import { OUTCOME, type TaskSeries } from "../../metrics/task-series.ts";
import { Stops } from "./stops.ts";

export class Tally {
  readonly stops: Stops;
  readonly #metrics: ExecutorMetrics | null;
  /** By type, noted by `noteMinute`. */
  readonly lastMinute = new LastMinute();
  done = 0;
  dead = 0;
  cancelled = 0;
  /** Attempts that failed and are followed by another one. */
  retried = 0;
  /** Attempts whose lease had gone to another executor: their completion was refused, or they were stopped before. */
  lost = 0;
  /** How often a foreign message went back unrun for executors of other programs. */
  left = 0;

  /** @param metrics - counts the same by queue and type; null: nobody asks for that. */
  constructor(metrics: ExecutorMetrics | null = null) {
    this.#metrics = metrics;
    this.stops = new Stops(metrics);
  }

  /** The same by queue and type; null: nobody asks for that. */
  get tasks(): TaskSeries | null {
    return this.#metrics?.tasks ?? null;
  }

  /** How many attempts have ended. */
  get attempts(): number {
    return this.done + this.dead + this.cancelled + this.retried + this.lost;
  }

  /** Attempts that failed: their tasks are tried again, or dead. */
  get failed(): number {
    return this.retried + this.dead;
  }

  /** Tasks that ended without being done: `failed` as the wire contract counts it. */
  get notDone(): number {
    return this.dead + this.cancelled;
  }

  /** @param type - "" where it is not known. */
  countLost(queue: string, type: string): void {
    this.lost++;
    this.#metrics?.tasks.ended(queue, type, OUTCOME.lost);
  }

  countLeft(count: number): void {
    this.left += count;
  }

  /** It goes back unrun. */
  countReleased(queue: string, type: string): void {
    this.#metrics?.tasks.ended(queue, type, OUTCOME.released);
  }

  count(outcome: Outcome, result: Exclude<CompletionResult, object>): void {
    const {
      type,
      delivery: { queue },
    } = outcome;
    if (result === "lost") {
      this.countLost(queue, type);
      return;
    }
    const tasks = this.#metrics?.tasks;
    switch (outcome.kind) {
      case "done":
        this.done++;
        tasks?.ended(queue, type, OUTCOME.done);
        break;
      case "dead":
        this.dead++;
        tasks?.ended(queue, type, OUTCOME.dead);
        tasks?.failed(type, outcome.failedBy ?? "error");
        break;
      case "cancelled":
        this.cancelled++;
        tasks?.ended(queue, type, OUTCOME.cancelled);
        break;
      case "retry":
        this.retried++;
        tasks?.ended(queue, type, OUTCOME.retry);
        tasks?.failed(type, outcome.failedBy ?? "error");
        break;
      case "parked":
        this.countReleased(queue, type);
        break;
    }
  }
}
