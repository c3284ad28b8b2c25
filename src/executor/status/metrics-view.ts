/**
 * The text of `GET /metrics`: what was counted (src/metrics), and what is so at this moment. It is made of memory,
 * and agrees with /status, since both read the same figures. The table of names is docs/metrics.md.
 */
import type { Broker } from "../../broker/broker.ts";
import type { Handlers } from "../../handlers/handler.ts";
import { ExecutorMetrics } from "../../metrics/executor-metrics.ts";
import type { History } from "../../metrics/history.ts";
import { type FamilyHead, type GaugeValue, writeNow } from "../../metrics/series.ts";
import type { WorkJson } from "../../metrics/work-json.ts";
import { OPERATION_NAMES, observeCalls } from "../../operations/observed-calls.ts";
import { runtime } from "../../runtime/index.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";
import type { ExecutorOptions } from "../options.ts";
import { BrokerLook } from "./broker-look.ts";
import { brokerMetrics } from "./broker-metrics.ts";
import { HistoryFeed } from "./history-feed.ts";
import { LoopLag } from "./loop-lag.ts";
import { processFigures } from "./process-figures.ts";
import type { ExecutorState, MetricsSource, RunnersSource } from "./status.ts";
import { Tally } from "./tally.ts";
import { workOf } from "./work.ts";

const STATES: readonly ExecutorState[] = ["starting", "running", "draining", "disconnected", "refused"];

/** As the runners tell them. */
const RESTART_REASONS = ["crash", "killed", "memory", "tasks", "reload"];

/** Figures of the broker that are older are not told as if they were of now, in ms. */
const STALE_MS = 10_000;

export interface MetricsViewParts {
  readonly broker: Broker;
  readonly handlers: Handlers;
  readonly running: RunningAttempts;
  readonly options: ExecutorOptions;
  /** Unix ms. */
  readonly bootAt: number;
  readonly state: () => ExecutorState;
  readonly runners?: Pick<RunnersSource, "view"> | undefined;
}

export class MetricsView implements MetricsSource {
  readonly counts: ExecutorMetrics;
  /** The same since it booted, for its status and its beats. */
  readonly tally: Tally;
  /** At the broker, shared with /status. */
  readonly look: BrokerLook;
  readonly lag = new LoopLag();
  readonly history: History;
  readonly #parts: MetricsViewParts;
  /** When the leases were renewed, and the broker had our beat, on the monotonic clock; null: not yet. */
  #renewedAt: number | null = null;
  #beatAt: number | null = null;
  readonly #feed: HistoryFeed;

  /** From now on the calls of the broker are timed. */
  constructor(parts: MetricsViewParts) {
    const { broker, handlers, options, running } = parts;
    this.#parts = parts;
    this.look = new BrokerLook(broker);
    const types = () => handlers.types();
    const knows = (type: string) => handlers.get(type) !== undefined;
    this.counts = new ExecutorMetrics({ operations: OPERATION_NAMES, queues: options.queues ?? [], types, knows });
    this.tally = new Tally(this.counts);
    const work = (): WorkJson | null => workOf(this.tally, running);
    this.#feed = new HistoryFeed({ broker, look: this.look, name: options.name, work });
    this.history = this.#feed.history;
    observeCalls(broker, (operation, ms, failed) => {
      this.counts.called(operation, ms / 1_000, failed);
      if (failed) return;
      if (operation === "renew") this.#renewedAt = performance.now();
      if (operation === "beat") this.#beatAt = performance.now();
    });
  }

  text(): string {
    const lines: string[] = [];
    this.#writeExecutor(lines, this.#parts.state());
    this.#writeRunners(lines);
    this.#writeProcess(lines);
    this.counts.write(lines);
    return `${lines.join("\n")}\n`;
  }

  keepHistory(signal: AbortSignal): Promise<never> {
    return this.#feed.run(signal);
  }

  ofBroker(): string | null {
    if (this.look.ageMs > STALE_MS) return null;
    return brokerMetrics(this.look.seen, this.#parts.broker.now());
  }

  #writeExecutor(lines: string[], state: ExecutorState): void {
    const { broker, running, options } = this.#parts;
    const one = (name: string, help: string, value: number | null): void => {
      writeNow(lines, { name: `taskexe_${name}`, help }, value === null ? [] : [{ value }]);
    };
    const info = { name: "taskexe_build_info", help: "What runs.", labels: ["version", "runtime", "broker"] };
    writeNow(lines, info, [{ values: [options.version, runtime.name, broker.kind], value: 1 }]);
    const states = STATES.map((name) => ({ values: [name], value: name === state ? 1 : 0 }));
    writeNow(lines, { name: "taskexe_executor_state", help: "1 for the state it is in.", labels: ["state"] }, states);
    one("slots", "How many tasks can run at once.", options.concurrency);
    one("slots_busy", "Slots taken by attempts, and by those that ignore their cancel.", running.slots);
    one("tasks_abandoned", "Tasks that ignore their cancel and were left behind.", running.abandonedCount);
    one("lease_renewal_age_seconds", "Since leases were last renewed.", age(this.#renewedAt));
    one("heartbeat_age_seconds", "Since the broker took the last heartbeat.", age(this.#beatAt));
    one("broker_up", "Whether the broker answers and takes what is asked.", isUp(broker) ? 1 : 0);
    one("event_loop_lag_seconds", "The longest hold-up of the last 15 to 30 s.", this.lag.worstMs / 1_000);
  }

  #writeRunners(lines: string[]): void {
    const runners = this.#parts.runners?.view();
    const processes = runners?.processes ?? [];
    const bytes = processes.reduce((sum, { rss_bytes }) => sum + rss_bytes, 0);
    const one = (name: string, help: string, value: number): void =>
      writeNow(lines, { name: `taskexe_runner_${name}`, help }, [{ value }]);
    const restarts = { name: "taskexe_runner_restarts_total", help: "Runners that another one took the place of." };
    const counts = RESTART_REASONS.map((reason) => ({ values: [reason], value: runners?.restarts[reason] ?? 0 }));
    writeNow(lines, { ...restarts, labels: ["reason"] }, counts, "counter");
    one("processes", "Processes that run handlers.", processes.length);
    one("resident_memory_bytes", "What they have in memory together.", bytes);
  }

  #writeProcess(lines: string[]): void {
    const { cpuSeconds, rssBytes, heapBytes, openFiles } = processFigures();
    const gauge = (head: FamilyHead, ...values: GaugeValue[]): void => writeNow(lines, head, values);
    const cpu = { name: "process_cpu_seconds_total", help: "CPU time of this process, user and system." };
    writeNow(lines, cpu, [{ value: cpuSeconds }], "counter");
    gauge({ name: "process_resident_memory_bytes", help: "Memory of this process." }, { value: rssBytes });
    const start = { name: "process_start_time_seconds", help: "When it began, Unix time." };
    gauge(start, { value: this.#parts.bootAt / 1_000 });
    const files = openFiles === null ? [] : [{ value: openFiles }];
    gauge({ name: "process_open_fds", help: "Open files and connections." }, ...files);
    gauge({ name: "taskexe_heap_bytes", help: "What is used of the heap of JavaScript." }, { value: heapBytes });
  }
}

function age(since: number | null): number | null {
  return since === null ? null : (performance.now() - since) / 1_000;
}

function isUp(broker: Broker): boolean {
  return broker.connection().state === "connected";
}
