/**
 * `taskexe enqueue`: one task from the arguments; prints its id, and with `--wait` its result.
 * Many tasks from a file are in enqueue-lines.ts, the waiting in wait-for-task.ts.
 */
import { type Broker, BrokerUnavailableError, type EnqueueReceipt } from "../broker/broker.ts";
import type { CancelScope } from "../concurrency/index.ts";
import type { Settings } from "../config/settings.ts";
import { type PreparedTask, requestOf } from "../task/new-task.ts";
import { CREATES, patiently, withBroker } from "./client.ts";
import { enqueueLines } from "./enqueue-lines.ts";
import { CommandFailure, EXIT_USAGE, usageError } from "./exit.ts";
import { type Options, settingsOf, text } from "./flags.ts";
import { type NewTask, preparedOf } from "./new-task.ts";
import { sayIfLost } from "./outlets.ts";
import { note, printJson, printLine } from "./output.ts";
import {
  durationOf,
  ENQUEUE_FLAGS,
  enqueueOptionsOf,
  flagOf,
  payloadOf,
  priorityOf,
  queueOf,
} from "./task-arguments.ts";
import { type WaitOptions, waitForTask } from "./wait-for-task.ts";

/** Runs the command. Returns the exit code. */
export async function enqueue(
  type: string | undefined,
  payload: string | undefined,
  options: Options,
): Promise<number> {
  const lines = text(options.jsonl);
  const waitTimeoutMs = durationOf(options, "waitTimeout", "enqueue");
  if (waitTimeoutMs !== undefined && !options.wait) throw usageError("--wait-timeout goes with --wait", "enqueue");
  const settings = withQueue(settingsOf(options), queueOf(options, "enqueue"));
  const priority = priorityOf(options, settings.priorities, "enqueue");
  if (lines !== undefined) {
    if (type !== undefined) throw usageError("--jsonl takes its tasks from the file: no TYPE beside it", "enqueue");
    if (options.wait || options.id) throw usageError("--jsonl goes with neither --wait nor --id", "enqueue");
    const alone = ENQUEUE_FLAGS.find((name) => options[name] !== undefined);
    if (alone !== undefined) {
      throw usageError(`--jsonl does not go with ${flagOf(alone)}: each line says it for itself`, "enqueue");
    }
    const defaults = { queue: queueOf(options, "enqueue"), priority };
    const { retentionMs, priorities } = settings;
    return withBroker(
      settings,
      (broker, scope) =>
        enqueueLines(broker, scope, { path: lines, defaults, retentionMs, priorities, json: !!options.json }),
      CREATES,
    );
  }
  if (type === undefined) throw usageError("enqueue needs the TYPE of the task, or --jsonl FILE", "enqueue");
  const task = {
    type,
    payload: await payloadOf(payload),
    id: text(options.id),
    queue: queueOf(options, "enqueue"),
    priority,
    options: enqueueOptionsOf(options),
  };
  const wait = options.wait ? { json: !!options.json, timeoutMs: waitTimeoutMs } : null;
  return withBroker(
    settings,
    (broker, scope) => enqueueOne(broker, scope, task, settings, { ...options, wait }),
    CREATES,
  );
}

async function enqueueOne(
  broker: Broker,
  scope: CancelScope,
  task: NewTask,
  settings: Settings,
  { wait, json }: { readonly wait: WaitOptions | null; readonly json?: unknown },
): Promise<number> {
  const { retentionMs, priorities } = settings;
  const made = preparedOf(task, { now: broker.now(), retentionMs, priorities });
  if (!made.ok) throw new CommandFailure(made.reason.replace(/^deadlineAt:/, "flag --deadline:"), EXIT_USAGE);
  if (wait !== null && made.task.retentionMs === 0) {
    const why = "nothing is kept of a task with a retention of 0, so its end could not be told";
    throw new CommandFailure(`--wait: ${why}`, EXIT_USAGE);
  }
  const receipt = await send(broker, scope, made.task, { isOurs: task.id === undefined });
  sayIfLost(`the task ${receipt.id} is enqueued`);
  if (!receipt.created) note(`taskexe: ${whyNot(receipt, made.task.id)}`);
  if (wait !== null) return waitForTask(broker, scope, receipt.id, wait);
  if (json) printJson(receipt);
  else printLine(receipt.id);
  return 0;
}

/** Sends it until the answer comes: always under the same id, so that a lost answer never makes two tasks of one. */
async function send(
  broker: Broker,
  scope: CancelScope,
  task: PreparedTask,
  id: { readonly isOurs: boolean },
): Promise<EnqueueReceipt> {
  try {
    return await patiently(broker, scope, async (again) => {
      const [receipt] = await broker.enqueue([requestOf(task, broker.now())]);
      if (receipt === undefined) throw new Error("the broker gave no receipt");
      // Nobody else has an id that was made here: the task is there since only the answer was lost.
      return again && id.isOurs && receipt.id === task.id ? { ...receipt, created: true } : receipt;
    });
  } catch (error) {
    if (error instanceof BrokerUnavailableError || scope.cancelCalled) {
      const again = `enqueue it again with --id ${task.id}`;
      note(`taskexe: whether ${task.id} was enqueued is not known; ${again}`);
    }
    throw error;
  }
}

function whyNot({ id, state }: EnqueueReceipt, asked: string): string {
  if (id === asked) return `a task with the id ${id} is there already: ${state}`;
  return `the task ${id} holds the unique key: ${state}`;
}

function withQueue(settings: Settings, queue: string): Settings {
  return { ...settings, queues: [...new Set([...settings.queues, queue])] };
}
