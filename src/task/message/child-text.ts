/** A task that a handler enqueues, as the JSON text that goes to the executor: its payload is written as it stands. */
import { JsonText } from "../text/json-text.ts";

export function childText(task: unknown): string {
  if (typeof task !== "object" || task === null || !("payload" in task)) return JSON.stringify(task);
  const { payload, ...head } = task;
  const text = payload instanceof JsonText ? payload.text.replaceAll("\n", " ") : JSON.stringify(payload);
  const rest = JSON.stringify(head);
  return text === undefined ? rest : `${rest.slice(0, -1)}${rest === "{}" ? "" : ","}"payload":${text}}`;
}
