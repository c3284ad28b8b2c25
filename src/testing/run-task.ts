/** Runs one attempt of one task, as an executor would. */
import {
  abortable,
  type CancelScope,
  type Clock,
  openRoot,
  sleepForever,
  systemClock,
  withNursery,
} from "../concurrency/index.ts";
import type { TaskDefinition } from "../handlers/define-task.ts";
import { HandlerRegistry } from "../handlers/registry.ts";
import { prepare } from "../operations/prepare.ts";
import { parseMessage, withOptions } from "../task/message/message.ts";
import { type PreparedTask, requestOf } from "../task/message/new-task.ts";
import type { PayloadInput, PayloadSchema } from "../task/message/payload-schema.ts";
import { type EnqueueOptions, MAX_PRIORITIES } from "../task/options/enqueue-options.ts";
import { Attempts } from "./attempts.ts";
import { EXECUTOR, NotingBroker } from "./noting-broker.ts";
import type { TaskRun } from "./task-run.ts";

/** What an enqueue may say, and what belongs to the attempt. A delay and a unique key mean nothing here. */
export interface RunTaskOptions extends EnqueueOptions {
  /** The time of the attempt: its timeout, its deadline, what it sleeps. Default: the machine's. */
  readonly clock?: Clock;
  /** Which attempt it is, from 1 (the default). */
  readonly attempt?: number;
  /** Its abort cancels the task, as somebody's `cancel` would. */
  readonly signal?: AbortSignal;
}

const KEPT_MS = 24 * 3_600_000;
/** The grace of an executor that nothing else was said to. */
const GRACE_MS = 30_000;

/**
 * Runs one attempt: the payload goes through JSON and through the schema, `run` gets its nursery, scope, progress and
 * log, the timeout holds, and what it returns or throws becomes what the record would say.
 *
 * @throws InvalidTaskError where options are wrong, or the payload cannot be written as JSON; RangeError where
 *   `attempt` is no whole number from 1; the reason of `signal` where that has aborted before. Whatever the handler
 *   throws is in the answer.
 *
 * @example
 * ```ts
 * import { MockClock, runTask } from "taskexe/testing";
 *
 * const clock = new MockClock();
 * const running = runTask(fetchPage, { url: "https://example.org" }, { clock });
 * await clock.advance(30_000);
 * const { state, error } = await running; // "retrying", a TimeoutError
 * ```
 */
export function runTask(
  definition: TaskDefinition<undefined>,
  payload?: unknown,
  options?: RunTaskOptions,
): Promise<TaskRun>;
export function runTask<Schema extends PayloadSchema>(
  definition: TaskDefinition<Schema>,
  payload: PayloadInput<Schema>,
  options?: RunTaskOptions,
): Promise<TaskRun>;
export async function runTask(
  definition: TaskDefinition,
  payload: unknown,
  { clock = systemClock, attempt = 1, signal, ...options }: RunTaskOptions = {},
): Promise<TaskRun> {
  if (!Number.isInteger(attempt) || attempt < 1) {
    throw new RangeError(`attempt must be a whole number from 1, got ${attempt}`);
  }
  signal?.throwIfAborted();
  const root = openRoot({ clock });
  const broker = new NotingBroker(clock);
  await broker.open(root.signal);
  const asked = { type: definition.type, payload, options };
  const { task } = prepare(broker, { retentionMs: KEPT_MS, priorities: MAX_PRIORITIES }, asked, {
    options: definition,
  });
  const handlers = new HandlerRegistry();
  handlers.add(definition, "the test");
  const attempts = new Attempts(broker, handlers, { name: EXECUTOR, version: "0", concurrency: 1, graceMs: GRACE_MS });
  const { id } = task;
  await broker.enqueue([{ ...requestOf(atAttempt(task, attempt), broker.now()), delayMs: 0 }]);
  const asking = openRoot({ signal });
  let ended: TaskRun | undefined;
  try {
    await withNursery(root, async (nursery) => {
      nursery.startSoon(
        async (task) => {
          await abortable(cancelOf(asking), task.signal);
          broker.cancelNow(id);
        },
        { name: "cancel" },
      );
      [ended] = await attempts.run(broker.takeNow(1), nursery.scope);
      nursery.scope.cancel("the attempt has ended");
    });
    if (ended === undefined) throw new Error("the attempt has no end");
    return ended;
  } finally {
    // Takes the listener off the test's signal.
    asking.cancel("the attempt has ended");
    await broker.close();
  }
}

/** Resolves once the scope is cancelled. */
async function cancelOf({ signal }: CancelScope): Promise<void> {
  await sleepForever(signal).catch(() => {});
}

function atAttempt({ unique: _unique, ...task }: PreparedTask, attempt: number): PreparedTask {
  const read = parseMessage(task.message);
  if (attempt === 1 || !read.ok) return task;
  return { ...task, message: withOptions(task.message, { ...read.message.options, attempt }) };
}
