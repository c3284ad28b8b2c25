/**
 * The options that say how a task is run: one row each. A row makes what enqueues, JSON lines and HTTP take, what
 * messages and definitions may say, the flags of the command line, the JSON of schedules, and what `task` shows. What
 * an option does is its rule in the executor's policy: whoever adds one writes a row, a rule, a line in the README and
 * a test.
 */
import * as v from "valibot";
import { DurationSchema } from "../limits.ts";
import { TypeSchema } from "../message/type-schema.ts";

/** How long to wait before the next attempt. `full jitter`: a random time between 0 and the computed delay. */
export const BackoffSchema = v.strictObject({
  kind: v.picklist(["fixed", "exponential"]),
  /** The first delay, in ms. */
  delay_ms: DurationSchema,
  /** The longest delay, in ms. */
  max_ms: v.optional(DurationSchema),
});

export type Backoff = v.InferOutput<typeof BackoffSchema>;

/**
 * How an enqueue says how its task is run; whatever is absent is the handler's to say, then the executor's settings'.
 */
export interface RunOptions {
  /** How many attempts there may be, 1 to 1 000. */
  readonly attempts?: number | undefined;
  /** How long to wait between attempts. */
  readonly backoff?: Backoff | undefined;
  /** How often an executor may die over it before it is quarantined, 0 to 1 000. */
  readonly crashBudget?: number | undefined;
  /** How long one attempt may take, in ms. */
  readonly timeoutMs?: number | undefined;
  /** How long the record is kept after the end, in ms; 0 keeps none. */
  readonly retentionMs?: number | undefined;
  /** The type of a task that is enqueued when this one is done, with its record as payload. */
  readonly onDone?: string | undefined;
  /** The same, when it is dead. */
  readonly onDead?: string | undefined;
  /** The same, when it is cancelled. */
  readonly onCancelled?: string | undefined;
}

/** How the command line reads the value of an option, and shows one; a number with its range. */
type Kind =
  | { readonly kind: "number"; readonly range: readonly [least: number, most: number] }
  | { readonly kind: "duration" }
  | { readonly kind: "backoff" }
  | { readonly kind: "type" };

/** One option. */
export type RunOption = Kind & {
  /** Its name in JSON: messages, HTTP, lines. */
  readonly json: string;
  /** What an enqueue may say. */
  readonly schema: v.GenericSchema;
  /** What a message may say: other producers are bound by what can be run alone. */
  readonly message: v.GenericSchema;
  /** What a definition may say, beside functions. */
  readonly definition: v.GenericSchema;
  readonly flag: string;
  /** What its flag takes, and what the help says of it. */
  readonly takes: string;
  readonly help: string;
};

/** How many attempts, and how many deaths over a task, an enqueue may ask for at the most. */
const MOST = 1_000;

export const RUN_OPTIONS = {
  attempts: {
    json: "attempts",
    kind: "number",
    range: [1, MOST],
    schema: wholeNumberFrom(1),
    message: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
    definition: integerFrom(1),
    flag: "--attempts",
    takes: "<number>",
    help: "how many attempts there may be",
  },
  backoff: {
    json: "backoff",
    kind: "backoff",
    schema: BackoffSchema,
    message: BackoffSchema,
    definition: BackoffSchema,
    flag: "--backoff",
    takes: "<backoff>",
    help: "how long to wait between attempts: fixed:5s or exponential:1s:10m",
  },
  crashBudget: {
    json: "crash_budget",
    kind: "number",
    range: [0, MOST],
    schema: wholeNumberFrom(0),
    message: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    definition: integerFrom(0),
    flag: "--crash-budget",
    takes: "<number>",
    help: "how often an executor may die over it",
  },
  timeoutMs: {
    json: "timeout_ms",
    kind: "duration",
    schema: DurationSchema,
    message: DurationSchema,
    definition: DurationSchema,
    flag: "--timeout",
    takes: "<duration>",
    help: "how long one attempt may take",
  },
  retentionMs: {
    json: "retention_ms",
    kind: "duration",
    schema: DurationSchema,
    message: DurationSchema,
    definition: DurationSchema,
    flag: "--retention",
    takes: "<duration>",
    help: "how long its record is kept after the end",
  },
  onDone: follower("on_done", "done"),
  onDead: follower("on_dead", "dead"),
  onCancelled: follower("on_cancelled", "cancelled"),
} as const satisfies { readonly [K in keyof Required<RunOptions>]: RunOption };

