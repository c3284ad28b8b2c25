/** Parts of the page of a task: the errors of its attempts, and how to ask for it from a terminal. */
import type { AttemptError, ErrorRecord } from "../../../task/record/record.ts";
import { span } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import type { Around } from "../view/page.ts";
import { moment, section } from "../view/parts.ts";
import { lines, name } from "../view/text.ts";
import { words } from "../view/words.ts";
import type { TaskData } from "./task-data.ts";

type Task = TaskData["task"];

/** The newest first; it is open. */
export function errors({ errors: all }: Task, around: Around): View | null {
  if (all.length === 0) return null;
  const newest = all.toReversed();
  return section(
    words.task.errors,
    {},
    newest.map((error, at) => attemptError(error, at === 0, around)),
  );
}

function attemptError(error: AttemptError, isOpen: boolean, around: Around): View {
  const { attempt, at, executor, ended_by: ended } = error;
  return h(
    "details",
    { class: "more", open: isOpen, key: `${attempt} ${at}` },
    h(
      "summary",
      null,
      h("strong", null, words.task.lane(attempt)),
      " ",
      h("span", { class: "bad" }, name(error.name, 80)),
      " ",
      h("span", { class: "soft" }, moment(at, around), ` ${name(executor, 60)}`),
      ended && h("span", { class: "chip warn" }, words.task.endedBy(ended.how, span(ended.after_ms))),
    ),
    errorText(error, 0),
  );
}

function errorText({ name: kind, message, stack, parts = [] }: ErrorRecord, depth: number): View {
  // A stack begins with the message, as a rule.
  const text = stack === undefined ? `${kind}: ${message}` : stack.includes(message) ? stack : `${message}\n${stack}`;
  return h(
    "div",
    { class: "error" },
    h("pre", { class: "wrap", tabindex: 0 }, lines(text, 8_000)),
    depth < 8 &&
      parts.length > 0 &&
      h(
        "ul",
        { class: "parts" },
        parts.map((part) => h("li", null, errorText(part, depth + 1))),
      ),
  );
}

/** How to ask for the task without this page. */
export function commands({ id, state }: Task): View {
  const path = `/api/v1/tasks/${encodeURIComponent(id)}`;
  const isLiving = !["done", "dead", "cancelled"].includes(state);
  const command = (text: string): View => h("pre", { class: "wrap" }, h("code", null, lines(text)));
  return section(
    words.task.asCommand,
    { aside: h("a", { href: path, class: "soft" }, words.task.raw) },
    h(
      "div",
      { class: "body commands" },
      command(`taskexe task ${quoted(id)}`),
      isLiving && command(`taskexe watch ${quoted(id)}`),
      isLiving && command(`taskexe cancel ${quoted(id)}`),
      (state === "dead" || state === "cancelled") && command(`taskexe retry ${quoted(id)}`),
      command(`curl -s http://localhost:8080${path.replaceAll("'", "%27")}`),
    ),
  );
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w.:@%+=/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
