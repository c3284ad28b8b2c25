/** Queues: what is in each, who serves it, and pausing it for the whole fleet. */
import type { QueueJson } from "../../../operations/views/queue-view.ts";
import { askQueues, type QueuesAnswer } from "../view/api.ts";
import { count, span } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { type Oldest, oldestOf } from "../view/oldest.ts";
import { type Around, definePage, eventsOf, tasksPath } from "../view/page.ts";
import { type Column, pausedMark, section, table } from "../view/parts.ts";
import { name } from "../view/text.ts";
import { words } from "../view/words.ts";

export interface QueuesData {
  readonly answer: QueuesAnswer;
  readonly oldest: Oldest;
}

export const queues = definePage<QueuesData>({
  name: "queues",
  title: () => words.pages.queues,
  async load(ask) {
    const answer = await askQueues(ask);
    return { answer, oldest: await oldestOf(answer.queues, ask) };
  },
  view: ({ answer, oldest }, around) =>
    h(
      "div",
      { class: "stack" },
      h("div", { class: "title" }, h("h1", null, words.pages.queues)),
      section(
        words.queues.title,
        { aside: h("span", { class: "soft" }, words.queues.hint) },
        queueTable(answer.queues, oldest, around),
      ),
      answer.left_out > 0 && h("p", { class: "soft" }, words.frame.more(answer.left_out)),
    ),
  streams: () => [eventsOf("queues")],
});

const COLUMNS: readonly Column[] = [
  { title: words.columns.queue },
  { title: words.columns.waiting, kind: "n" },
  { title: words.columns.oldest, kind: "n" },
  { title: words.columns.running, kind: "n" },
  { title: words.columns.scheduled, kind: "n mid" },
  { title: words.columns.dead, kind: "n" },
  { title: words.columns.done, kind: "n mid" },
  { title: words.columns.cancelled, kind: "n mid" },
  { title: words.columns.executors, kind: "n mid" },
];

/** One table for all pages that show queues. */
export function queueTable(all: readonly QueueJson[], oldest: Oldest, around: Around): View {
  const canChange = around.may.includes("pauseQueue");
  const actions: Column[] = canChange ? [{ title: words.columns.actions, kind: "n scripted", hidden: true }] : [];
  return table(
    words.queues.title,
    [...COLUMNS, ...actions],
    all.map((queue) => queueRow(queue, oldest[queue.name], canChange, around)),
  );
}

function queueRow(queue: QueueJson, since: number | undefined, canChange: boolean, around: Around): View {
  const { name: queueName, paused, executors } = queue;
  const cell = (state: "queued" | "running" | "scheduled" | "dead" | "done" | "cancelled", kind = "n") => {
    const number = queue[state];
    const text = count(number);
    const link = h("a", { href: tasksPath(`state:${state} queue:${queueName}`) }, text);
    return h("td", { class: state === "dead" && number > 0 ? `${kind} bad` : kind }, number > 0 ? link : text);
  };
  const what = paused ? "resume" : "pause";
  return h(
    "tr",
    { key: queueName, "data-row": queueName, "data-kind": "queue" },
    h(
      "th",
      { scope: "row" },
      h("a", { href: tasksPath(`queue:${queueName}`) }, name(queueName)),
      paused && pausedMark(),
    ),
    cell("queued"),
    h("td", { class: "n" }, since === undefined ? "–" : span(around.now - since)),
    cell("running"),
    cell("scheduled", "n mid"),
    cell("dead"),
    cell("done", "n mid"),
    cell("cancelled", "n mid"),
    h("td", { class: executors === 0 ? "n mid bad" : "n mid" }, executors === 0 ? words.nobody : count(executors)),
    canChange &&
      h(
        "td",
        { class: "n scripted" },
        h(
          "button",
          {
            ...{ type: "button", class: "quiet", "data-do": what, "data-kind": "queue", "data-name": queueName },
            "aria-label": `${words.actions[what]} ${name(queueName)}`,
          },
          words.actions[what],
        ),
      ),
  );
}
