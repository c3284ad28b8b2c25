/**
 * `taskexe enqueue`: one task from the arguments; prints its id, and with `--wait` its result.
 * Many tasks from a file are in enqueue-lines.ts, the waiting in wait-for-task.ts.
 */
import type { Broker } from "../broker/broker.ts";
import type { CancelScope } from "../concurrency/index.ts";
import type { Settings } from "../config/settings.ts";
import { withBroker } from "./client.ts";
import { enqueueLines } from "./enqueue-lines.ts";
import { CommandFailure, EXIT_USAGE, usageError } from "./exit.ts";
import { type Options, settingsOf, text } from "./flags.ts";
import { readText } from "./input.ts";
import { readJson } from "./json-text.ts";
import { type NewTask, requestFor } from "./new-task.ts";
import { note, printJson, printLine } from "./output.ts";
import { waitForTask } from "./wait-for-task.ts";

/** Runs the command. Returns the exit code. */
export async function enqueue(
  type: string | undefined,
  payload: string | undefined,
  options: Options,
): Promise<number> {
  const lines = text(options.jsonl);
  const settings = withQueue(settingsOf(options), queueOf(options));
  if (lines !== undefined) {
    if (type !== undefined) throw usageError("--jsonl takes its tasks from the file: no TYPE beside it", "enqueue");
    if (options.wait || options.id) throw usageError("--jsonl goes with neither --wait nor --id", "enqueue");
    const defaults = { queue: queueOf(options), priority: priorityOf(options) };
    return withBroker(settings, (broker, scope) =>
      enqueueLines(broker, scope, { path: lines, defaults, retentionMs: settings.retentionMs, json: !!options.json }),
    );
  }
  if (type === undefined) throw usageError("enqueue needs the TYPE of the task, or --jsonl FILE", "enqueue");
  const task = {
    type,
    payload: await payloadOf(payload),
    id: text(options.id),
    queue: queueOf(options),
    priority: priorityOf(options),
  };
  return withBroker(settings, (broker, scope) => enqueueOne(broker, scope, task, settings, options));
}

async function enqueueOne(
  broker: Broker,
  scope: CancelScope,
  task: NewTask,
  settings: Settings,
  options: Options,
): Promise<number> {
  const made = requestFor(task, settings.retentionMs);
  if (!made.ok) throw new CommandFailure(made.reason, EXIT_USAGE);
  const [receipt] = await broker.enqueue([made.request]);
  if (receipt === undefined) throw new Error("the broker gave no receipt");
  if (!receipt.created) note(`taskexe: a task with the id ${receipt.id} is there already: ${receipt.state}`);
  if (options.wait) return waitForTask(broker, scope, receipt.id, { json: !!options.json });
  if (options.json) printJson(receipt);
  else printLine(receipt.id);
  return 0;
}

async function payloadOf(given: string | undefined): Promise<unknown> {
  if (given === undefined) return null;
  const source = given === "-" ? "-" : given.startsWith("@") ? given.slice(1) : null;
  const read = readJson(source === null ? given : await readText(source));
  if (read.ok) return read.value;
  const where = source === null ? "the payload" : source === "-" ? "standard input" : source;
  throw new CommandFailure(`${where}: ${read.reason}`, EXIT_USAGE);
}

function queueOf(options: Options): string {
  const queue = text(options.queue) ?? "common";
  if (!/^[\w.-]{1,128}$/.test(queue)) {
    throw usageError(
      `flag --queue: expected letters, digits, dot, dash and underscore, got ${JSON.stringify(queue)}`,
      "enqueue",
    );
  }
  return queue;
}

function priorityOf(options: Options): number {
  const priority = text(options.priority) ?? "0";
  if (priority !== "0" && priority !== "1") {
    throw usageError(
      `flag --priority: expected 0 (ordinary) or 1 (urgent), got ${JSON.stringify(priority)}`,
      "enqueue",
    );
  }
  return Number(priority);
}

function withQueue(settings: Settings, queue: string): Settings {
  return { ...settings, queues: [...new Set([...settings.queues, queue])] };
}
