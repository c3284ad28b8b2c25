/**
 * Reloads while tasks flow: the same for a test and for the soak. Each reload has other code; each task must be done
 * once, by one attempt, and of the runners of all generations only those of the last one may be left.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Broker } from "../../src/broker/broker.ts";
import type { ExecutorProcess } from "./executor.ts";
import { requestOf } from "./outcomes.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/** How long one reload may take on a busy machine, in ms. */
const RELOAD_MS = 60_000;
const TASKS_A_RELOAD = 10;

export interface FlowFigures {
  readonly reloads: number;
  readonly rssMb: number;
  readonly descriptors: number;
  readonly children: number;
}

export interface Flow {
  /** Looked at as often as was asked for. */
  readonly figures: readonly FlowFigures[];
  readonly tasks: number;
  /** How often each task was run, by its id. */
  readonly runs: ReadonlyMap<string, number>;
  /** What is not done after one attempt without a crash, in words. */
  readonly undone: readonly string[];
  /** The processes that are left when the executor has drained. */
  readonly left: readonly number[];
}

/** @param everyReloads - how often figures are taken. */
export async function reloadWhileTasksFlow(
  stage: Stage,
  { program, reloads, everyReloads }: { program: [string, ...string[]]; reloads: number; everyReloads: number },
): Promise<Flow> {
  const ran = stage.path("ran.txt");
  await stage.write({ "ran.txt": "" });
  const tasks = await stage.write({ "flow/tasks.ts": handlers(ran, 0) });
  const broker = `sqlite:${stage.path("flow.db")}`;
  const args = ["--isolation", "shared", "--runners", "1"];
  const executor = await stage.executor({ broker, program, tasks, args, concurrency: 20 });
  const client = await stage.client(broker);
  const figures: FlowFigures[] = [];
  for (let n = 1; n <= reloads; n++) {
    await stage.write({ "flow/tasks.ts": handlers(ran, n) });
    await client.enqueue(Array.from({ length: TASKS_A_RELOAD }, (_, at) => requestOf(`${n}-${at}`, "flow", at * 15)));
    executor.kill("SIGHUP");
    await until(`generation ${n + 1}`, RELOAD_MS, async () => generationOf(executor).then((now) => now === n + 1));
    if (n % everyReloads === 0) figures.push(await figuresOf(executor, n));
  }
  await until("all tasks have ended", RELOAD_MS, async () => {
    const [counts] = await client.counts();
    return counts !== undefined && counts.queued + counts.running + counts.scheduled === 0;
  });
  await until("earlier generations have left", RELOAD_MS, async () => {
    const { runners } = await executor.status();
    return runners?.processes.every(({ generation }) => generation === reloads + 1) === true;
  });
  figures.push(await figuresOf(executor, reloads));
  const children = childrenOf(executor.pid);
  executor.kill("SIGTERM");
  await executor.ended;
  const undone = await undoneOf(client, reloads);
  return {
    ...{ figures, tasks: reloads * TASKS_A_RELOAD, undone },
    runs: runsIn(readFileSync(ran, "utf8")),
    left: children.filter(isThere),
  };
}

/** Notes each run of a task, and takes as many ms as its payload says. */
function handlers(ran: string, version: number): string {
  return `import { appendFileSync } from "node:fs";
import { defineTask } from "taskexe";
export const version = ${version};
export default defineTask({ type: "flow", run: async ({ payload, task }) => {
  appendFileSync(${JSON.stringify(ran)}, task.id + "\\n");
  await new Promise((resolve) => setTimeout(resolve, payload as number));
} });
`;
}

async function generationOf(executor: ExecutorProcess): Promise<number> {
  if (executor.hasEnded) throw new Error(`the executor has ended:\n${executor.output().slice(-4_000)}`);
  return (await executor.status()).runners?.generation ?? 0;
}

async function figuresOf(executor: ExecutorProcess, reloads: number): Promise<FlowFigures> {
  const { memory } = await executor.status();
  return {
    reloads,
    rssMb: memory.rss_bytes / 1024 / 1024,
    descriptors: readdirSync(`/proc/${executor.pid}/fd`).length,
    children: childrenOf(executor.pid).length,
  };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function undoneOf(client: Broker, reloads: number): Promise<string[]> {
  const undone: string[] = [];
  for (let n = 1; n <= reloads; n++) {
    for (let at = 0; at < TASKS_A_RELOAD; at++) {
      const record = await client.record(`${n}-${at}`);
      const { state, attempt, crashes } = record ?? { state: "gone", attempt: 0, crashes: 0 };
      if (state === "done" && attempt === 1 && crashes === 0) continue;
      undone.push(`${n}-${at}: ${state}, attempt ${attempt}, ${crashes} crashes`);
    }
  }
  return undone;
}

function runsIn(text: string): Map<string, number> {
  const runs = new Map<string, number>();
  for (const id of text.trim().split("\n")) runs.set(id, (runs.get(id) ?? 0) + 1);
  return runs;
}
