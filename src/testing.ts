/**
 * What tests of handlers need, under `bun test`, `node --test` and Deno: one attempt of a task (`runTask`), a queue in
 * memory that is worked off when the test says so (`TestQueue`), and virtual time (`MockClock`). An attempt goes
 * through the same steps as in an executor, so what a test sees is what a record would say. No server, no file, no
 * timer that the test does not move.
 */

export { MockClock } from "./concurrency/mock-clock.ts";
export { type RunTaskOptions, runTask } from "./testing/run-task.ts";
export type { EnqueuedTask, LoggedLine, TaskRun, ToldProgress } from "./testing/task-run.ts";
export { TestQueue, type TestQueueOptions } from "./testing/test-queue.ts";
