/** Shows the state of an executor, or of a broker, to a person. */
import type { Backlog, FleetMember, QueueCounts } from "../broker/broker.ts";
import { printFields, printLine, printTable } from "./output.ts";
import type { ExecutorAnswer } from "./status-answer.ts";

/** What an executor says of itself. */
export function showExecutor(answer: ExecutorAnswer): void {
  const { broker, memory } = answer;
  const current = Object.entries(answer.current);
  const trouble = broker.state === "refusing" ? "refusing" : "not connected";
  const problem = broker.connected ? "" : ` (${trouble}${broker.last_error ? `: ${broker.last_error}` : ""})`;
  printFields([
    ["executor", `${answer.name}, pid ${answer.pid}, taskexe ${answer.version}`],
    ["state", `${answer.state} for ${Math.round(answer.uptime_s)} s`],
    ["broker", `${broker.url}${problem}`],
    ...broker.warnings.map((warning): [string, string] => ["warning", warning]),
    ["slots", `${current.length} of ${answer.concurrency} taken`],
    [
      "tasks",
      `${answer.done} done, ${answer.failed} failed, ${answer.cancelled} cancelled, ${answer.retried} retried, ${answer.lost} lost, ${answer.abandoned} abandoned`,
    ],
    ["memory", memory ? `${megabytes(memory.rss_bytes)} MB, at most ${megabytes(memory.max_rss_bytes)} MB` : "unknown"],
  ]);
  showQueues(answer.queues);
  if (current.length === 0) return;
  printLine("");
  printTable(
    ["running", "type", "attempt", "progress", "since", "message"],
    current.map(([id, task]) => [id, task.type, task.attempt, task.progress, task.started_at, lastLine(task.message)]),
  );
}

/** What the broker knows: its queues and its executors. */
export function showFleet(
  answer: Backlog & {
    readonly broker: { readonly url: string };
    readonly queues: readonly QueueCounts[];
    readonly fleet: readonly FleetMember[];
  },
): void {
  printFields([
    ["broker", answer.broker.url],
    ["tasks", `${answer.lag} not claimed yet, ${answer.pending} claimed`],
  ]);
  showQueues(answer.queues);
  printLine("");
  if (answer.fleet.length === 0) {
    printLine("no executor is registered");
    return;
  }
  printTable(
    ["executor", "last beat", "done", "failed"],
    answer.fleet.map(({ name, at, beat }) => [
      name,
      at === null ? "never" : new Date(at).toISOString(),
      String(beat?.done ?? "?"),
      String(beat?.failed ?? "?"),
    ]),
  );
}

type QueueRow = Pick<QueueCounts, "name" | "queued" | "running" | "scheduled" | "dead">;

function showQueues(queues: readonly QueueRow[]): void {
  if (queues.length === 0) return;
  printLine("");
  printTable(
    ["queue", "queued", "running", "scheduled", "dead"],
    queues.map((queue) => [queue.name, queue.queued, queue.running, queue.scheduled, queue.dead]),
  );
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
