/**
 * The verdict: what the tasks wrote to the ledger themselves and what their records say must agree with what was
 * planned. Each task ended once, in the state that its kind must end in; none is lost; none began after its end.
 */
import { readFileSync } from "node:fs";
import type { Broker } from "../../src/broker/broker.ts";
import type { TaskRecord } from "../../src/task/record/record.ts";
import type { TaskState } from "../../src/task/state.ts";
import type { Fed } from "./feed.ts";
import type { PlannedTask } from "./kinds.ts";

const CHUNK = 500;
/** How much later than the recorded end a begin may have been written, in ms: two clocks' reading of one moment. */
const CLOCK_SLACK_MS = 100;
/** How many executors a poison may kill: its crash budget of 3, and ten beyond that. */
const MOST_KILLS = 13;
/** How many of a task's lines are shown with what is wrong with it. */
const MOST_LINES = 12;

/** What the ledger says of one task. */
interface Run {
  begins: number;
  ends: number;
  kills: number;
  lastBegin: number;
  /** Its lines, as they stand. */
  readonly lines: string[];
}

/**
 * Whether every begin is one that the recorded end needed; else one may have come after it, which the clock must tell.
 */
function wasNeverBegunInVain({ state, attempt }: TaskRecord, { begins, ends, lines }: Run): boolean {
  if (state === "done") return ends === 1 && lines.at(-1)?.startsWith("end ") === true;
  return state === "dead" && begins > 0 && begins === attempt;
}

export interface Verdict {
  /** What is wrong, one sentence each, and below it what is known of that task; empty: all is well. */
  readonly problems: readonly string[];
  /** How many ended how, by kind: "plain done" -> 17. */
  readonly ended: ReadonlyMap<string, number>;
  /** How many attempts were begun, and how many kills the tasks sent, by kind. */
  readonly begins: ReadonlyMap<string, number>;
  readonly kills: number;
  /** Tasks whose work was done more than once, since whoever did it was killed before it could be recorded. */
  readonly ranTwice: number;
  readonly attempts: number;
}

/** What the verdict stands on, beside the records. */
export interface Evidence {
  readonly fed: Fed;
  /** The path of the ledger. */
  readonly ledger: string;
  /** The largest step of this machine's clock meanwhile, in ms. */
  readonly clockStepMs: number;
}

export async function verify(broker: Broker, { fed, ledger, clockStepMs }: Evidence): Promise<Verdict> {
  const slackMs = CLOCK_SLACK_MS + clockStepMs;
  const runs = readRuns(ledger);
  const problems: string[] = [];
  const ended = new Map<string, number>();
  const begins = new Map<string, number>();
  let [kills, ranTwice, attempts] = [0, 0, 0];
  for (let at = 0; at < fed.tasks.length; at += CHUNK) {
    const chunk = fed.tasks.slice(at, at + CHUNK);
    const records = await Promise.all(chunk.map(({ id }) => broker.record(id)));
    for (const [index, task] of chunk.entries()) {
      const record = records[index] ?? null;
      const run = runs.get(task.id) ?? noRun();
      runs.delete(task.id);
      const problem = problemOf(task, record, run, { cancels: fed.cancels, slackMs });
      if (problem !== null) {
        const known = whatIsKnown(record, run, fed.cancels.get(task.id));
        problems.push([`${task.id} (${task.kind}): ${problem}`, ...known].join("\n  "));
      }
      count(ended, `${task.kind} ${record?.state ?? (run.ends > 0 ? "done" : "lost")}`, 1);
      count(begins, task.kind, run.begins);
      kills += run.kills;
      attempts += run.begins;
      if (run.ends > 1) ranTwice++;
    }
  }
  for (const id of runs.keys()) problems.push(`${id}: ran, but was never enqueued`);
  return { problems, ended, begins, kills, ranTwice, attempts };
}

