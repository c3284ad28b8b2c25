/**
 * `taskexe enqueue`: one task from the arguments; prints its id, and with `--wait` its result.
 * Many tasks from a file are in enqueue-lines.ts, the waiting in wait-for-task.ts.
 */
import type { Command } from "commander";
import { type Broker, BrokerUnavailableError, type EnqueueReceipt } from "../../broker/broker.ts";
import type { CancelScope } from "../../concurrency/index.ts";
import type { Settings } from "../../config/settings.ts";
import { type NewTask, prepare, requestsOf } from "../../operations/prepare.ts";
import { InvalidTaskError, type PreparedTask } from "../../task/message/new-task.ts";
import { sending } from "../../task/trace/sending.ts";
import { readTrace, type TraceContext } from "../../task/trace/trace-context.ts";
import { type Options, settingsOf, text, withBrokerFlags, withRunFlags } from "../arguments/flags.ts";
import {
  durationOf,
  ENQUEUE_FLAGS,
  enqueueOptionsOf,
  flagOf,
  payloadOf,
  priorityOf,
  queueOf,
} from "../arguments/task-arguments.ts";
import { recordChange } from "../changes/record-change.ts";
import { sayIfLost } from "../output/outlets.ts";
import { note, printJson, printLine } from "../output/print.ts";
import { CommandFailure, EXIT_USAGE, usageError } from "../process/exit.ts";
import { type WaitOptions, waitForTask } from "../process/wait-for-task.ts";
import { CREATES, patiently, withBroker } from "../process/with-broker.ts";
import { enqueueLines } from "./enqueue-lines.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withRunFlags(withBrokerFlags(command))
    .description("enqueue a task and print its id, or many from a file of JSON lines")
    .usage("[options] TYPE [JSON | @FILE | -]\n       taskexe enqueue [options] --jsonl FILE|-")
    .argument("[type]", "the type of the task")
    .argument("[payload]", "the payload as JSON, as @FILE to read it from, or - for standard input")
    .option("--id <id>", "the id; enqueueing the same id again changes nothing (default: a new one)")
    .option("--queue <name>", "the queue", "common")
    .option("--priority <number>", "0 is ordinary, 1 is urgent; up to 9 where the setting priorities says so", "0")
    .option("--delay <duration>", "queue it only after this time")
    .option("--at <time>", "queue it then: 2026-01-31T12:00:00Z, or Unix ms")
    .option("--deadline <time>", "when it must have ended: a duration from now, 2026-01-31T12:00:00Z, or Unix ms")
    .option("--wait", "wait for the end and print the result; why it waits is told after 2 s")
    .option("--wait-timeout <duration>", "wait no longer than this and exit with 1; the task goes on")
    .option("--jsonl <file>", 'a task a line: {"type","payload","id"?,"queue"?,...}; - for standard input')
    .option("--json", "print JSON")
    .action(async (type: string | undefined, payload: string | undefined, options: Options) =>
      exit(await enqueue(type, payload, options)),
    );
}

/** Runs the command. Returns the exit code. */
async function enqueue(type: string | undefined, payload: string | undefined, options: Options): Promise<number> {
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
    const asked = { path: lines, defaults, retentionMs, priorities, trace: traceOfCaller(), json: !!options.json };
    return withBroker(settings, (broker, scope) => enqueueLines(broker, scope, asked), CREATES);
  }
  if (type === undefined) throw usageError("enqueue needs the TYPE of the task, or --jsonl FILE", "enqueue");
  const place = { id: text(options.id), queue: queueOf(options, "enqueue"), priority };
  const task = { type, payload: await payloadOf(payload), options: { ...enqueueOptionsOf(options), ...place } };
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
  wanted: NewTask,
  settings: Settings,
  { wait, json }: { readonly wait: WaitOptions | null; readonly json?: unknown },
): Promise<number> {
  const task = prepared(broker, wanted, settings);
  if (wait !== null && task.retentionMs === 0) {
    const why = "nothing is kept of a task with a retention of 0, so its end could not be told";
    throw new CommandFailure(`--wait: ${why}`, EXIT_USAGE);
  }
  const receipt = await send(broker, scope, task, { isOurs: wanted.options?.id === undefined });
  const { type, queue } = task;
  await recordChange(broker, { what: "enqueueTasks", of: { type, queue }, count: receipt.created ? 1 : 0 });
  sayIfLost(`the task ${receipt.id} is enqueued`);
  if (!receipt.created) note(`taskexe: ${whyNot(receipt, task.id)}`);
  if (wait !== null) return waitForTask(broker, scope, receipt.id, wait);
  if (json) printJson(receipt);
  else printLine(receipt.id);
  return 0;
}

function prepared(broker: Broker, wanted: NewTask, settings: Settings): PreparedTask {
  try {
    const { retentionMs, priorities } = settings;
    return prepare(broker, { retentionMs, priorities, trace: traceOfCaller() }, wanted).task;
  } catch (error) {
    if (!(error instanceof InvalidTaskError)) throw error;
    throw new CommandFailure(error.message.replace(/^deadlineAt:/, "flag --deadline:"), EXIT_USAGE);
  }
}

/** A command of an attempt, or of anybody who does so, has its trace in its environment. */
function traceOfCaller(): TraceContext | null {
  return readTrace(process.env.TRACEPARENT, process.env.TRACESTATE);
}

/** Sends it until the answer comes: always under the same id, so that a lost answer never makes two tasks of one. */
async function send(
  broker: Broker,
  scope: CancelScope,
  task: PreparedTask,
  id: { readonly isOurs: boolean },
): Promise<EnqueueReceipt> {
  try {
    const ask = async (again: boolean): Promise<EnqueueReceipt> => {
      const [receipt] = await broker.enqueue(requestsOf([task], broker));
      if (receipt === undefined) throw new Error("the broker gave no receipt");
      // Nobody else has an id that was made here: the task is there since only the answer was lost.
      return again && id.isOurs && receipt.id === task.id ? { ...receipt, created: true } : receipt;
    };
    return await sending([task], () => patiently(broker, scope, ask));
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
