/** `[source.NAME]`: a key of Redis whose members become tasks: a list, or a sorted set. */
import * as v from "valibot";
import type { KeySource } from "../../broker/contract/sources.ts";
import { DEFAULT_TYPE, TypeSchema } from "../../task/message/message-schema.ts";
import { DEFAULT_QUEUE, MAX_PRIORITIES, QueueNameSchema } from "../../task/options/enqueue-options.ts";
import { DAY, duration, wholeNumber } from "../values.ts";

/** One of them. */
export interface SourceTable extends Omit<KeySource, "retentionMs"> {
  readonly origin: string;
  /** Null: the setting says it. */
  readonly retentionMs: number | null;
}

const KEY = "the name of a key, 1 to 1000 characters, which does not begin with taskexe: or te.";
const ORDER = 'left or right of a list, "time" or "score" of a sorted set';
const ORDERS = { list: ["left", "right"], zset: ["time", "score"] } as const;

const Source = v.strictObject({
  kind: v.picklist(["list", "zset"], "list or zset"),
  key: v.pipe(
    v.string(KEY),
    v.regex(/^.{1,1000}$/s, KEY),
    // Its own keys are no place for others' members.
    v.check((key) => !key.startsWith("taskexe:") && !key.startsWith("te."), KEY),
  ),
  type: v.optional(v.custom<string>((given) => v.is(TypeSchema, given), "a task type of 1 to 128 characters")),
  order: v.optional(v.picklist(["left", "right", "time", "score"], ORDER)),
  queue: v.optional(
    v.custom<string>((given) => v.is(QueueNameSchema, given), 'the name of a queue, which does not end in "-cancel"'),
  ),
  priority: v.optional(wholeNumber(0, MAX_PRIORITIES - 1)),
  retention: v.optional(duration(0, 365 * DAY)),
});

export const SOURCE = {
  kind: "source",
  names: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/, "a name of letters, digits and . _ -, at most 64 of them")),
  schema: Source,
  make(
    table: v.InferOutput<typeof Source>,
    { name, origin }: { readonly name: string; readonly origin: string },
  ): SourceTable {
    const { kind, key, type = DEFAULT_TYPE, queue = DEFAULT_QUEUE, priority = 0 } = table;
    const order = table.order ?? ORDERS[kind][0];
    return { name, origin, kind, key, type, order, queue, priority, retentionMs: table.retention ?? null };
  },
} as const;

/** Why one cannot be served. */
export const NEEDS_KEYS = "this broker has no lists and sorted sets from which tasks could be taken";

/** What is wrong with one beyond its single entries; null: nothing. */
export function sourceProblem({ origin, kind, order }: SourceTable): string | null {
  if (ORDERS[kind].some((each) => each === order)) return null;
  return `${origin} order: expected ${ORDERS[kind].join(" or ")} for a ${kind}, got "${order}"`;
}
