/**
 * Follows one task: what changes in its record and its log, as events, until it has ended. Tells only what is
 * new; holds one record and where its log stood, nothing else. How it is read is watch-reader.ts.
 */

import { untilAnswered } from "../../broker/availability.ts";
import type { LogLine, TaskGlance } from "../../broker/contract/admin.ts";
import type { CancelScope } from "../../concurrency/index.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import { hasEnded, type TaskState } from "../../task/state.ts";
import { WaitingReasons } from "./waiting.ts";
import { readerOf, type WatchedBroker, type WatchReader } from "./watch-reader.ts";

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
 * @throws UnknownTaskError when there is no record of it; BrokerUnavailableError when the broker stays away; the cancel
 * of
 *   `scope`.
 */
export async function* watchTask(broker: WatchedBroker, id: string, scope: CancelScope): AsyncGenerator<WatchEvent> {
  const reader = readerOf(broker);
  const leave = reader.enter();
  try {
    yield* changesOf(broker, reader, id, scope);
  } finally {
    leave();
  }
}

async function* changesOf(
  broker: WatchedBroker,
  reader: WatchReader,
  id: string,
  scope: CancelScope,
): AsyncGenerator<WatchEvent> {
  const { signal } = scope;
  const reasons = new WaitingReasons(reader.fleet);
  let before: TaskGlance | null = null;
  let seen: TaskRecord | null = null;
  let record: TaskRecord | null = null;
  let [progress, messages, line] = [0, "", 0];
  for (;;) {
    signal.throwIfAborted();
    const known: TaskGlance | null = before;
    const glance: TaskGlance | null = await untilAnswered(broker, scope, () =>
      known ? reader.next(id, signal) : reader.now(id),
    );
    before = glance;
    if (glance !== null && glance.record !== known?.record) {
      record = await untilAnswered(broker, scope, () => reader.record(id, glance));
    }
    if (glance === null || record === null) {
      if (seen === null) throw new UnknownTaskError(`no record of a task ${JSON.stringify(id)} is kept`);
      yield { kind: "end", task: null };
      return;
    }
    const now: TaskRecord = record;
    // An executor writes the log of a task before its end, so what is read behind that is all of it. It is read before
    // anything is told: whoever leaves meanwhile still hears all that is known.
    let lines: readonly LogLine[] = [];
    if (glance.lastLine !== line || hasEnded(now.state)) {
      const after = glance.lastLine < line ? 0 : line;
      const tail = await untilAnswered(broker, scope, () => reader.logsAfter(id, after, glance));
      [line, lines] = [tail.last, tail.lines];
    }
    if (seen?.state !== now.state || seen.attempt !== now.attempt) {
      yield { kind: "state", state: now.state, attempt: now.attempt, task: now };
    }
    for (const each of lines) yield { kind: "log", line: each };
    const isRead = now !== seen;
    const told = isRead ? now : { progress: glance.progress, progress_msg: glance.progressMsg };
    if (told.progress !== progress || told.progress_msg !== messages) {
      yield { kind: "progress", progress: told.progress, message: textAfter(messages, told.progress_msg) };
      [progress, messages] = [told.progress, told.progress_msg];
    }
    seen = now;
    if (hasEnded(now.state)) {
      yield { kind: "end", task: now };
      return;
    }
    const reason = await untilAnswered(broker, scope, () => reasons.next(now));
    if (reason !== null) yield { kind: "waiting", reason };
  }
}

/** What `now` has behind `before`: a text that grows by lines and loses its beginning. */
export function textAfter(before: string, now: string): string {
  if (now.startsWith(before)) return now.slice(before.length).replace(/^\n/, "");
  for (let from = before.indexOf("\n"); from !== -1; from = before.indexOf("\n", from + 1)) {
    const kept = before.slice(from + 1);
    if (kept !== "" && now.includes(kept)) return now.slice(now.indexOf(kept) + kept.length).replace(/^\n/, "");
  }
  return now;
}
