/**
 * What a bad handler does to its neighbours: 200 good tasks with one bad one among them, four at a time, in ours and in
 * the peers that run handlers in processes of their own. Bounded: 512 MB a runner, and under 30 s a scene.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runtime } from "../../src/runtime/index.ts";
import { DEEDS, type Deed } from "./hostile-deeds.ts";
import {
  CONCURRENCY,
  endMarked,
  GOOD,
  type HostileSide,
  MARK,
  MEMORY_MB,
  marked,
  type Scene,
  type Sight,
  stopMain,
} from "./hostile-sides.ts";
import { ourHostileSide } from "./ours/hostile-side.ts";
import { startRedis } from "./redis-server.ts";
import type { Check, Outcome } from "./results.ts";
import { bullmqHostileSide } from "./rivals/bullmq-hostile.ts";
import { celeryHostileSide } from "./rivals/celery-hostile.ts";
import type { Context } from "./rounds.ts";
import { removeFolders, tempFolder } from "./temp-folders.ts";

const BENCH = "hostile";
/** How long the first good task may take to be done, and all of them from then on. */
const START_MS = 40_000;
const SCENE_MS = 25_000;
const POLL_MS = 50;
const REASON_LENGTH = 110;

const NOTES = [
  `hostile: ${GOOD.all} good tasks that wait for 50 ms, ${CONCURRENCY} at a time on Redis, and one bad task after ` +
    `the first ${GOOD.before}. A scene ends when all have ended, or ${SCENE_MS / 1000} s after the first has; then ` +
    "the executor or worker gets SIGTERM, and SIGKILL after 5 s. Left are the processes found in /proc a second " +
    "later. Run again: how often a good handler began once more.",
  `hostile: memory is bounded to ${MEMORY_MB} MB a process: ours by runner_max_rss, BullMQ's children by ` +
    "--max-old-space-size, Celery's by ulimit -v of 1 GB. Time: 5 s by ours, 5 s and 6 s (soft, hard) by Celery; " +
    "BullMQ's sandbox has no such limit. All else is at its default; in ours a bad task has neighbours in its " +
    "process then. Celery's stray rejection is an exception in a thread.",
];

interface Result extends Sight {
  readonly deed: Deed;
  readonly side: string;
  readonly runAgain: number;
  readonly left: number;
}

export async function hostile(context: Context): Promise<Outcome> {
  const server = await startRedis(context.redisDurability);
  const celery = await celeryHostileSide(server, context.progress);
  const ours = ourHostileSide(server);
  const sides = [ours, bullmqHostileSide(server), ...(celery === null ? [] : [celery])];
  const left =
    celery === null ? ["hostile: Celery is left out: python3 with venv and pip could not install it here."] : [];
  const results: Result[] = [];
  const failures: string[] = [];
  const tryScene = async (side: HostileSide, deed: Deed) => {
    try {
      const result = await scene(side, deed);
      results.push(result);
      context.progress(`${BENCH}: ${deed}: ${side.name}: ${cell(result)}`);
    } catch (error) {
      failures.push(`${BENCH}: ${deed}: ${side.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  try {
    // No time is measured, so the sides of one scene run beside each other, on databases of their own.
    for (const deed of Object.keys(DEEDS) as Deed[]) await Promise.all(sides.map((side) => tryScene(side, deed)));
  } finally {
    await server.stop();
  }
  const us = results.filter(({ side }) => side === ours.name);
  return {
    rows: [],
    tables: [markdown(results, sides)],
    checks: checks(us),
    notes: [...NOTES, ...left],
    failures,
  };
}

async function scene(side: HostileSide, deed: Deed): Promise<Result> {
  const folder = tempFolder();
  const runs = join(folder, "runs");
  const mark = folder;
  const begun = await side.begin(deed, { [MARK]: mark, BENCH_RUNS: runs });
  try {
    const start = await lookUntil(begun, START_MS, ({ goodDone }) => goodDone > 0);
    if (start.goodDone === 0) throw new Error(`${side.name} did nothing in its first ${START_MS / 1000} s`);
    if (marked(mark).length === 0) throw new Error(`${side.name}: its processes do not show in /proc`);
    const sight = await lookUntil(begun, SCENE_MS, ({ goodDone, bad }) => bad.ended && goodDone === GOOD.all);
    await stopMain(begun.process);
    // Where not all are done, some have begun and not ended: nothing was run again that one could tell apart from that.
    const began = readFileSync(runs, { encoding: "utf8", flag: "a+" }).length;
    const runAgain = sight.goodDone === GOOD.all ? began - GOOD.all : 0;
    return { ...sight, deed, side: side.name, runAgain, left: marked(mark).length };
  } finally {
    endMarked(mark);
    await begun.process.stop(0);
    await begun.close();
    removeFolders([folder]);
  }
}

async function lookUntil(scene: Scene, limitMs: number, holds: (sight: Sight) => boolean): Promise<Sight> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const sight = await scene.look();
    if (holds(sight) || performance.now() > deadline) return sight;
    await runtime.sleep(POLL_MS);
  }
}

function checks(ours: readonly Result[]): Check[] {
  const base = { bench: BENCH, unit: "", aim: null };
  const least = Math.min(...ours.map(({ goodDone }) => goodDone));
  return [
    { ...base, what: "ours, good tasks done, the worst scene", value: least, relation: ">=", target: GOOD.all },
    {
      ...base,
      what: "ours, bad tasks that did not end",
      value: count(ours, ({ bad }) => !bad.ended),
      relation: "<",
      target: 1,
    },
    {
      ...base,
      what: "ours, scenes with processes left",
      value: count(ours, ({ left }) => left > 0),
      relation: "<",
      target: 1,
    },
  ];
}

function count(results: readonly Result[], counts: (result: Result) => boolean): number {
  return results.filter(counts).length;
}

/** A row a deed, a column a side; it can stand in a document as it is. */
function markdown(results: readonly Result[], sides: readonly HostileSide[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const names = sides.map(({ name }) => name);
  const rows = Object.keys(DEEDS).map((deed) => {
    const cells = names.map((name) => results.find((result) => result.side === name && result.deed === deed));
    return line([deed, ...cells.map((result) => (result === undefined ? "none" : cell(result)))]);
  });
  return [line(["the bad handler", ...names]), line(["---", ...names.map(() => "---")]), ...rows].join("");
}

function cell({ goodDone, runAgain, bad, left }: Result): string {
  const reason = bad.reason.split("\n")[0]?.replaceAll("|", "/").slice(0, REASON_LENGTH) ?? "";
  const end = bad.ended ? `${bad.state}${reason === "" ? "" : `: ${reason}`}` : `never ends (${bad.state})`;
  const again = runAgain === 0 ? "" : `, ${runAgain} run again`;
  return `${goodDone} of ${GOOD.all}${again}; ${end}; ${left} left`;
}
