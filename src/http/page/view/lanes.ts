/**
 * The attempts of a task on lanes over one axis of time: since when it waited, when it was claimed, when it ran, how
 * long its end waited to be recorded. What is not known is not drawn. The same stands beside the lane in words.
 */
import type { AttemptTimes } from "../../../task/record/attempt-times.ts";
import type { AttemptError } from "../../../task/record/record.ts";
import type { TaskState } from "../../../task/state.ts";
import { span } from "./format.ts";
import { h, type View } from "./h.ts";
import type { Around } from "./page.ts";
import { moment, stateBadge } from "./parts.ts";
import { firstLine, name } from "./text.ts";
import { words } from "./words.ts";

export interface LaneTask {
  readonly state: TaskState;
  readonly attempt: number;
  readonly errors: readonly AttemptError[];
  readonly times: AttemptTimes | null;
  readonly executor: string | null;
  readonly enqueued_at: number | null;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly due_at: number | null;
}

interface Part {
  readonly kind: "waited" | "claimed" | "between" | "ran" | "recorded";
  readonly from: number;
  readonly to: number;
}

interface Lane {
  readonly attempt: number;
  readonly executor: string | null;
  readonly parts: readonly Part[];
  readonly ending: TaskState;
  readonly error: string | null;
  readonly endedAt: number | null;
}

/** Of the axis, in its own units. */
const WIDTH = 1_000;
/** The shortest part is still to be seen. */
const LEAST = 4;

export function lanes(task: LaneTask, around: Around): View {
  const all = lanesOf(task, around.now);
  const from = Math.min(...all.flatMap(({ parts }) => parts.map((part) => part.from)));
  const to = Math.max(...all.flatMap(({ parts }) => parts.map((part) => part.to)), from + 1);
  const x = (at: number): number => ((at - from) / (to - from)) * WIDTH;
  return h(
    "ol",
    { class: "lanes" },
    all.map((lane) => laneRow(lane, x, around)),
  );
}

function lanesOf(task: LaneTask, now: number): Lane[] {
  const earlier = task.errors.filter(({ attempt, at }) => attempt < task.attempt || at !== task.finished_at);
  const failed = earlier.filter(({ attempt }) => attempt < Math.max(1, task.attempt) || task.state === "retrying");
  let since = task.enqueued_at ?? task.started_at ?? now;
  const result: Lane[] = [];
  for (const { attempt, at, executor, name: kind, message, times } of failed) {
    const isLast = attempt === task.attempt && task.started_at !== null && task.started_at <= at;
    const begun = isLast ? (task.started_at ?? since) : since;
    const parts: readonly Part[] = times
      ? partsOf(times, at)
      : isLast
        ? [{ kind: "waited", from: since, to: begun } as const, { kind: "ran", from: begun, to: at } as const]
        : [{ kind: "between", from: since, to: at } as const];
    result.push({ attempt, executor, parts, ending: "retrying", error: `${kind}: ${message}`, endedAt: at });
    since = at;
  }
  if (task.state !== "retrying") result.push(lastLane(task, since, now));
  return result;
}

function lastLane(task: LaneTask, since: number, now: number): Lane {
  const { state, attempt, executor, started_at: started, finished_at: finished } = task;
  const end = finished ?? now;
  const lane = { attempt: Math.max(1, attempt), executor, ending: state, error: null, endedAt: finished };
  if (task.times !== null && finished !== null) return { ...lane, parts: partsOf(task.times, finished) };
  const hasRun = started !== null && state !== "queued" && state !== "scheduled";
  const parts: Part[] = hasRun
    ? [
        { kind: "waited", from: Math.min(since, started), to: started },
        { kind: "ran", from: started, to: Math.max(started, end) },
      ]
    : [{ kind: "waited", from: since, to: Math.max(since, end) }];
  return { ...lane, parts };
}

/** Back from when its end was recorded. */
function partsOf(times: AttemptTimes, recordedAt: number): Part[] {
  const { waited_ms, claimed_ms, ran_ms, recorded_ms } = times;
  const ended = recordedAt - recorded_ms;
  const begun = ended - ran_ms;
  const claimed = begun - (claimed_ms ?? 0);
  return [
    { kind: "waited", from: claimed - (waited_ms ?? 0), to: claimed },
    { kind: "claimed", from: claimed, to: begun },
    { kind: "ran", from: begun, to: ended },
    { kind: "recorded", from: ended, to: recordedAt },
  ];
}

function laneRow(
  { attempt, executor, parts, ending, error, endedAt }: Lane,
  x: (at: number) => number,
  around: Around,
) {
  const bars = parts.map(({ kind, from, to }) =>
    h("rect", {
      ...{
        class: kind === "ran" ? `ran ${ending}` : kind,
        x: Math.min(x(from), WIDTH - LEAST),
        y: kind === "ran" ? 3 : 7,
      },
      ...{ width: Math.max(LEAST, x(to) - x(from)), height: kind === "ran" ? 14 : 6, rx: 2 },
    }),
  );
  const said = parts
    .filter(({ from, to }) => to > from)
    .map((part) => `${words.task.part[part.kind]} ${span(part.to - part.from)}`);
  return h(
    "li",
    { key: `${attempt} ${endedAt}` },
    h("span", { class: "soft" }, words.task.lane(attempt)),
    h(
      "svg",
      { viewBox: `0 0 ${WIDTH} 20`, preserveAspectRatio: "none", "aria-hidden": "true", width: "100%", height: 20 },
      bars,
    ),
    h(
      "span",
      { class: "said" },
      stateBadge(ending),
      said.join(", "),
      executor !== null && h("span", { class: "soft" }, name(executor, 60)),
      endedAt !== null && moment(endedAt, around),
      error !== null && h("span", { class: "bad" }, firstLine(error, 140)),
    ),
  );
}
