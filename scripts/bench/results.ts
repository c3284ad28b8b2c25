/** The shape of what a benchmark gives: rows of figures, and checks of ratios against what is promised. */

/** One side of one comparison under one setting. */
export interface Row {
  /** The benchmark: `consume-redis`, ... */
  readonly bench: string;
  /** Who was measured, with the runtime where that matters. */
  readonly side: string;
  /** The setting: `concurrency 100`, ... */
  readonly setting: string;
  /** What a power cut or a crash would lose on this side. */
  readonly durability: string;
  /** The median over the rounds, in `unit`; or one figure where there are no rounds. */
  readonly value: number;
  readonly unit: string;
  /** Every round's figure, in the order in which they were run. */
  readonly rounds: readonly number[];
  /** Further figures with their units in their names: `cpu_us_per_task`, `p95_ms`, ... */
  readonly more: Readonly<Record<string, number>>;
}

/** A promise, and what was measured. */
export interface Check {
  readonly bench: string;
  /** What is compared: "consume at concurrency 100, ours / BullMQ". */
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What it must reach: at least (`>=`) or less than (`<`). */
  readonly relation: ">=" | "<";
  readonly target: number;
  /** What is aimed at beyond it; null: nothing more. */
  readonly aim: number | null;
}

/** What one benchmark gives. */
export interface Outcome {
  readonly rows: readonly Row[];
  /** What is no figure: tables in Markdown, which can stand in a document. */
  readonly tables?: readonly string[];
  readonly checks: readonly Check[];
  /** What is counted and what is not, in sentences for the reader of the table. */
  readonly notes: readonly string[];
  /** Why a benchmark gave nothing. */
  readonly failures?: readonly string[];
}

/** Tells whether a check holds; a figure that is not a number never does. */
export function holds(check: Check): boolean {
  return check.relation === ">=" ? check.value >= check.target : check.value < check.target;
}

/** Adds up what several benchmarks gave. */
export function joined(outcomes: readonly Outcome[]): Required<Outcome> {
  return {
    rows: outcomes.flatMap(({ rows }) => rows),
    tables: outcomes.flatMap(({ tables = [] }) => tables),
    checks: outcomes.flatMap(({ checks }) => checks),
    notes: outcomes.flatMap(({ notes }) => notes),
    failures: outcomes.flatMap(({ failures = [] }) => failures),
  };
}
