/**
 * What the pages ask of the API, each question with the type of its answer. The types are those that the API's own
 * routes are made of; this is the border where the JSON gets them back.
 */
import type * as v from "valibot";
import type { ExecutorStatus } from "../../../executor/status/status.ts";
import type { PausedView } from "../../../operations/views/pause-view.ts";
import type { QueueJson } from "../../../operations/views/queue-view.ts";
import type { ScheduleView } from "../../../operations/views/schedule-view.ts";
import type { TaskAndLogView } from "../../../operations/views/task-view.ts";
import type { ListedTask } from "../../../task/record/listed-task.ts";
import type { HistoryJson } from "../../api/routes/history-routes.ts";
import type { TreeJson as Tree } from "../../tree-view.ts";
import type { Ask } from "./page.ts";

export interface QueuesAnswer {
  readonly counted_at: number;
  readonly queues: readonly QueueJson[];
  readonly left_out: number;
  readonly paused: v.InferOutput<typeof PausedView>;
}

export interface TasksAnswer {
  readonly looked?: number;
  readonly tasks: readonly ListedTask[];
  readonly cursor: string | null;
}

export interface TypesAnswer {
  readonly types: readonly {
    readonly type: string;
    readonly executors: number;
    readonly paused: boolean;
    readonly loaded: boolean;
  }[];
  readonly more: boolean;
}

export interface TypeAnswer {
  readonly type: string;
  readonly loaded: boolean;
  readonly payload_schema: Readonly<Record<string, unknown>> | null;
  readonly queue: string | null;
}

export interface SchedulesAnswer {
  readonly schedules: readonly v.InferOutput<typeof ScheduleView>[];
  readonly cursor: string | null;
}

export type TaskAnswer = v.InferOutput<typeof TaskAndLogView>;

const API = "/api/v1";

export async function askStatus(ask: Ask): Promise<ExecutorStatus> {
  return JSON.parse(await ask("/status")) as ExecutorStatus;
}

export async function askQueues(ask: Ask): Promise<QueuesAnswer> {
  return JSON.parse(await ask(`${API}/queues`)) as QueuesAnswer;
}

export async function askTasks(ask: Ask, query: Readonly<Record<string, string | null>>): Promise<TasksAnswer> {
  const said = Object.entries(query).filter((each): each is [string, string] => each[1] !== null && each[1] !== "");
  return JSON.parse(await ask(`${API}/tasks?${new URLSearchParams(said)}`)) as TasksAnswer;
}

/** A task, and the text of it, in which numbers are exact. */
export async function askTask(ask: Ask, id: string): Promise<{ readonly text: string; readonly answer: TaskAnswer }> {
  const text = await ask(`${API}/tasks/${encodeURIComponent(id)}`);
  return { text, answer: JSON.parse(text) as TaskAnswer };
}

export async function askHistory(ask: Ask, query: Readonly<Record<string, string>>): Promise<HistoryJson> {
  return JSON.parse(await ask(historyPath(query))) as HistoryJson;
}

export function historyPath(query: Readonly<Record<string, string>>): string {
  return `${API}/history?${new URLSearchParams(query)}`;
}

export async function askTree(ask: Ask): Promise<Tree> {
  return JSON.parse(await ask("/status/tree")) as Tree;
}

export async function askTypes(ask: Ask): Promise<TypesAnswer> {
  return JSON.parse(await ask(`${API}/types`)) as TypesAnswer;
}

export async function askType(ask: Ask, type: string): Promise<TypeAnswer> {
  return JSON.parse(await ask(`${API}/types/${encodeURIComponent(type)}`)) as TypeAnswer;
}

export async function askSchedules(ask: Ask): Promise<SchedulesAnswer> {
  return JSON.parse(await ask(`${API}/schedules?limit=100`)) as SchedulesAnswer;
}
