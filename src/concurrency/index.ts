// The structured-concurrency core: no task outlives the block that started it, no error vanishes, and one cancel
// reaches everything below it. Imports nothing else of the project. This file is the whole of its surface.

export { isCancellation } from "./absorb.ts";
export { CancelScope, openRoot } from "./cancel-scope.ts";
export { Cancelled, type CancelSource } from "./cancelled.ts";
export { CapacityLimiter, type LimiterStatistics, type Permit } from "./capacity-limiter.ts";
export { type ChannelStatistics, openChannel, type ReceiveChannel, type SendChannel } from "./channel.ts";
export { type Clock, systemClock } from "./clock.ts";
export {
  type ErrorClass,
  findError,
  flattenErrors,
  type LocatedError,
  locateErrors,
  splitErrors,
} from "./error-groups.ts";
export {
  AbandonedTaskError,
  BrokenResourceError,
  ClosedResourceError,
  EndOfChannelError,
  NurseryError,
  TooSlowError,
  WouldBlockError,
} from "./errors.ts";
export { Latch } from "./latch.ts";
export { type AbandonedTask, type Nursery, type NurseryOptions, withNursery } from "./nursery.ts";
export { onCancel } from "./on-cancel.ts";
export type { Task } from "./task.ts";
export { snapshotTree, type TreeNode } from "./tree.ts";
export { treeText } from "./tree-text.ts";
export { abortable, checkpoint, sleep, sleepForever } from "./waits.ts";
export { failAfter, moveOnAfter, type Outcome, type ScopeOptions, withScope } from "./with-scope.ts";
