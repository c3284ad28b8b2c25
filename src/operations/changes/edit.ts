/**
 * Changes to tasks that wait, by id: run now, another payload, priority or time; and a retry with another payload. A
 * payload is checked against the schema of the type, where that is known.
 */
import * as v from "valibot";
import type { Broker } from "../../broker/broker.ts";
import type { RetryReceipt } from "../../broker/contract/admin.ts";
import type { EditReceipt, TaskEdit } from "../../broker/contract/edit.ts";
import { DurationSchema } from "../../task/limits.ts";
import { InvalidTaskError, payloadText, told } from "../../task/message/new-task.ts";
import { DEFAULT_PRIORITIES, PrioritySchema } from "../../task/options/enqueue-options.ts";
import { hasEnded, isOpenTo, MOVES, type TaskState } from "../../task/state.ts";
import { TimeSchema } from "../../task/times/times.ts";
import { MUST_BE_OBJECT } from "../filters.ts";
import { checkPayload, type KnownType } from "../prepare.ts";

/** What is known of a type, by its name. */
export type KnownTypes = (type: string) => KnownType | undefined;

/** A change as it is asked for; what is absent stays. At most one of `at` and `delayMs`. */
export interface TaskChange {
  /** A value, or a JsonText that is kept as it is. */
  readonly payload?: unknown;
  /** 0 is ordinary, larger is more urgent. */
  readonly priority?: number | undefined;
  /** When it is to be queued; a time that has passed is now. */
  readonly at?: Date | number | undefined;
  /** In how many ms it is to be queued. */
  readonly delayMs?: number | undefined;
}

/** As in {@link CancelReceipt}; `promoted`: it is queued now, and was not before. */
export interface PromoteReceipt {
  readonly id: string;
  readonly state: TaskState | null;
  readonly promoted: boolean;
}

const ChangeSchema = v.pipe(
  v.strictObject(
    {
      payload: v.optional(v.unknown()),
      priority: v.optional(PrioritySchema),
      at: v.optional(TimeSchema),
      delayMs: v.optional(DurationSchema),
    },
    MUST_BE_OBJECT,
  ),
  v.check(({ at, delayMs }) => at === undefined || delayMs === undefined, "a delay and a time (at) exclude each other"),
  v.check((change) => Object.values(change).some((value) => value !== undefined), "must change something"),
);

/**
 * Changes one task that waits.
 *
 * @param priorities - how many the fleet has.
 * @throws (rejects) InvalidTaskError where the change cannot be; PayloadRefusedError where the schema of the type
 *   refuses the payload.
 */
export async function editTask(
  broker: Pick<Broker, "edit" | "record" | "now">,
  known: KnownTypes,
  id: string,
  change: TaskChange,
  priorities = DEFAULT_PRIORITIES,
): Promise<EditReceipt> {
  const read = v.safeParse(ChangeSchema, change);
  if (!read.success) throw new InvalidTaskError(told(read.issues));
  const { priority, at, delayMs } = read.output;
  if (priority !== undefined && priority >= priorities) {
    throw new InvalidTaskError(`priority: must be 0 to ${priorities - 1} (the setting priorities), got ${priority}`);
  }
  const payload = change.payload === undefined ? undefined : payloadText(change.payload);
  const state = payload === undefined ? null : await checkOf(broker, known, id, payload);
  // It is told what it is rather than what is wrong with a payload that it cannot have anyway.
  if (state !== null && (state === "running" || hasEnded(state))) return { id, state, edited: false };
  const delay = at === undefined ? delayMs : Math.max(0, Number(at) - broker.now());
  const edit: TaskEdit = {
    id,
    ...(payload === undefined ? {} : { payload: payload.text }),
    ...(priority === undefined ? {} : { priority }),
    ...(delay === undefined ? {} : { delayMs: delay }),
  };
  const [receipt] = await broker.edit([edit]);
  return receipt ?? { id, state: null, edited: false };
}

/**
 * Queues tasks at once that wait for their time; at most 1 000.
 *
 * @returns the receipts, in order.
 */
export async function promote(broker: Pick<Broker, "edit">, ids: readonly string[]): Promise<PromoteReceipt[]> {
  const receipts = await broker.edit(ids.map((id) => ({ id, delayMs: 0 })));
  return receipts.map(({ id, state, edited }) => ({ id, state, promoted: edited }));
}

/**
 * Queues dead and cancelled tasks again with another payload; at most 1 000.
 *
 * @throws (rejects) InvalidTaskError where the payload cannot be written; PayloadRefusedError where the schema of one
 *   of their types refuses it: then none is retried.
 */
export async function retryWith(
  broker: Pick<Broker, "retry" | "record">,
  known: KnownTypes,
  ids: readonly string[],
  payload: unknown,
): Promise<RetryReceipt[]> {
  const text = payloadText(payload);
  for (const id of ids) await checkOf(broker, known, id, text, (state) => isOpenTo(MOVES.revive, state));
  return broker.retry(ids, text.text);
}

/** Checks a payload for a task that is there and may have it; tells the state that it is in. */
async function checkOf(
  broker: Pick<Broker, "record">,
  known: KnownTypes,
  id: string,
  payload: ReturnType<typeof payloadText>,
  mayHave: (state: TaskState) => boolean = (state) => state !== "running" && !hasEnded(state),
): Promise<TaskState | null> {
  const record = await broker.record(id);
  if (record === null) return null;
  if (mayHave(record.state)) await checkPayload(payload, known(record.type));
  return record.state;
}