type Table = typeof RUN_OPTIONS;
export type RunOptionKey = keyof Table;

/** The rows, in order. */
export const RUN_OPTION_ROWS = Object.entries(RUN_OPTIONS) as readonly (readonly [RunOptionKey, RunOption])[];

/** Their names: with every task they are gone through. */
const KEYS = RUN_OPTION_ROWS.map(([key]) => key);

type Part = "schema" | "message" | "definition";
/** One optional entry of a schema for each option, by its name here or in JSON. */
type Entries<P extends Part> = { readonly [K in RunOptionKey]: v.OptionalSchema<Table[K][P], undefined> };
type JsonEntries<P extends Part> = {
  readonly [K in RunOptionKey as Table[K]["json"]]: v.OptionalSchema<Table[K][P], undefined>;
};

/** Entries of an object schema, by the names of programs. */
export function runEntries<P extends Part>(part: P): Entries<P> {
  return Object.fromEntries(RUN_OPTION_ROWS.map(([key, row]) => [key, v.optional(row[part])])) as Entries<P>;
}

/** The same by the names of JSON. */
export function runJsonEntries<P extends Part>(part: P): JsonEntries<P> {
  return Object.fromEntries(RUN_OPTION_ROWS.map(([, row]) => [row.json, v.optional(row[part])])) as JsonEntries<P>;
}

/** The options by the names of JSON. */
export type RunOptionsJson = { readonly [K in RunOptionKey as Table[K]["json"]]?: RunOptions[K] };

/** What an object says of how tasks are run, and nothing else of it; what it does not say is left out. */
export function runOptionsIn(given: RunOptions): RunOptions {
  const options: Record<string, unknown> = {};
  for (const key of KEYS) if (given[key] !== undefined) options[key] = given[key];
  return options;
}

/** The same by the names of JSON. */
export function runOptionsToJson(given: RunOptions): RunOptionsJson {
  const json: Record<string, unknown> = {};
  for (const key of KEYS) if (given[key] !== undefined) json[RUN_OPTIONS[key].json] = given[key];
  return json;
}

export function runOptionsOfJson(given: RunOptionsJson): RunOptions {
  const said: Readonly<Record<string, unknown>> = given;
  const options: Record<string, unknown> = {};
  for (const key of KEYS) options[key] = said[RUN_OPTIONS[key].json];
  return options;
}

/** What was said of each option; null: nothing was. */
export type SaidRunOptions = { readonly [K in RunOptionKey]: Exclude<RunOptions[K], undefined> | null };
type SaidJson = { -readonly [K in RunOptionKey as Table[K]["json"]]: SaidRunOptions[K] };
type SaidEntries = {
  readonly [K in RunOptionKey as Table[K]["json"]]: v.NullableSchema<Table[K]["message"], undefined>;
};

export function saidRunOptions(given: RunOptions): SaidRunOptions {
  return Object.fromEntries(RUN_OPTION_ROWS.map(([key]) => [key, given[key] ?? null])) as SaidRunOptions;
}

/** The same by the names of JSON. */
export function saidRunOptionsJson(said: SaidRunOptions): SaidJson {
  return Object.fromEntries(RUN_OPTION_ROWS.map(([key, { json }]) => [json, said[key]])) as SaidJson;
}

export function saidJsonEntries(): SaidEntries {
  return Object.fromEntries(RUN_OPTION_ROWS.map(([, row]) => [row.json, v.nullable(row.message)])) as SaidEntries;
}

/** The option that names the type of what follows one end of a task. */
function follower<Json extends string, End extends string>(json: Json, end: End) {
  return {
    json,
    kind: "type",
    schema: TypeSchema,
    message: TypeSchema,
    definition: TypeSchema,
    flag: `--${json.replace("_", "-")}`,
    takes: "<type>",
    help: `the type of a task that is enqueued, with its record, once it is ${end}`,
  } as const;
}

function wholeNumberFrom(least: number) {
  return v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(least, `must be ${least} or more`),
    v.maxValue(MOST, `must be at most ${MOST}`),
  );
}

function integerFrom(least: number) {
  return v.pipe(
    v.number("must be a number"),
    v.integer("must be an integer"),
    v.minValue(least, `must be ${least} or more`),
  );
}
