/**
 * The text of `GET /metrics/broker`: what the broker holds, the same from every executor, out of the one look that all
 * who watch share. Queues and types are bounded, the rest is summed as `other`.
 */
import { type FamilyHead, type GaugeValue, writeNow } from "../../metrics/series.ts";
import { OTHER } from "../../metrics/task-series.ts";
import { LIVES_MS } from "../../operations/watch/waiting.ts";
import type { SeenBroker } from "./broker-look.ts";

/** Of each queue eight series, of each type one. */
const MOST_QUEUES = 120;
const MOST_TYPES = 200;

const STATES = ["queued", "running", "scheduled", "dead", "done", "cancelled"] as const;
type Counts = Readonly<Record<(typeof STATES)[number], number>>;

/** @param now - Unix ms on the broker's clock. */
export function brokerMetrics(seen: SeenBroker, now: number): string {
  const lines: string[] = [];
  const gauge = (name: string, help: string, labels: FamilyHead["labels"], values: readonly GaugeValue[]): void =>
    writeNow(lines, { name: `taskexe_${name}`, help, ...(labels && { labels }) }, values);
  const queues = queuesOf(seen, now);
  const byState = queues.flatMap(({ name, counts }) =>
    STATES.map((state) => ({ values: [name, state], value: counts[state] })),
  );
  gauge("queue_tasks", "Tasks by their state; scheduled ones are retrying ones, too.", ["queue", "state"], byState);
  const oldest = queues.map(({ name, oldestSeconds }) => ({ values: [name], value: oldestSeconds }));
  gauge("queue_oldest_seconds", "How long the oldest task waits in line; 0: none does.", ["queue"], oldest);
  const paused = queues.map(({ name, isPaused }) => ({ values: [name], value: isPaused ? 1 : 0 }));
  gauge("queue_paused", "Whether a queue is paused.", ["queue"], paused);
  gauge("type_paused", "Whether a type is paused, of those that executors have.", ["type"], typesOf(seen));
  gauge("executors", "Executors that are registered, by how they are.", ["state"], executorsOf(seen, now));
  for (const { name, help, value } of seen.figures.gauges) gauge(name, help, undefined, [{ value }]);
  return `${lines.join("\n")}\n`;
}

interface QueueFigures {
  readonly name: string;
  readonly counts: Counts;
  readonly oldestSeconds: number;
  readonly isPaused: boolean;
}

/** By name, so that each executor has the same ones. */
function queuesOf({ queues, figures }: SeenBroker, now: number): readonly QueueFigures[] {
  const all = queues.map((counts, index): QueueFigures => {
    const at = figures.oldest[index] ?? null;
    const oldestSeconds = at === null ? 0 : Math.max(0, now - at) / 1_000;
    return { name: counts.name, counts, oldestSeconds, isPaused: counts.paused };
  });
  all.sort((one, other) => (one.name < other.name ? -1 : 1));
  const rest = all.slice(MOST_QUEUES);
  if (rest.length === 0) return all;
  const sum = (state: keyof Counts) => rest.reduce((total, { counts }) => total + counts[state], 0);
  const counts = {
    ...{ queued: sum("queued"), running: sum("running"), scheduled: sum("scheduled") },
    ...{ dead: sum("dead"), done: sum("done"), cancelled: sum("cancelled") },
  };
  const oldestSeconds = Math.max(...rest.map((queue) => queue.oldestSeconds));
  return [
    ...all.slice(0, MOST_QUEUES),
    { name: OTHER, counts, oldestSeconds, isPaused: rest.some(({ isPaused }) => isPaused) },
  ];
}

/** Those that living executors tell, and those that are paused: first these, since they matter. */
function typesOf({ fleet, paused }: SeenBroker): readonly GaugeValue[] {
  const isPaused = new Set(paused.filter(({ kind }) => kind === "type").map(({ name }) => name));
  const told = new Set(fleet.flatMap(({ beat }) => beat?.types ?? []));
  const names = [...[...isPaused].sort(), ...[...told].filter((name) => !isPaused.has(name)).sort()];
  return names.slice(0, MOST_TYPES).map((name) => ({ values: [name], value: isPaused.has(name) ? 1 : 0 }));
}

/** `silent`: its last beat is too old. */
function executorsOf({ fleet }: SeenBroker, now: number): readonly GaugeValue[] {
  const counts = new Map<string, number>([...EXECUTOR_STATES, "silent"].map((state) => [state, 0]));
  for (const { at, beat } of fleet) {
    const told = typeof beat?.state === "string" && counts.has(beat.state) ? beat.state : "running";
    const state = at === null || now - at >= LIVES_MS ? "silent" : told;
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].map(([state, value]) => ({ values: [state], value }));
}

/** As beats tell them; one that does not tell runs. */
const EXECUTOR_STATES = ["running", "draining"];
