/** Whether a task is one that a query wants, by what no index of a broker knows. */
import { parseMessage } from "../../task/message/message.ts";
import type { ListedTask } from "../../task/record/listed-task.ts";
import type { Bound, PayloadTerm, TaskQuery, Wanted } from "./task-query.ts";

/** How a message begins that this program wrote, up to its payload. */
const OWN_START = /^\{"id":"(?:[^"\\]|\\.)+","task_type":"(?:[^"\\]|\\.)+","payload":/;

/** All but the payload. @param now - the broker's, Unix ms. */
export function matchesRecord(query: TaskQuery, task: ListedTask, now: number): boolean {
  const { type, id, executor, error, age, run, attempt, words } = query;
  if (type !== undefined && !meets(type, task.type)) return false;
  if (id !== undefined && !meets(id, task.id)) return false;
  if (executor !== undefined && (task.executor === null || !meets(executor, task.executor))) return false;
  const said = errorText(task);
  if (error !== undefined && !said.includes(error)) return false;
  if (
    !words.every((word) => [task.id, task.type, said].some((text) => text.toLowerCase().includes(word.toLowerCase())))
  ) {
    return false;
  }
  if (!within(attempt, task.attempt)) return false;
  if (!within(age, task.enqueued_at === null ? null : now - task.enqueued_at)) return false;
  return within(run, task.started_at === null ? null : (task.finished_at ?? now) - task.started_at);
}

/**
 * Whether another program has queued it: such a message has no payload.
 *
 * @returns null where only the whole message can tell.
 */
export function isForeign({ message, message_bytes: bytes }: ListedTask): boolean | null {
  if (OWN_START.test(message)) return false;
  if (Buffer.byteLength(message) < bytes) return null;
  return isForeignMessage(message);
}

/** @param message - whole. What cannot be read at all is no message of ours. */
export function isForeignMessage(message: string): boolean {
  const parsed = parseMessage(message);
  return !parsed.ok || parsed.message.foreign;
}

/** @param message - the whole message of the task. */
export function matchesPayload(terms: readonly PayloadTerm[], message: string): boolean {
  const parsed = parseMessage(message);
  if (!parsed.ok) return false;
  const { payload } = parsed.message;
  return terms.every(({ path, wanted }) => {
    const value = valueAt(payload, path);
    if (value === undefined) return false;
    if ("is" in wanted) return typeof value === "number" && within([wanted], value);
    return meets(wanted, typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  });
}

function valueAt(payload: unknown, path: readonly string[]): unknown {
  let value = payload;
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

function errorText({ error, reason }: ListedTask): string {
  return `${error?.name ?? ""} ${error?.message ?? ""} ${reason ?? ""}`.toLowerCase();
}

function meets({ text, isPrefix }: Wanted, value: string): boolean {
  return isPrefix ? value.startsWith(text) : value === text;
}

/** What is not known is in no bounds. */
function within(bounds: readonly Bound[], value: number | null): boolean {
  return bounds.every((bound) => value !== null && (bound.is === ">" ? value > bound.value : value < bound.value));
}
