/**
 * `[source.NAME]`: what becomes tasks beside what is enqueued: the members of a key of Redis (a list, a sorted set), or
 * the files that are moved into a folder.
 */
import { resolve } from "node:path";
import * as v from "valibot";
import type { FolderSource, KeySource } from "../../broker/contract/sources.ts";
import { withHome } from "../../runtime/process/home.ts";
import { DEFAULT_TYPE, TypeSchema } from "../../task/message/message-schema.ts";
import { DEFAULT_QUEUE, MAX_PRIORITIES, QueueNameSchema } from "../../task/options/enqueue-options.ts";
import { pathFrom } from "../paths.ts";
import { DAY, duration, wholeNumber } from "../values.ts";
import { PathSchema } from "./table-values.ts";

interface OfTable {
  readonly origin: string;
  /** Null: the setting says it. */
  readonly retentionMs: number | null;
  /** What is wrong beyond the single entries; null: nothing. */
  readonly problem: string | null;
}

/** One of them. */
export type SourceTable = (Omit<KeySource, "retentionMs"> & OfTable) | (Omit<FolderSource, "retentionMs"> & OfTable);

const KEY = "the name of a key, 1 to 1000 characters, which does not begin with taskexe: or te.";
const ORDER = 'left or right of a list, "time" or "score" of a sorted set';
const ORDERS = { list: ["left", "right"], zset: ["time", "score"] } as const;

const Source = v.strictObject({
  kind: v.picklist(["list", "zset", "folder"], "list, zset or folder"),
  key: v.optional(
    v.pipe(
      v.string(KEY),
      v.regex(/^.{1,1000}$/s, KEY),
      // Its own keys are no place for others' members.
      v.check((key) => !key.startsWith("taskexe:") && !key.startsWith("te."), KEY),
    ),
  ),
  folder: v.optional(PathSchema),
  type: v.optional(v.custom<string>((given) => v.is(TypeSchema, given), "a task type of 1 to 128 characters")),
  order: v.optional(v.picklist(["left", "right", "time", "score"], ORDER)),
  queue: v.optional(
    v.custom<string>((given) => v.is(QueueNameSchema, given), 'the name of a queue, which does not end in "-cancel"'),
  ),
  priority: v.optional(wholeNumber(0, MAX_PRIORITIES - 1)),
  retention: v.optional(duration(0, 365 * DAY)),
});

type Given = v.InferOutput<typeof Source>;

export const SOURCE = {
  kind: "source",
  names: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/, "a name of letters, digits and . _ -, at most 64 of them")),
  schema: Source,
  make(
    table: Given,
    { name, origin, folder: from }: { readonly name: string; readonly origin: string; readonly folder: string },
  ): SourceTable {
    const { kind, key = "", type = DEFAULT_TYPE, queue = DEFAULT_QUEUE, priority = 0 } = table;
    const said = { name, origin, type, queue, priority, retentionMs: table.retention ?? null };
    const problem = problemOf(table, origin);
    if (kind !== "folder") return { ...said, problem, kind, key, order: table.order ?? ORDERS[kind][0] };
    return { ...said, problem, kind, folder: resolve(withHome(pathFrom(table.folder ?? "", from))) };
  },
} as const;

/** Why one cannot be served. */
export const NEEDS_KEYS = "this broker has no lists and sorted sets from which tasks could be taken";

function problemOf({ kind, key, folder, order }: Given, origin: string): string | null {
  const [needed, other] = kind === "folder" ? (["folder", "key"] as const) : (["key", "folder"] as const);
  const given = { key, folder };
  if (given[needed] === undefined) return `${origin}: ${needed} is missing`;
  if (given[other] !== undefined) return `${origin} ${other}: a ${kind} has none, but a ${needed}`;
  if (order === undefined) return null;
  if (kind === "folder") return `${origin} order: a folder has none: its files are taken in the order of their names`;
  if (ORDERS[kind].some((each) => each === order)) return null;
  return `${origin} order: expected ${ORDERS[kind].join(" or ")} for a ${kind}, got "${order}"`;
}
