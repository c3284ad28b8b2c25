/**
 * The package root: everything that programs and handler files may import from "taskexe".
 * Importing it is cheap: it starts nothing, opens nothing and reads nothing.
 */
export * from "./concurrency/index.ts";
export {
  defineTask,
  isTaskDefinition,
  type PayloadSchema,
  type TaskContext,
  type TaskDefinition,
  type TaskInfo,
  type TaskLog,
} from "./handlers/define-task.ts";
export type { Backoff } from "./task/message.ts";
