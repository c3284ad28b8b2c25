/**
 * Follows one task: what changes in its record and its log, as events, until it has ended. Asks the broker again and
 * again and tells only what is new; holds one record and where its log stood, nothing else.
 */

import type { LogLine } from "../broker/administration.ts";
import { untilAnswered } from "../broker/availability.ts";
import type { Broker } from "../broker/broker.ts";
import { type CancelScope, sleep } from "../concurrency/index.ts";
import type { TaskRecord } from "../task/record.ts";
import { hasEnded, type TaskState } from "../task/state.ts";
import { WaitingReasons } from "./waiting.ts";

/** Between two looks, in ms. */
const LOOK_MS = 200;

/** What was seen. Each is told once, in this order: state, log, progress, waiting; `end` is the last. */
export type WatchEvent =
  | { readonly kind: "state"; readonly state: TaskState; readonly attempt: number; readonly task: TaskRecord }
  | { readonly kind: "log"; readonly line: LogLine }
  /** `message` is what was added to the messages since the last event: a line or more, or nothing. */
  | { readonly kind: "progress"; readonly progress: number; readonly message: string }
  /** Why it waits, where that is known after 2 s: nobody serves it, it is paused, its time has not come. */
  | { readonly kind: "waiting"; readonly reason: string }
  /** The whole record; null where the task has ended and none was kept, so that how it ended is not known. */
  | { readonly kind: "end"; readonly task: TaskRecord | null };

/** No record of a task is kept under that id. */
export class UnknownTaskError extends Error {
  override readonly name = "UnknownTaskError";
}

/**
 * Watches a task until it has ended; the first events tell how it stands.
 *
 * @throws UnknownTaskError when there is no record of it; BrokerUnavailableError when the broker stays away; the cancel of
 *   `scope`.
 */
export async function* watchTask(broker: Broker, id: string, scope: CancelScope): AsyncGenerator<WatchEvent> {
  const { signal } = scope;
  let seen: TaskRecord | null = null;
  let log: readonly LogLine[] = [];
  const reasons = new WaitingReasons(broker);
  for (;;) {
    signal.throwIfAborted();
    const { record, lines } = await untilAnswered(broker, scope, () => look(broker, id));
    if (record === null) {
      if (seen === null) throw new UnknownTaskError(`no record of a task ${JSON.stringify(id)} is kept`);
      yield { kind: "end", task: null };
      return;
    }
    if (seen?.state !== record.state || seen.attempt !== record.attempt) {
      yield { kind: "state", state: record.state, attempt: record.attempt, task: record };
    }
    for (const line of linesAfter(log, lines)) yield { kind: "log", line };
    log = lines;
    if (seen?.progress !== record.progress || seen.progress_msg !== record.progress_msg) {
      const message = textAfter(seen?.progress_msg ?? "", record.progress_msg);
      if (seen !== null || record.progress !== 0 || message !== "") {
        yield { kind: "progress", progress: record.progress, message };
      }
    }
    seen = record;
    if (hasEnded(record.state)) {
      yield { kind: "end", task: record };
      return;
    }
    const reason = await untilAnswered(broker, scope, () => reasons.next(record));
    if (reason !== null) yield { kind: "waiting", reason };
    await sleep(LOOK_MS, signal);
  }
}

/** The record first: an executor writes the log of a task before its end, so what is read then is all of it. */
async function look(broker: Broker, id: string): Promise<{ record: TaskRecord | null; lines: readonly LogLine[] }> {
  const record = await broker.record(id);
  if (record === null) return { record, lines: [] };
  return { record, lines: await broker.logs(id) };
}

/** What `now` has behind `before`: both are the end of the same log, whose beginning may have gone. */
export function linesAfter(before: readonly LogLine[], now: readonly LogLine[]): readonly LogLine[] {
  for (let known = Math.min(before.length, now.length); known > 0; known--) {
    // Most often nothing has gone: then all of `before` stands at the start.
    if (before.slice(-known).every((line, index) => sameLine(line, now[index]))) return now.slice(known);
  }
  return now;
}

function sameLine(a: LogLine, b: LogLine | undefined): boolean {
  return b !== undefined && a.at === b.at && a.level === b.level && a.text === b.text;
}

/** The same for a text that grows by lines and loses its beginning. */
export function textAfter(before: string, now: string): string {
  if (now.startsWith(before)) return now.slice(before.length).replace(/^\n/, "");
  for (let from = before.indexOf("\n"); from !== -1; from = before.indexOf("\n", from + 1)) {
    const kept = before.slice(from + 1);
    if (kept !== "" && now.includes(kept)) return now.slice(now.indexOf(kept) + kept.length).replace(/^\n/, "");
  }
  return now;
}
