/** The JSON form of a task among others: a record without what may be long in it. */
import type { TaskRecord } from "../../task/record.ts";

/** How much of each message is shown, in UTF-16 code units; the record of one task has all that is kept. */
const LISTED_MESSAGE_LENGTH = 1_000;

export function listedTaskView(task: TaskRecord): TaskRecord {
  return { ...task, message: task.message.slice(0, LISTED_MESSAGE_LENGTH), result: null };
}
