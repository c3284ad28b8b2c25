/**
 * The status for whoever may only look: what tasks say and carry stays with those who may read the tasks. Ids, types,
 * progress and all figures are there.
 */
import type { ExecutorStatus, RunnersJson } from "../executor/status/status.ts";
import type { MemberJson } from "../operations/views/member-view.ts";

const HELD_BACK = "its text is shown to whoever may read the tasks";

/**
 * The same without texts of progress, without the messages of tasks that heartbeats carry, and without what handler
 * files say when they cannot be loaded: their paths and errors.
 */
export function publicStatus(status: ExecutorStatus): ExecutorStatus {
  const current = Object.entries(status.current).map(([id, task]) => [id, { ...task, message: "" }] as const);
  const fleet = status.fleet.map(withoutMessages);
  return { ...status, current: Object.fromEntries(current), fleet, ...runnersOf(status) };
}

function runnersOf({ runners }: ExecutorStatus): { readonly runners?: RunnersJson } {
  if (runners === undefined) return {};
  const { reload } = runners;
  const told = reload?.reason === undefined ? {} : { reload: { ...reload, reason: HELD_BACK } };
  return { runners: { ...runners, problems: runners.problems.map(() => HELD_BACK), ...told } };
}

function withoutMessages(member: MemberJson): MemberJson {
  const current = member.beat?.current;
  if (current === undefined) return member;
  const tasks = Object.entries(current).map(([id, task]) => [id, typeOf(task)] as const);
  return { ...member, beat: { ...member.beat, current: Object.fromEntries(tasks) } };
}

function typeOf(task: unknown): { readonly task_type?: string } {
  if (typeof task !== "object" || task === null || !("task_type" in task)) return {};
  return typeof task.task_type === "string" ? { task_type: task.task_type } : {};
}
