/**
 * What one executor is told to do, from anywhere: the last order for it, which its next beat brings, and which ends by
 * itself. It is for one process: a successor of that name does not take it.
 */
import * as v from "valibot";

export const COMMANDS = ["quiet", "resume", "drain", "resize"] as const;
export type ExecutorCommand = (typeof COMMANDS)[number];

/** How long an order is there, in ms: more than the longest time between two beats. */
export const ORDER_MS = 60_000;

/** How many slots an executor can be given. */
export const MOST_SLOTS = 10_000;

const OrderSchema = v.object({
  /** Its own; the executor tells it in its beats once it has done it. */
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(100)),
  command: v.picklist(COMMANDS),
  /** Of a resize. */
  slots: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_SLOTS))),
  /** Of the process that it is for, as its beats tell them. */
  pid: v.number(),
  boot_at: v.string(),
});

export type ExecutorOrder = Readonly<v.InferOutput<typeof OrderSchema>>;

/** An order out of its JSON; null where it is none, as of another version. */
export function readOrder(json: string): ExecutorOrder | null {
  try {
    const read = v.safeParse(OrderSchema, JSON.parse(json));
    return read.success ? read.output : null;
  } catch {
    return null;
  }
}
