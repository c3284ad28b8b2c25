/**
 * What structured concurrency costs, as one benchmark of the suite: concurrency.ts runs as a process of its own on each
 * runtime, so that no other benchmark's heap is in its way, and what it misses is missed here.
 */
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { start } from "./processes.ts";
import type { Check, Outcome, Row } from "./results.ts";
import type { Context } from "./rounds.ts";
import { SCRIPT_RUNTIMES, script } from "./scripts.ts";

const BENCH = "concurrency";

const NOTES = [
  "concurrency: time for one nursery with one child, and for one scope with a timeout that is met, thousands " +
    "of them one " +
    "after the other; a cancel through 10 000 waiting tasks is from the call until all have ended. Each runtime is a " +
    "process of its own; within it the sides take turns, and --rounds does not count.",
];

const DENO = {
  name: "Deno",
  command: fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url)),
  args: ["run", "--allow-all"],
} as const;

const Report = v.object({
  runtime: v.string(),
  rows: v.array(v.object({ what: v.string(), side: v.string(), value: v.number(), unit: v.picklist(["us", "ms"]) })),
  checks: v.array(
    v.object({ what: v.string(), value: v.number(), target: v.pipe(v.string(), v.regex(/^[<>]=? \d+$/)) }),
  ),
});

export async function concurrencyCost(context: Context): Promise<Outcome> {
  const rows: Row[] = [];
  const checks: Check[] = [];
  // A quick run shows that it works: what the executable runs on will do.
  const runtimes = context.quick ? SCRIPT_RUNTIMES.slice(0, 1) : [...SCRIPT_RUNTIMES, DENO];
  for (const { name, command, args } of runtimes) {
    const running = await start(command, [...args, script("concurrency.ts"), "--json"]);
    const { stdout, stderr } = await running.finished;
    const report = readReport(stdout, `${name}: ${stderr.slice(-2000)}`);
    context.progress(`${BENCH}: ${report.runtime}`);
    rows.push(...report.rows.map(({ what, side, value, unit }) => rowOf(name, what, side, value, unit)));
    checks.push(...report.checks.map(({ what, value, target }) => checkOf(name, what, value, target)));
  }
  return { rows, checks, notes: NOTES };
}

/** It ends with 1 where a target is missed, and with its figures all the same. */
function readReport(stdout: string, otherwise: string): v.InferOutput<typeof Report> {
  try {
    return v.parse(Report, JSON.parse(stdout));
  } catch (error) {
    throw new Error(`concurrency.ts gave no figures on ${otherwise}`, { cause: error });
  }
}

function rowOf(runtime: string, what: string, side: string, value: number, unit: string): Row {
  return {
    bench: BENCH,
    side: `${side} (${runtime})`,
    setting: what,
    durability: "",
    value,
    unit,
    rounds: [],
    more: {},
  };
}

function checkOf(runtime: string, what: string, value: number, target: string): Check {
  const unit = /, (us|ms)$/.exec(what)?.[1] ?? "x";
  const relation = target.startsWith("<") ? "<" : ">=";
  const promised = Number(target.replace(/^[<>=]+ /, ""));
  const name = `${what.replace(/, (us|ms)$/, "")} (${runtime})`;
  return { bench: BENCH, what: name, value, unit, relation, target: promised, aim: null };
}
