/**
 * The package root: everything that programs and handler files may import from "taskexe".
 * Importing it is cheap: it starts nothing, opens nothing and reads nothing.
 */

export { BrokerUnavailableError, type CancelReceipt, type EnqueueReceipt, type QueueCounts } from "./broker/broker.ts";
export type { ListPage, LogLine, PauseTarget, PurgeQuery, RetryReceipt } from "./broker/contract/admin.ts";
export type { Client, Item, MixedItem } from "./client/client.ts";
export { type ConnectOptions, connect } from "./client/connect.ts";
export { ClientClosedError, ClientOverloadedError, PartlyEnqueuedError } from "./client/errors.ts";
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
export type { Schedule, ScheduledRun } from "./operations/schedules/schedule.ts";
export { UnknownScheduleError } from "./operations/schedules/schedule-control.ts";
export { UnknownTaskError, type WatchEvent } from "./operations/watch.ts";
export { CronError } from "./task/cron.ts";
export type { EnqueueOptions } from "./task/enqueue-options.ts";
export type { ListedTask } from "./task/listed-task.ts";
export { InvalidTaskError } from "./task/new-task.ts";
export type { TaskRecord } from "./task/record.ts";
export { DoNotRetryError, RetryLaterError } from "./task/retry.ts";
export type { Backoff } from "./task/run-options.ts";
export type { TaskState } from "./task/state.ts";
