/**
 * The JSON form of what executors have counted of one type, summed over them: /status has those of one executor, the
 * API and `taskexe types` those of all that live. Percentiles are estimated from the buckets of histograms.
 */
import * as v from "valibot";
import { percentilesInMs, summed } from "../../metrics/percentiles.ts";
import { OUTCOME, RAN_BOUNDS, WAITED_BOUNDS } from "../../metrics/task-series.ts";
import type { Pair, TypeWork } from "../../metrics/work-json.ts";

const PercentilesView = v.nullable(v.object({ p50: v.number(), p95: v.number(), p99: v.number() }));

export const TypeFiguresView = v.object({
  /** Attempts that run now. */
  running: v.number(),
  /** How attempts ended, since those executors booted. */
  done: v.number(),
  retried: v.number(),
  dead: v.number(),
  cancelled: v.number(),
  lost: v.number(),
  /** In the last minute: attempts that were done, and such as failed. */
  done_per_minute: v.number(),
  failed_per_minute: v.number(),
  /** How long attempts ran, and how long their tasks had waited, in ms; null: none has ended, or it is not known. */
  run_ms: PercentilesView,
  wait_ms: PercentilesView,
});

export type TypeFigures = v.InferOutput<typeof TypeFiguresView>;

/** What one executor tells, by type. */
export interface Work {
  readonly types: Readonly<Record<string, TypeWork>>;
  readonly pairs: readonly Pair[];
}

interface Sum {
  readonly running: number;
  readonly minute: readonly [number, number];
  readonly ran: readonly number[];
  readonly waited: readonly number[];
  readonly outcomes: readonly number[];
}

const NONE: Sum = { running: 0, minute: [0, 0], ran: [], waited: [], outcomes: [] };

/** Of a type of which nothing was counted. */
export const NO_FIGURES: TypeFigures = figuresOf(NONE);

/** What all of them have counted together, by type. */
export function typeFigures(works: Iterable<Work>): Map<string, TypeFigures> {
  const sums = new Map<string, Sum>();
  for (const { types, pairs } of works) {
    for (const [type, told] of Object.entries(types)) {
      const sum = sums.get(type) ?? NONE;
      sums.set(type, {
        ...sum,
        running: sum.running + told.running,
        minute: [sum.minute[0] + told.minute[0], sum.minute[1] + told.minute[1]],
        ran: summed(sum.ran, told.ran),
        waited: summed(sum.waited, told.waited),
      });
    }
    for (const [, type, outcomes] of pairs) {
      const sum = sums.get(type);
      if (sum !== undefined) sums.set(type, { ...sum, outcomes: summed(sum.outcomes, outcomes) });
    }
  }
  return new Map([...sums].map(([type, sum]) => [type, figuresOf(sum)]));
}

function figuresOf({ running, minute, ran, waited, outcomes }: Sum): TypeFigures {
  const count = (outcome: keyof typeof OUTCOME): number => outcomes[OUTCOME[outcome]] ?? 0;
  return {
    running,
    ...{ done: count("done"), retried: count("retry"), dead: count("dead") },
    ...{ cancelled: count("cancelled"), lost: count("lost") },
    ...{ done_per_minute: rounded(minute[0]), failed_per_minute: rounded(minute[1]) },
    run_ms: percentilesInMs(ran, RAN_BOUNDS),
    wait_ms: percentilesInMs(waited, WAITED_BOUNDS),
  };
}

/** Sums of tenths are no tenths. */
function rounded(rate: number): number {
  return Math.round(rate * 10) / 10;
}
