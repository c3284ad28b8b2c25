/**
 * What comes behind the end of a task: a task of the type that `on_done`, `on_dead` or `on_cancelled` names, enqueued
 * in the same step as the end, with the record of the ended task as payload. It waits in the same queue, with ordinary
 * priority; its id is made of the ended task's and of what was ended, so that it comes once.
 */
import { createHash } from "node:crypto";
import { formatMessage, isTooDeep, parseMessage } from "../../task/message/message.ts";
import type { TaskOptions } from "../../task/message/message-schema.ts";
import { beginningOf } from "../../task/record/listed-task.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import type { EndedState } from "../../task/state.ts";
import { JsonText } from "../../task/text/json-text.ts";
import type { EnqueueRequest } from "./producer.ts";

export interface FollowUp {
  readonly id: string;
  readonly type: string;
  /** The id of the task that has ended. */
  readonly follows: string;
  /** How long its record is kept, in ms. */
  readonly retentionMs: number;
}

/** How much of the message of an ended task is handed on, its beginning; in UTF-16 code units, in Redis in bytes. */
export const MOST_MESSAGE = 262_144;
/** Why a result is not handed on that is nested so deep that no message could hold it. */
export const RESULT_TOO_DEEP = "it is nested too deep to be handed on";
/** A longer id stands in that of the follow-up as its hash; in bytes. */
export const MOST_ID_BYTES = 200;

/** How the id of a follow-up begins. */
export function followPrefix(end: EndedState): string {
  return `on_${end}:`;
}

/**
 * @param of - the task, how it ended, and what was ended: the broker's own name for that, as a task may end more than
 *   once, after a retry by hand.
 */
export function followUpOf(
  type: string,
  retentionMs: number,
  of: { readonly id: string; readonly end: EndedState; readonly what: string },
): FollowUp {
  const { id, end, what } = of;
  const shown = Buffer.byteLength(id) <= MOST_ID_BYTES ? id : sha1(id);
  return { id: `${followPrefix(end)}${shown}:${sha1(`${id} ${what}`).slice(0, 8)}`, type, follows: id, retentionMs };
}

/** How long what follows the cancel of a waiting task is kept that keeps no record itself, in ms. */
export const KEPT_AFTER_CANCEL_MS = 86_400_000;

/** What follows a task that was cancelled while it waited; null: nothing does. @param told - by type, "" of any. */
export function afterCancel(
  message: string,
  told: Pick<ReadonlyMap<string, string>, "get">,
  { id, type, retentionMs, what }: { id: string; type: string; retentionMs: number; what: string },
): FollowUp | null {
  const says = message.includes('"follows"') || message.includes('"on_cancelled"');
  const read = says ? parseMessage(message) : null;
  const options: TaskOptions = read?.ok === true ? read.message.options : {};
  if (options.follows !== undefined) return null;
  const follower = options.on_cancelled ?? told.get(type) ?? told.get("");
  if (follower === undefined) return null;
  return followUpOf(follower, retentionMs || KEPT_AFTER_CANCEL_MS, { id, end: "cancelled", what });
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

/** Its message, before and behind its payload. */
export function aroundPayload({ id, type, follows }: FollowUp): readonly [before: string, after: string] {
  const message = formatMessage({ id, type, payload: null, options: { follows } });
  const end = message.lastIndexOf(',"taskexe":');
  return [message.slice(0, end - "null".length), message.slice(end)];
}

/** Whether a result has more levels than there is room for within a payload. */
export function isResultTooDeep(result: string | null): boolean {
  return result !== null && isTooDeep(`[[${result}]]`);
}

/** The request for it. @param record - of the task as it ended. */
export function followRequest({ id, type, follows, retentionMs }: FollowUp, record: TaskRecord): EnqueueRequest {
  const result = record.result === undefined ? null : JSON.stringify(record.result);
  const omitted = isResultTooDeep(result) ? { result: null, result_omitted: RESULT_TOO_DEEP } : {};
  const payload = JsonText.of({ ...record, message: beginningOf(record.message, MOST_MESSAGE), ...omitted });
  const message = formatMessage({ id, type, payload, options: { follows } });
  return { id, type, queue: record.queue, priority: 0, message, retentionMs };
}
