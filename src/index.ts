/**
 * The package root: everything that programs and handler files may import from "taskexe".
 * Importing it is cheap: it starts nothing, opens nothing and reads nothing.
 */

export { BrokerUnavailableError, type CancelReceipt, type EnqueueReceipt, type QueueCounts } from "./broker/broker.ts";
export type { ListPage, LogLine, PauseTarget, PurgeQuery, RetryReceipt } from "./broker/contract/admin.ts";
export type { EditReceipt } from "./broker/contract/edit.ts";
export type { Client, Item, MixedItem } from "./client/client.ts";
export { type ConnectOptions, connect } from "./client/connect.ts";
export {
  ClientClosedError,
  ClientOverloadedError,
  NotThroughExecutorError,
  PartlyEnqueuedError,
} from "./client/errors.ts";
export type { ClientLockOptions, TriedLock } from "./client/locks.ts";
export * from "./concurrency/index.ts";
export {
  defineTask,
  type Enqueue,
  type EnqueuedTask,
  isTaskDefinition,
  type PayloadSchema,
  type TaskContext,
  type TaskDefinition,
  type TaskInfo,
  type TaskLog,
} from "./handlers/define-task.ts";
export { RefusedEnqueueError } from "./handlers/enqueue-error.ts";
export type { PromoteReceipt, TaskChange } from "./operations/changes/edit.ts";
export type { Schedule, ScheduledRun } from "./operations/schedules/schedule.ts";
export { UnknownScheduleError } from "./operations/schedules/schedule-control.ts";
export { UnknownTaskError, type WatchEvent } from "./operations/watch/watch.ts";
export {
  type HeldLock,
  LockLostError,
  LockNotTakenError,
  type LockOptions,
  LockRefusedError,
} from "./task/lock/lock.ts";
export { InvalidTaskError } from "./task/message/new-task.ts";
export type { EnqueueOptions } from "./task/options/enqueue-options.ts";
export { DoNotRetryError, RetryLaterError } from "./task/options/retry.ts";
export type { Backoff } from "./task/options/run-options.ts";
export type { ListedTask } from "./task/record/listed-task.ts";
export type { TaskRecord } from "./task/record/record.ts";
export type { TaskState } from "./task/state.ts";
export { CronError } from "./task/times/cron.ts";
