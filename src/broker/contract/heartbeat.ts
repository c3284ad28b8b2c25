/**
 * What a heartbeat tells, for all that read one: one schema. Beats of RagFlow's executors, and of other versions, come
 * through it, too: a key that is missing, or is not what it should be, is as if it were not told; unknown ones stay.
 */
import * as v from "valibot";
import { JsonObjectSchema, objectOf } from "../../task/message/json-object.ts";

const Figure = told(v.pipe(v.number(), v.finite()));
const Names = told(v.array(v.string()));

const RunnerSchema = v.looseObject({
  pid: v.number(),
  kind: v.string(),
  isolation: v.string(),
  state: v.string(),
  /** Which load of the handlers it has, from 1. */
  generation: Figure,
  /** How many attempts it has, and how many have ended there. */
  tasks: v.number(),
  done: v.number(),
  rss_bytes: v.number(),
  /** ISO 8601; null: it has nothing to do. */
  busy_since: v.nullable(v.string()),
});

const Counts = v.array(v.pipe(v.number(), v.minValue(0)));

/** What it has counted since it booted: src/metrics/work-json.ts says what each is. */
const WorkSchema = v.looseObject({
  types: objectOf(
    v.looseObject({ running: v.number(), minute: v.tuple([v.number(), v.number()]), ran: Counts, waited: Counts }),
  ),
  pairs: v.array(v.tuple([v.string(), v.string(), Counts])),
  queues: objectOf(Counts),
  left_out: Figure,
});

export const HeartbeatSchema = v.looseObject({
  ip_address: told(v.string()),
  pid: Figure,
  /** ISO 8601, of its start. */
  boot_at: told(v.string()),
  /** Ended tasks. RagFlow's executors know no other than `failed` of those that are not done. */
  done: Figure,
  failed: Figure,
  dead: Figure,
  cancelled: Figure,
  concurrency: Figure,
  /** `running` or `draining`. */
  state: told(v.string()),
  slots_taken: Figure,
  /** True: it was told to claim nothing. Absent: it claims. */
  quiet: told(v.boolean()),
  /** The last order that it has taken (contract/orders.ts). */
  order: told(v.string()),
  /** How long it holds a claim without a renewal, in ms. */
  lease_ms: Figure,
  /** What it serves, where it tells all of it: `more_types` counts types that are left out. */
  queues: Names,
  types: Names,
  more_types: Figure,
  /** The processes that run its handlers; `more_runners` counts those that are left out. */
  runners: told(v.array(RunnerSchema)),
  more_runners: Figure,
  work: told(WorkSchema),
  /** When its tasks began, Unix ms on the broker's clock, by id. */
  started: told(JsonObjectSchema),
  /** Its tasks by id: the messages as they came. */
  current: told(JsonObjectSchema),
});

export type Heartbeat = Readonly<v.InferOutput<typeof HeartbeatSchema>>;

/** A beat out of its JSON; null where that is no JSON object. */
export function readBeat(json: string): Heartbeat | null {
  try {
    const beat: unknown = JSON.parse(json);
    if (typeof beat !== "object" || beat === null || Array.isArray(beat)) return null;
    // In the order in which it was told.
    return { ...beat, ...v.parse(HeartbeatSchema, beat) };
  } catch (error) {
    // Not ours, or broken: its age still counts.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function told<S extends v.GenericSchema>(schema: S) {
  return v.fallback(v.optional(schema), undefined);
}
