/**
 * What it costs to run a user's code apart: a user's no-op handler at concurrency 100 on Redis, in a shared runner, in
 * runners of its own and in Python, beside the same file inline and both ways of BullMQ. All in one run on one server.
 */
import { consumeRows } from "./consume.ts";
import { isolationSide, pythonSide } from "./ours/runner-sides.ts";
import { startRedis } from "./redis-server.ts";
import type { Check, Outcome, Row } from "./results.ts";
import { bullmqSandboxSide, bullmqSide } from "./rivals/bullmq.ts";
import type { Context } from "./rounds.ts";
import { idleRunners } from "./runners-idle.ts";
import { SCRIPT_RUNTIMES } from "./scripts.ts";
import type { WatchedSide } from "./sides.ts";
import { watched } from "./watched.ts";

const BENCH = "runners";
const CONCURRENCY = 100;
/** BullMQ's sandbox has a process for each job at a time. */
const SANDBOX_PROCESSES = [4, 100];

const NOTES = [
  "runners: a user's no-op handler from a file of its own, at concurrency 100, counted as in consume-redis: warm, " +
    "from outside. CPU and memory are those of the executor or Worker process alone, runners left out. Own attempts " +
    "run on as many runners as by default (twice the processors, at least 4).",
  "runners: BullMQ's inline Worker is the faster of its two runtimes; its sandboxed processors (a file, on Node) are " +
    `tried with a concurrency, and so as many processes, of ${SANDBOX_PROCESSES.join(" and ")}; the ratio is to the ` +
    "faster.",
];

export async function runners(context: Context): Promise<Outcome> {
  const server = await startRedis(context.redisDurability);
  const shared = isolationSide(server, "shared");
  const inline = isolationSide(server, "inline");
  const own = isolationSide(server, "own");
  const pythons = [1, 2].map((processes) => pythonSide(server, processes));
  const bullmq = SCRIPT_RUNTIMES.map((on) => bullmqSide(server, on, "removed"));
  const node = SCRIPT_RUNTIMES.filter(({ name }) => name === "Node");
  const sandboxes = node.flatMap((on) =>
    SANDBOX_PROCESSES.map((processes) => bullmqSandboxSide(server, on, processes)),
  );
  const sides = [shared, inline, own, ...pythons, ...bullmq, ...sandboxes];
  try {
    const cases = sides.map((side) => ({
      side: watched(side, { redis: server.pid }),
      concurrency: CONCURRENCY,
      setting: sandboxes.includes(side) ? "a process a job" : `concurrency ${CONCURRENCY}`,
    }));
    const rows = await consumeRows(BENCH, context, cases);
    const ratio = (other: readonly WatchedSide[]) => best(rows, [shared]) / best(rows, other);
    const [one, two] = pythons.map((side) => best(rows, [side]));
    const checks = [
      check("shared / BullMQ inline, its better runtime", ratio(bullmq), "x", 5, 6),
      check("shared / ours inline", ratio([inline]), "x", 0.5),
      check("shared / BullMQ's sandbox, its better setting", ratio(sandboxes), "x", 10),
      check("Python, one process", one ?? Number.NaN, "tasks/s", 6_000),
      check("Python, two processes", two ?? Number.NaN, "tasks/s", 15_000),
      check("own, warm", best(rows, [own]), "tasks/s", 6_000),
    ];
    const idle = await idleRunners(context, server);
    return { rows: [...rows, ...idle.rows], checks: [...checks, ...idle.checks], notes: [...NOTES, ...idle.notes] };
  } finally {
    for (const side of sides) await side.close();
    await server.stop();
  }
}

/** The best figure that one of these sides has. */
function best(rows: readonly Row[], sides: readonly WatchedSide[]): number {
  const names = sides.map(({ name }) => name);
  return Math.max(...rows.filter(({ side }) => names.includes(side)).map(({ value }) => value));
}

function check(what: string, value: number, unit: string, target: number, aim: number | null = null): Check {
  return { bench: BENCH, what, value, unit, relation: ">=", target, aim };
}
