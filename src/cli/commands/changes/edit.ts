/** `taskexe edit`: changes a task that waits: its payload, its priority, its time. */
import type { Command } from "commander";
import type { EditReceipt } from "../../../broker/contract/edit.ts";
import { editTask, type TaskChange } from "../../../operations/changes/edit.ts";
import { InvalidTaskError } from "../../../task/message/new-task.ts";
import { hasEnded } from "../../../task/state.ts";
import { type Options, settingsOf, text, withBrokerFlags } from "../../arguments/flags.ts";
import { durationOf, payloadOf, priorityOf, timeOf } from "../../arguments/task-arguments.ts";
import { recordChange } from "../../changes/record-change.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { printJson, printLine } from "../../output/print.ts";
import { CommandFailure, EXIT_USAGE, usageError } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("change a task that waits: its payload, its priority, its time")
    .argument("<id>", "the id of the task")
    .option("--payload <json>", "another payload as JSON, as @FILE to read it from, or - for standard input")
    .option("--priority <number>", "0 is ordinary, 1 is urgent; up to 9 where the setting priorities says so")
    .option("--at <time>", "queue it then: 2026-01-31T12:00:00Z, or Unix ms")
    .option("--in <duration>", "queue it after this time; 0: at once")
    .option("--json", "print JSON")
    .action(async (id: string, options: Options) => exit(await run(id, options)));
}

/** Runs the command. Returns the exit code. */
async function run(id: string, options: Options): Promise<number> {
  const settings = settingsOf(options);
  const change: TaskChange = {
    ...(text(options.payload) === undefined ? {} : { payload: await payloadOf(text(options.payload)) }),
    ...(text(options.priority) === undefined ? {} : { priority: priorityOf(options, settings.priorities, "edit") }),
    at: timeOf(options, "at", "edit"),
    delayMs: durationOf(options, "in", "edit"),
  };
  if (Object.values(change).every((value) => value === undefined)) {
    throw usageError("edit takes --payload, --priority, --at or --in", "edit");
  }
  if (change.at !== undefined && change.delayMs !== undefined)
    throw usageError("--at and --in exclude each other", "edit");
  return withBroker(settings, async (broker) => {
    const receipt = await edited(() => editTask(broker, () => undefined, id, change, settings.priorities));
    if (!receipt.edited) throw new CommandFailure(whyNot(receipt));
    await recordChange(broker, { what: "editTask", of: { id, ...change }, count: 1 });
    sayIfLost(`the task ${id} is changed`);
    if (options.json) printJson(receipt);
    else printLine(`${id} changed`);
    return 0;
  });
}

async function edited(ask: () => Promise<EditReceipt>): Promise<EditReceipt> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof InvalidTaskError)) throw error;
    throw new CommandFailure(error.message, EXIT_USAGE);
  }
}

/** Why a task was left as it is. */
function whyNot({ id, state, refused }: EditReceipt): string {
  if (state === null) return `no record of a task ${id} is kept: it cannot be changed`;
  if (refused !== undefined) return `the task ${id} cannot have that payload: ${refused}`;
  if (state === "running") return `the task ${id} is running: only a task that waits can be changed`;
  if (!hasEnded(state)) return `the task ${id} is ${state}: there is nothing to change`;
  return `the task ${id} has ended: it is ${state}`;
}