function problemOf(
  task: PlannedTask,
  record: TaskRecord | null,
  run: Run,
  { cancels, slackMs }: { readonly cancels: Fed["cancels"]; readonly slackMs: number },
): string | null {
  if (task.kind === "bare") {
    if (record !== null) return `keeps no record, but there is one: ${record.state}`;
    return run.ends === 0 ? "lost: the ledger has no end" : null;
  }
  if (record === null) return "lost: there is no record";
  const { state, completions, finished_at: finishedAt } = record;
  const wanted = endOf(task, cancels.get(task.id));
  if (!wanted.includes(state)) return `is ${state}, not ${wanted.join(" or ")} (${record.reason})`;
  if (completions > 1 || (state === "done" && completions === 0)) return `is ${state} with ${completions} completions`;
  if (state === "done" && run.ends === 0) return "is done, but the ledger has no end";
  if (finishedAt === null) return `is ${state}, but nobody knows since when`;
  // Whoever wrote the end may have misjudged Redis' clock, where a slow disk delayed all of its answers.
  if (run.lastBegin > finishedAt + slackMs && !wasNeverBegunInVain(record, run))
    return `began ${run.lastBegin - finishedAt} ms after it had ended`;
  return attemptProblem(task, record, run);
}

function attemptProblem(task: PlannedTask, { state, attempt, reason }: TaskRecord, run: Run): string | null {
  if (state === "cancelled") return null;
  if (task.kind === "fails-always" && attempt !== task.attempts) return `is dead after attempt ${attempt}`;
  if (task.kind === "fails-once" && attempt !== 2) return `is done in attempt ${attempt}`;
  if (task.kind === "poison" && !reason?.startsWith("quarantined")) return `is dead, but not quarantined: ${reason}`;
  // Its executor may also have died of a neighbour before the poison had its turn, or it was alone each time.
  if (task.kind === "poison" && run.kills > MOST_KILLS)
    return `killed ${run.kills} executors, not ${MOST_KILLS} at most`;
  return null;
}

/** How a task may end. Cancelled before it ran: surely cancelled. While it ran: it may have been faster. */
function endOf({ kind }: PlannedTask, found: TaskState | null | undefined): readonly TaskState[] {
  const end: TaskState = kind === "fails-always" || kind === "poison" ? "dead" : "done";
  switch (found) {
    case "scheduled":
    case "queued":
    case "retrying":
    case "cancelled":
      return ["cancelled"];
    case "running":
      return [end, "cancelled"];
    default:
      return [end];
  }
}

/** What is known of a task with which something is wrong, a line each. */
function whatIsKnown(record: TaskRecord | null, run: Run, cancelled: TaskState | null | undefined): string[] {
  const told: string[] = [];
  if (record !== null) {
    const { state, attempt, crashes, completions, executor, enqueued_at, started_at, finished_at, reason } = record;
    told.push(
      `record: ${state}, attempt ${attempt}, ${crashes} crashes, ${completions} completions, by ${executor}, ` +
        `enqueued ${enqueued_at}, started ${started_at}, finished ${finished_at}, reason ${reason}`,
    );
  }
  if (cancelled !== undefined) told.push(`a cancel found it ${cancelled}`);
  return [...told, ...run.lines.slice(-MOST_LINES).map((line) => `ledger: ${line}`)];
}

function noRun(): Run {
  return { begins: 0, ends: 0, kills: 0, lastBegin: 0, lines: [] };
}

function readRuns(path: string): Map<string, Run> {
  const runs = new Map<string, Run>();
  for (const line of readFileSync(path, "utf8").split("\n").slice(0, -1)) {
    const [what, id, , , at] = line.split(" ");
    if (id === undefined) throw new Error(`not a line of the ledger: ${line}`);
    const run = runs.get(id) ?? noRun();
    runs.set(id, run);
    run.lines.push(line);
    if (what === "begin") {
      run.begins++;
      run.lastBegin = Number(at);
    } else if (what === "end") run.ends++;
    else run.kills++;
  }
  return runs;
}

function count(counts: Map<string, number>, key: string, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}
