/**
 * The JSON form of what a watch tells: a kind and its data. A server-sent event has the kind as its name; a line of
 * `watch --json` has it beside the data.
 */
import type { WatchEvent } from "../watch/watch.ts";
import { taskView } from "./task-view.ts";

export interface WatchEventJson {
  readonly kind: WatchEvent["kind"];
  readonly data: object;
}

export function watchEventView(event: WatchEvent): WatchEventJson {
  if (event.kind === "log") return { kind: event.kind, data: event.line };
  const { kind, ...data } = event;
  if (!("task" in data)) return { kind, data };
  return { kind, data: { ...data, task: data.task === null ? null : taskView(data.task) } };
}
