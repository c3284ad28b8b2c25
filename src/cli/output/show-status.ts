/** Shows the state of an executor, or of a broker, to a person. */
import type { Backlog, FleetMember, QueueCounts } from "../../broker/broker.ts";
import type { ExecutorAnswer } from "../process/status-answer.ts";
import { beatFigures, RUNNER_HEAD, runnerCells } from "./beat-figures.ts";
import { howMany } from "./how-many.ts";
import { printFields, printLine, printTable } from "./print.ts";
import { servedBy } from "./served-by.ts";

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
    ["slots", `${answer.slots_taken ?? current.length} of ${answer.concurrency} taken`],
    [
      "tasks",
      `${answer.done} done, ${answer.dead} dead, ${answer.cancelled} cancelled; attempts: ${answer.failed} failed ` +
        `(${answer.retried} retried), ${answer.lost} lost, ${answer.abandoned} abandoned` +
        (answer.left > 0 ? `, ${answer.left} left to executors of another program` : ""),
    ],
    ...stopped(answer.stops),
    ...lost(answer.vanished),
    ["memory", memory ? `${megabytes(memory.rss_bytes)} MB, at most ${megabytes(memory.max_rss_bytes)} MB` : "unknown"],
  ]);
  showQueues(answer.queues, answer.counted_at, answer.queues_left_out);
  showRunners(answer.runners);
  if (current.length === 0) return;
  printLine("");
  printTable(
    ["running", "type", "attempt", "progress", "since", "message"],
    current.map(([id, task]) => [id, task.type, task.attempt, task.progress, task.started_at, lastLine(task.message)]),
  );
}

/** The processes that run handlers. */
function showRunners(runners: ExecutorAnswer["runners"]): void {
  if (runners === undefined) return;
  printLine("");
  if (runners.processes.length > 0) {
    printTable(
      [...RUNNER_HEAD, "busy since"],
      runners.processes.map((runner) => [...runnerCells(runner), runner.busy_since ?? ""]),
    );
  }
  for (const line of loadLines(runners)) printLine(line);
  if (runners.waiting > 0) printLine(`waiting for a runner: ${howMany(runners.waiting, "task")}`);
  for (const problem of runners.problems) printLine(problem);
}

/** Which handlers are in charge, and what keeps others from it. */
function loadLines({ generation, loaded_at: at, reload, awaited }: NonNullable<ExecutorAnswer["runners"]>): string[] {
  const lines = at === null ? [] : [`generation ${generation} of the handlers, loaded at ${at}`];
  if (reload !== null)
    lines.push(`reload ${reload.state} since ${reload.since}${reload.reason && `: ${reload.reason}`}`);
  if (awaited.length > 0) lines.push(`no hello yet from ${awaited.join(", ")}`);
  return lines;
}

/** What the broker knows: its queues and its executors. */
export function showFleet(
  answer: Backlog & {
    readonly broker: { readonly url: string };
    /** Unix ms on the broker's clock. */
    readonly countedAt: number;
    readonly queues: readonly QueueRow[];
    readonly queues_left_out: number;
    readonly fleet: readonly FleetMember[];
  },
): void {
  printFields([
    ["broker", answer.broker.url],
    ["tasks", `${answer.lag} not claimed yet, ${answer.pending} claimed`],
  ]);
  showQueues(answer.queues, new Date(answer.countedAt).toISOString(), answer.queues_left_out);
  printLine("");
  if (answer.fleet.length === 0) {
    printLine("no executor is registered");
    return;
  }
  printTable(
    ["executor", "slots", "done", "dead", "cancelled", "counted at"],
    answer.fleet.map((member) => {
      const { slots, done, dead, cancelled } = beatFigures(member);
      const at = member.at === null ? "never" : new Date(member.at).toISOString();
      return [member.name, slots, done, dead, cancelled, at];
    }),
  );
}

/** How attempts ended that were told to stop. */
function stopped(stops: ExecutorAnswer["stops"]): [string, string][] {
  const { heeded = 0, killed = 0, abandoned = 0 } = stops ?? {};
  if (heeded + killed + abandoned === 0) return [];
  return [["told to stop", `${heeded} heeded it, ${killed} were killed, ${abandoned} were left behind`]];
}

function lost({ count, ids }: ExecutorAnswer["vanished"]): [string, string][] {
  if (count === 0) return [];
  const named = `${ids.join(", ")}${ids.length < count ? ", ..." : ""}`;
  return [["vanished", `${count} say that they wait and are in no queue; taskexe retry ID queues one: ${named}`]];
}

type QueueRow = Pick<QueueCounts, "name" | "queued" | "running" | "scheduled" | "dead"> & {
  readonly executors: number | null;
};

/** @param countedAt - ISO 8601; null: it is not known. */
function showQueues(queues: readonly QueueRow[], countedAt: string | null, leftOut: number): void {
  if (queues.length === 0) return;
  printLine("");
  if (countedAt !== null) printLine(`counted at ${countedAt}`);
  printTable(
    ["queue", "queued", "running", "scheduled", "dead", "executors"],
    queues.map((queue) => [
      ...[queue.name, queue.queued, queue.running, queue.scheduled, queue.dead],
      servedBy(queue.executors),
    ]),
  );
  for (const { name, queued, scheduled, executors } of queues) {
    if (executors !== 0 || queued + scheduled === 0) continue;
    const waiting = howMany(queued + scheduled, "task");
    // Nothing of it moves by itself: what is due in it stays scheduled until somebody serves it.
    printLine(
      `${waiting} in ${name}, due or not: each waits for an executor of this queue (taskexe run --queues ${name})`,
    );
  }
  if (leftOut > 0) printLine(`and ${howMany(leftOut, "queue")} more`);
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
